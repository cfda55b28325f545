"""The sandbox's own keys: constants, recognisably fake, the same on each start.

This module imports nothing of the sandbox, so that the connect page can offer the keys cheaply.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class WorldKeys:
    """One world: an account in one mode, and the keys that open it."""

    name: str
    """Short name for people: `a-test`."""
    account: str
    display_name: str
    livemode: bool
    publishable_key: str
    secret_key: str
    restricted_key: str
    """Holds every right the plugin needs, but may not read the account itself."""

    def as_json(self) -> dict[str, str | bool]:
        """The plain form that `--keys` prints."""
        return asdict(self)


def _world(letter: str, mode: str) -> WorldKeys:
    account = f"1SandboxAccount{letter}"
    return WorldKeys(
        name=f"{letter.lower()}-{mode}",
        account=f"acct_{account}",
        display_name=f"Sandbox Account {letter}",
        livemode=mode == "live",
        publishable_key=f"pk_{mode}_5{account}_publishable_not_real",
        secret_key=f"sk_{mode}_5{account}_secret_not_real",
        restricted_key=f"rk_{mode}_5{account}_restricted_not_real",
    )


WORLDS: tuple[WorldKeys, ...] = tuple(
    _world(letter, mode) for letter in ("A", "B") for mode in ("test", "live")
)
"""Two accounts in two modes; nothing made in one world can be seen from another."""

DEFAULT = WORLDS[0]
"""Account A in test mode: what "Use the Stripe sandbox" fills in."""
