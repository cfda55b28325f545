"""What the list of invoices says about its filters."""

from __future__ import annotations

from datetime import date

from portal.database.transaction import connection
from portal.invoices.filters import InvoiceFilter, Tab
from portal.invoices.rules import InvoiceStatus
from portal.web.formats import show_date


def status_choices() -> list[tuple[str, str]]:
    """Statuses without a tab of their own, as value and words."""
    tabs = {tab.value for tab in Tab}
    return [(one.value, status_words(one)) for one in InvoiceStatus if one.value not in tabs]


def chips_of(wanted: InvoiceFilter, customer: str) -> list[tuple[str, str]]:
    """Each filter in words, with the address of the list without it. The amount goes with its currency."""
    chips: list[tuple[str, tuple[str, ...]]] = []
    if wanted.searches:
        chips.append((f"Starts with “{wanted.search}”", ("q",)))
    if wanted.status:
        chips.append((status_words(wanted.status), ("status",)))
    if wanted.sync:
        chips.append((f"Sync: {wanted.sync.label}", ("sync",)))
    if wanted.customer:
        chips.append((customer or f"Customer {wanted.customer}", ("customer",)))
    if wanted.least or wanted.most:
        ends = _range(
            wanted.least.format() if wanted.least else "", wanted.most.format() if wanted.most else ""
        )
        chips.append((f"Amount {ends}", ("min", "max")))
    if wanted.currency:
        chips.append((wanted.currency.upper(), ("currency", "min", "max")))
    if wanted.created_from or wanted.created_to:
        chips.append(
            (f"Created {_days(wanted.created_from, wanted.created_to)}", ("created_from", "created_to"))
        )
    if wanted.due_from or wanted.due_to:
        chips.append((f"Due {_days(wanted.due_from, wanted.due_to)}", ("due_from", "due_to")))
    return [(words, wanted.without(*names).href()) for words, names in chips]


async def customer_name(customer_id: int) -> str:
    """The name, or nothing for a customer that does not exist."""
    async with connection() as held:
        return str(await held.fetchval("SELECT name FROM customer WHERE id = $1", customer_id) or "")


def status_words(status: str) -> str:
    """A status as pages write it."""
    return status.replace("_", " ").capitalize()


def _days(first: date | None, last: date | None) -> str:
    return _range(*(show_date(day).striptags() if day else "" for day in (first, last)))


def _range(low: str, high: str) -> str:
    if low == high:
        return low
    if low and high:
        return f"{low} to {high}"
    return f"from {low}" if low else f"up to {high}"
