"""The fake provider starts each test with good answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.accounts import fakes


@pytest.fixture(autouse=True)
def good_answers() -> Iterator[None]:
    """Every check passes unless the test says otherwise."""
    for memory in (fakes.ANSWERS, fakes.ASKED, fakes.REFUSES):
        memory.clear()
    yield
    for memory in (fakes.ANSWERS, fakes.ASKED, fakes.REFUSES):
        memory.clear()
