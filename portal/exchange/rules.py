"""When a connection is in trouble, in words with what to do. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

PARKED_IN_AN_HOUR = 3
REFUSED_IN_A_ROW = 5
LAG_SECONDS = 120.0
UNKNOWN_SECONDS = 3600.0
SLOWED_DOWN = 20


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is measured of a connection."""

    parked_lately: int = 0
    """Events of the last hour that are parked."""
    refused_in_a_row: int = 0
    """Deliveries whose signature was refused since one was accepted."""
    lag_seconds: float = 0.0
    """For how long the oldest event that is due has waited."""
    unknown_seconds: float = 0.0
    """For how long the oldest call without an answer has been looked for."""
    unknown: int = 0
    slowed_down: int = 0
    """How often the provider asked for fewer calls in the running hour."""
    silent_hours: float = 0.0
    """For how long no event came although some were to be expected; 0: nothing is amiss."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One thing that is wrong: the cause and the way out."""

    code: str
    words: str
    advice: str
    path: str = ""
    """Where to go, when that is a page of its own."""


Rule = Callable[[Vitals], Alarm | None]


def alarms_of(vitals: Vitals) -> list[Alarm]:
    """Everything that is wrong now; an alarm ends by itself when its cause does."""
    return [alarm for rule in _RULES if (alarm := rule(vitals))]


def _refused(vitals: Vitals) -> Alarm | None:
    if vitals.refused_in_a_row < REFUSED_IN_A_ROW:
        return None
    return Alarm(
        "refused",
        f"The last {vitals.refused_in_a_row:,} webhook deliveries were refused: no signing secret fits.",
        "Compare the signing secret with the endpoint's at the provider, and enter the one it shows.",
    )


def _parked(vitals: Vitals) -> Alarm | None:
    if vitals.parked_lately < PARKED_IN_AN_HOUR:
        return None
    return Alarm(
        "parked",
        f"{vitals.parked_lately:,} webhook events of the last hour could not be handled.",
        "Each says why. Mend the cause, then try all of them again together.",
        "/webhook-events?status=parked",
    )


def _late(vitals: Vitals) -> Alarm | None:
    if vitals.lag_seconds <= LAG_SECONDS:
        return None
    return Alarm(
        "late",
        f"Webhook events have waited for {_span(vitals.lag_seconds)} to be handled.",
        "See that the worker runs (portal doctor tells), and that it has enough processes for what arrives.",
        "/webhook-events",
    )


def _silent(vitals: Vitals) -> Alarm | None:
    if not vitals.silent_hours:
        return None
    return Alarm(
        "silent",
        f"No webhook has arrived for {_span(vitals.silent_hours * 3600)} although invoices are open.",
        "Run the checks: the endpoint may be deleted, disabled, or unable to reach this portal.",
    )


def _unknown(vitals: Vitals) -> Alarm | None:
    if vitals.unknown_seconds <= UNKNOWN_SECONDS:
        return None
    changes = "1 change" if vitals.unknown == 1 else f"{vitals.unknown:,} changes"
    return Alarm(
        "unknown",
        f"For {_span(vitals.unknown_seconds)} the provider has not said whether it made {changes}.",
        "Nothing is sent twice: it is looked for until it is found. See whether the provider has an outage.",
    )


def _slowed(vitals: Vitals) -> Alarm | None:
    if vitals.slowed_down < SLOWED_DOWN:
        return None
    return Alarm(
        "slowed",
        f"The provider asked {vitals.slowed_down:,} times in this hour for fewer calls.",
        "Something else may use the same account's allowance. Work is slower, and none is lost.",
    )


_RULES: tuple[Rule, ...] = (_refused, _silent, _parked, _late, _unknown, _slowed)


def _span(seconds: float) -> str:
    """`4 minutes`, `2 hours`, `3 days`, as somebody says it."""
    for size, name in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            number = int(seconds // size)
            return f"{number} {name}" if number == 1 else f"{number} {name}s"
    return "less than a minute"
