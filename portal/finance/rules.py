"""What may be saved as the organisation's settings. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation

PREFIX = re.compile(r"[A-Za-z0-9][A-Za-z0-9/_.-]{0,11}")
DAY = re.compile(r"[-+]?[0-9]{1,3}")
LONGEST_TERMS = 365
LONGEST_LINK = 3650
HIGHEST_NUMBER = 9_999_999_999
LONGEST_LINES = 500
MOST_REMINDERS = 6
EARLIEST_REMINDER, LATEST_REMINDER = -30, 120


@dataclass(frozen=True, slots=True)
class OrganisationForm:
    """The fields that a person may change in the main form."""

    name: str
    contact_email: str
    address: str
    tax_id: str
    bank_details: str
    footer: str
    default_currency: str
    time_zone: str
    invoice_prefix: str
    next_invoice_number: int | None
    """None: as it is, also when somebody takes a number meanwhile."""
    terms_days: int
    pay_link_days: int


@dataclass(frozen=True, slots=True)
class ReminderForm:
    """When customers are reminded: `reminder_days` after the due date, below zero before it."""

    reminders_on: bool
    reminder_days: tuple[int, ...]
    reminder_note: str


def changed_fields(before: object, after: OrganisationForm | ReminderForm) -> dict[str, dict[str, str]]:
    """Field name -> before and after, for what differs."""
    found = {}
    for each in fields(after):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if new is not None and old != new:
            found[each.name] = {"before": str(old), "after": str(new)}
    return found


def prefix_problem(text: str) -> str | None:
    """Why this cannot start invoice numbers, as what to do; None when it can."""
    if not text or PREFIX.fullmatch(text):
        return None
    return "Use at most 12 letters, digits, or - / _ . characters, for example INV-."


def too_long(text: str, longest: int) -> str | None:
    """What to do about a text of more than `longest` characters."""
    return f"Use at most {longest} characters." if len(text) > longest else None


def read_whole(text: str, least: int, most: int, what: str) -> int | str:
    """A whole number from `least` to `most`, or what to do about the text. `what`: `days`."""
    if not text.isascii() or not text.isdecimal() or len(text) > 12 or not least <= int(text) <= most:
        return f"Enter whole {what} from {least:,} to {most:,}."
    return int(text)


def read_terms(text: str) -> int | str:
    """Days until an invoice is due, or what to do about the text."""
    return read_whole(text, 0, LONGEST_TERMS, "days")


def read_next_number(text: str, saved: int) -> int | str:
    """The number of the next invoice, or what to do about the text: numbers only go up."""
    if text.isascii() and text.isdecimal() and len(text) < 16 and int(text) < saved:
        return f"Numbers only go up: enter {saved} or more."
    return read_whole(text, saved, HIGHEST_NUMBER, "numbers")


def read_reminder_days(text: str) -> tuple[int, ...] | str:
    """`-3, 3, 10` as days after the due date in their order, or what to do about the text."""
    words = [word for word in re.split(r"[,;\s]+", text) if word]
    if (
        not words
        or len(words) > MOST_REMINDERS
        or not all(re.fullmatch(r"[-+]?\d{1,3}", word) for word in words)
    ):
        return f"Enter up to {MOST_REMINDERS} whole days with commas between them, for example -3, 3, 10."
    days = tuple(sorted({int(word) for word in words}))
    if days[0] < EARLIEST_REMINDER or days[-1] > LATEST_REMINDER:
        return f"Use days from {EARLIEST_REMINDER} (before the due date) to {LATEST_REMINDER} (after it)."
    return days


def reminder_words(day: int) -> str:
    """When a reminder goes out: `3 days before the due date`."""
    if day == 0:
        return "on the due date"
    days = f"{abs(day)} day{'' if abs(day) == 1 else 's'}"
    return f"{days} {'before' if day < 0 else 'after'} the due date"


def read_percent(text: str) -> Decimal | str:
    """A tax rate in percent, or what to do about the text."""
    problem = "Enter percent from 0 to 100 with at most 3 digits after the point, for example 19 or 8.875."
    try:
        value = Decimal(text.replace(",", ".").removesuffix("%").strip())
    except InvalidOperation:
        return problem
    if not value.is_finite() or not 0 <= value <= 100 or value != value.quantize(Decimal("0.001")):
        return problem
    return value or Decimal(0)  # not -0, and not 0e999
