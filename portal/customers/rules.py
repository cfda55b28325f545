"""Which side's word counts when a customer is named differently here and at a provider. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

PROFILE = ("name", "email", "address", "tax_id")
"""What is written of a customer, in the order of forms."""
FIELD_WORDS: Mapping[str, str] = {
    "name": "name",
    "email": "email address",
    "address": "postal address",
    "tax_id": "tax number",
}


class Verdict(StrEnum):
    """What a field of a customer needs."""

    IN_STEP = "in_step"
    TAKE_THEIRS = "take_theirs"
    OURS_IS_ON_ITS_WAY = "ours_is_on_its_way"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Field:
    """A value as both sides last agreed on it, as it is here, and as the provider has it."""

    agreed: str
    ours: str
    theirs: str


def compare(field: Field) -> Verdict:
    """Who changed it since: the one that did is right, and when both did a person decides."""
    if field.ours == field.theirs:
        return Verdict.IN_STEP
    if field.ours == field.agreed:
        return Verdict.TAKE_THEIRS
    return Verdict.OURS_IS_ON_ITS_WAY if field.theirs == field.agreed else Verdict.CONFLICT


@dataclass(frozen=True, slots=True)
class Merged:
    """A field of two customers that become one."""

    name: str
    kept: str
    gone: str
    result: str


def merged_profile(kept: Mapping[str, str], gone: Mapping[str, str]) -> tuple[Merged, ...]:
    """The values of the kept customer win; what it lacks comes from the other."""
    return tuple(Merged(name, kept[name], gone[name], kept[name] or gone[name]) for name in PROFILE)


def is_expired(month: int | None, year: int | None, today: date) -> bool:
    """Whether a saved card cannot be used any more: cards are good until the end of their month."""
    return bool(month and year) and (year, month) < (today.year, today.month)
