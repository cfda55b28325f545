"""Two Stripes for the same questions: the sandbox, and the real one when a test key is given."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from plugins.stripe.gateway import spending
from plugins.stripe.sandbox.testing import running_sandbox
from tests.live.stripes import KEY_VARIABLE, REAL_API, Stripe, a_stripe

REAL_KEY = os.environ.get(KEY_VARIABLE, "")
REAL = [pytest.param("real", marks=pytest.mark.live)] if REAL_KEY else []
"""Without a key nothing is parametrised with it; `test_keys.py` says so once instead of for every test."""


@pytest.fixture(autouse=True)
def _no_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection of these tests is saved nowhere, so there is no budget to take calls from."""

    async def free(*_: object) -> None:
        return None

    monkeypatch.setattr(spending, "take_call", free)
    monkeypatch.setattr(spending, "note_slow_down", free)


@pytest.fixture(scope="session")
def sandbox_stripe() -> Iterator[Stripe]:
    """The sandbox, in a process of its own."""
    with running_sandbox() as running:
        yield a_stripe("sandbox", running.url, running.keys.secret_key)


@pytest.fixture(params=["sandbox", *REAL])
def stripe(request: pytest.FixtureRequest) -> Iterator[Stripe]:
    """The Stripe that is asked. What a test leaves open in it is closed afterwards."""
    if request.param == "real":
        found = a_stripe("real", REAL_API, REAL_KEY)
    else:
        found = request.getfixturevalue("sandbox_stripe")
    yield found
    found.clean_up()
