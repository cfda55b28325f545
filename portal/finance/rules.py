"""What may be saved as the organisation's settings. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

PREFIX = re.compile(r"[A-Z0-9][A-Z0-9/_.-]{0,11}", re.IGNORECASE)
LONGEST_TERMS = 365


@dataclass(frozen=True, slots=True)
class OrganisationForm:
    """The fields that a person may change."""

    name: str
    contact_email: str
    address: str
    default_currency: str
    time_zone: str
    invoice_prefix: str
    terms_days: int


def changed_fields(before: object, after: OrganisationForm) -> dict[str, dict[str, str]]:
    """Field name -> before and after, for what differs."""
    found = {}
    for each in fields(after):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new:
            found[each.name] = {"before": str(old), "after": str(new)}
    return found


def prefix_problem(text: str) -> str | None:
    """Why this cannot start invoice numbers, as what to do; None when it can."""
    if not text or PREFIX.fullmatch(text):
        return None
    return "Use at most 12 letters, digits, or - / _ . characters, for example INV-."


def read_terms(text: str) -> int | str:
    """Days until an invoice is due, or what to do about the text."""
    if not text.isascii() or not text.isdecimal() or int(text) > LONGEST_TERMS:
        return f"Enter whole days from 0 to {LONGEST_TERMS}."
    return int(text)
