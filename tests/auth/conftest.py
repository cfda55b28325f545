"""What signing in does is tested here; that a hash costs enough is tested where passwords are."""

from __future__ import annotations

import pytest
from argon2 import PasswordHasher

from portal.security import passwords

CHEAP = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)


@pytest.fixture
def real_hashes() -> None:
    """For a test that looks at them."""


@pytest.fixture(autouse=True)
def cheap_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dozens of attempts would be a quarter of a minute of nothing but hashing."""
    if "real_hashes" in request.fixturenames:
        return
    monkeypatch.setattr(passwords, "_hasher", CHEAP)
    monkeypatch.setattr(passwords, "DECOY", CHEAP.hash("of nobody"))
