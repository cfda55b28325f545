"""What a check of a connection is, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from portal.contract.secrets import Secret
    from portal.settings import Settings


class CheckStatus(StrEnum):
    """How a check ended. Only `failed` blocks saving; `warning` and `unproved` ask once more."""

    PASSED = "passed"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNPROVED = "unproved"


@dataclass(frozen=True, slots=True)
class CheckItem:
    """One part of a check, shown as a chip: a permission, a payment method."""

    label: str
    status: CheckStatus
    detail: str = ""
    """More about it, for the chip's title: `Stripe calls it rak_invoice_write`."""


@dataclass(frozen=True, slots=True)
class Repair:
    """Something that the portal can mend at the provider: a button under the check."""

    id: str
    label: str
    """Verb and object: `Create it for me`."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What a check found, in words that a person can act on."""

    status: CheckStatus
    message: str
    fix: str = ""
    """What it would break and what to do, in one or two sentences; empty when there is nothing to do."""
    steps: tuple[str, ...] = ()
    """The way to mend it by hand, one step each, shown as a numbered list."""
    fix_url: str = ""
    fix_label: str = ""
    tag: str = ""
    """A few words for the pill at the right: `9 of 10`, `Unproved`."""
    code: str = ""
    """Stable name for the help page, such as `STRIPE_KEY_REFUSED`; a `HelpPage` of the plugin lists it."""
    items: tuple[CheckItem, ...] = ()
    repairs: tuple[Repair, ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict)
    """What it saw, as label and value, for comparing test with live: `{"Charges": "on"}`."""
    features_off: Mapping[str, str] = field(default_factory=dict)
    """`Feature.id` -> why it cannot be used with these credentials, as a sentence."""
    unanswered: bool = False
    """Nobody answered, so nothing was learned: what was known of a saved connection before stands."""


@dataclass(slots=True)
class CheckContext:
    """What a check may look at. `facts` is shared by the checks of one run (what an earlier one learned)."""

    credentials: Mapping[str, Secret]
    endpoint_url: str
    settings: Settings
    instance: str = ""
    """Names this installation; what the portal makes at the provider carries it."""
    time_zone: str = "UTC"
    """The organisation's: the days that sentences name are those of this zone."""
    account_id: int | None = None
    """The saved connection that is checked; None: it is not saved yet."""
    thorough: bool = True
    """A person waits for the answer: harmless objects may be made at the provider to prove something."""
    other_secrets: Mapping[str, Secret] = field(default_factory=dict)
    """Signing secrets that are not the one to check, by what they are: `the previous secret`."""
    facts: dict[str, object] = field(default_factory=dict)
    results: dict[str, CheckResult] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """A named question about a connection.

    `run` is called with a deadline of `seconds`; it may call the provider. `needs` names checks
    that must not have failed, else this one is skipped with `skipped_because`.
    """

    id: str
    title: str
    waiting: str
    run: Callable[[CheckContext], Awaitable[CheckResult]]
    needs: tuple[str, ...] = ()
    skipped_because: str = "Not checked because an earlier check failed."
    seconds: float = 10.0
    parts: tuple[str, ...] = ()
    """Labels of the items that its result will have: shown before it ran, so that nothing jumps then."""
