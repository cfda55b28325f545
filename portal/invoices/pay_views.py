"""What the public pay page shows. It holds nothing that the customer must not know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from portal.accounts.services import AccountDisconnected, load_account
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Account, PayPage, Plugin
from portal.database.transaction import connection
from portal.finance.services import Organisation, organisation
from portal.invoices.payable import PayLink
from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.money import Money
from portal.settings import current_settings


class PayState(StrEnum):
    """Which page the customer sees."""

    READY = "ready"
    PARTLY_PAID = "partly_paid"
    PROCESSING = "processing"
    PAID = "paid"
    VOID = "void"
    DRAFT = "draft"
    UNAVAILABLE = "unavailable"
    EXPIRED = "expired"


_SETTLED = {
    InvoiceStatus.PAID: PayState.PAID,
    InvoiceStatus.REFUNDED: PayState.PAID,
    InvoiceStatus.PROCESSING: PayState.PROCESSING,
    InvoiceStatus.VOID: PayState.VOID,
    InvoiceStatus.DRAFT: PayState.DRAFT,
}


@dataclass(frozen=True, slots=True)
class Collector:
    """The connection that takes the payment, and its plugin."""

    account: Account
    plugin: Plugin


async def collector_of(link: PayLink) -> Collector | None:
    """Who takes payments for this invoice, or None when nobody can just now."""
    if link.account_id is None:
        return None
    try:
        account = await load_account(link.account_id)
    except AccountDisconnected:
        return None
    plugin = plugin_by_id(account.plugin)
    return Collector(account, plugin) if plugin else None


def state_of(link: PayLink, collector: Collector | None) -> PayState:
    """What to show. Money decides first, then whether anything can be paid here and now."""
    settled = _SETTLED.get(InvoiceStatus(link.invoice.status))
    if settled is not None:
        return settled
    if link.expired:
        return PayState.EXPIRED
    if collector is None or link.invoice.status not in PAYABLE:
        return PayState.UNAVAILABLE
    return PayState.PARTLY_PAID if link.amount_paid.amount_minor else PayState.READY


async def page_context(link: PayLink, state: PayState, page: PayPage | None, token: str) -> dict[str, Any]:
    """Everything the templates in `templates/pay/` need."""
    company = await organisation()
    return {
        **merchant_context(company, link.mode.value),
        "state": state.value,
        "invoice": _invoice(link, company),
        "payment": await _payment(link),
        "pay": page,
        "urls": {
            name: f"/pay/{token}/{path}"
            for name, path in {"start": "start", "live": "live", "card": "card", "result": "refresh"}.items()
        },
    }


def merchant_context(company: Organisation | None, mode: str | None = None) -> dict[str, Any]:
    """The parts that even a wrong link shows: who asks for money."""
    name = company.name if company else "Portal"
    email = company.contact_email if company else ""
    return {"merchant": {"name": name, "contact_email": email, "initial": name[:1].upper()}, "mode": mode}


def _invoice(link: PayLink, company: Organisation | None) -> dict[str, Any]:
    invoice = link.invoice
    zone = ZoneInfo(company.time_zone) if company else ZoneInfo("UTC")
    days = (
        (invoice.due_at.astimezone(zone).date() - datetime.now(zone).date()).days if invoice.due_at else None
    )
    return {
        "number": invoice.number,
        "currency": invoice.total.currency,
        "lines": [
            (line.description, line.quantity, line.unit.format(), line.amount.format())
            for line in invoice.lines
        ],
        "subtotal": link.subtotal.format(),
        "tax": invoice.tax.format() if invoice.tax.amount_minor else None,
        "total": invoice.total.format(),
        "amount_due": invoice.amount_due.format(),
        "amount_paid": link.amount_paid.format() if link.amount_paid.amount_minor else None,
        "due_at": invoice.due_at,
        "due_in_days": days,
        "issued_at": link.finalised_at,
        "customer_name": invoice.customer_name,
    }


async def _payment(link: PayLink) -> dict[str, Any] | None:
    """The payment that the page tells of: the last one received, or the one under way."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT amount_minor, currency, method, occurred_at, NULL::timestamptz AS expected_at,
                   1 AS rank, id
            FROM payment WHERE invoice = $1 AND amount_minor > 0
            UNION ALL
            SELECT amount_minor, currency, method, occurred_at, expected_at, 0 AS rank, id
            FROM payment_attempt WHERE invoice = $1 AND state = 'processing'
            ORDER BY rank, id DESC LIMIT 1
            """,
            link.invoice.id,
        )
    if row is None:
        return None
    return {
        "amount": Money(row["amount_minor"], row["currency"]).format(),
        "method": row["method"],
        "date": row["occurred_at"],
        "reference": link.invoice.number,
        "expected_at": row["expected_at"],
    }


async def note_opened(link: PayLink) -> None:
    """Remember when the customer last opened the link."""
    async with connection() as held:
        await held.execute(
            "UPDATE invoice SET pay_link_opened_at = $2 WHERE id = $1", link.invoice.id, datetime.now(UTC)
        )


def pay_page_of(collector: Collector | None) -> PayPage | None:
    """The plugin's part of the page, without any call to the provider."""
    return collector.plugin.pay_page(collector.account, current_settings()) if collector else None
