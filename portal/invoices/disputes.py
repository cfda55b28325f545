"""Two people wrote one draft: what each of them wants, field by field, and a choice. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime

from portal.invoices.forms import preview
from portal.invoices.inputs import AMOUNT, InvoiceInput, LineInput

TAKE = "take-"
"""What the button of a row sends, with the row's name behind it."""
PARTS: Mapping[str, tuple[str, ...]] = {
    "customer": ("customer",),
    "currency": ("currency",),
    "due": ("terms", "due_date"),
    "lines": ("lines",),
    "discount": ("discount", "discount_kind"),
    "memo": ("memo",),
    "footer": ("footer",),
}
"""What a person decides on as one, and the fields of the form that belong to it."""
LABELS = {"due": "Due date"}


@dataclass(frozen=True, slots=True)
class Disputed:
    """A row of the comparison: what was typed here, and what is saved now, each as lines of text."""

    part: str
    label: str
    mine: tuple[str, ...]
    theirs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Dispute:
    """Everything that differs. `final`: the draft became an invoice, so nothing can be saved over it."""

    who: str
    at: datetime | None
    rows: tuple[Disputed, ...]
    final: bool


def compare(
    mine: InvoiceInput, theirs: InvoiceInput, customers: Mapping[str, str], today: date
) -> tuple[Disputed, ...]:
    """The parts in which the two differ as a person reads them. `customers`: id to name."""
    found = []
    for part in PARTS:
        one, other = (_shown(part, given, customers, today) for given in (mine, theirs))
        if one != other:
            found.append(Disputed(part, LABELS.get(part, part.capitalize()), one, other))
    return tuple(found)


def take_theirs(mine: InvoiceInput, theirs: InvoiceInput, part: str) -> InvoiceInput:
    """The form as typed, but for one part, which is as it is saved. An unknown part changes nothing."""
    return replace(mine, **{name: getattr(theirs, name) for name in PARTS.get(part, ())})


def _shown(part: str, given: InvoiceInput, customers: Mapping[str, str], today: date) -> tuple[str, ...]:
    if part == "customer":
        return (customers.get(given.customer, "No customer"),)
    if part == "currency":
        return (given.currency.upper(),)
    if part == "due":
        return (_due(given, today),)
    if part == "lines":
        return tuple(_line(line) for line in given.lines if not line.blank) or ("No lines",)
    if part == "discount":
        return (_discount(given),)
    return (getattr(given, part) or "Nothing",)


def _due(given: InvoiceInput, today: date) -> str:
    due = preview(given, today).due
    return f"{due:%-d %B %Y}" if due else given.due_date or "No due date"


def _line(line: LineInput) -> str:
    rate, _, name = line.tax.partition(" ")
    return f"{line.description}: {line.quantity} × {line.unit}, {name or 'tax'} {rate or '0'} %"


def _discount(given: InvoiceInput) -> str:
    if not given.discount:
        return "No discount"
    unit = given.currency.upper() if given.discount_kind == AMOUNT else "%"
    return f"{given.discount} {unit}"
