"""What the public pay page shows. It holds nothing that the customer must not know."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from portal.accounts.services import AccountDisconnected, load_account
from portal.contract.accounts import Account
from portal.contract.loading import plugin_by_id
from portal.contract.payables import PayPage
from portal.contract.plugin import Plugin
from portal.finance.services import Organisation, organisation
from portal.invoices.pay_history import PayHistory, pay_history
from portal.invoices.payable import PayLink
from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.invoices.sums import discount_title
from portal.mail.servers import may_write_by_itself
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
PATHS = {
    "start": "start",
    "live": "live",
    "card": "card",
    "result": "refresh",
    "pdf": "invoice.pdf",
    "receipt": "receipt.pdf",
}
"""What the page asks for below its own address."""


@dataclass(frozen=True, slots=True)
class Collector:
    """The connection that takes the payment, and its plugin."""

    account: Account
    plugin: Plugin


async def collector_of(link: PayLink) -> Collector | None:
    """Who takes payments for this invoice, or None when nobody can just now."""
    return await collector_for(link.account_id)


async def collector_for(account_id: int | None) -> Collector | None:
    """The connection with its plugin, or None when it takes nothing just now."""
    if account_id is None:
        return None
    try:
        account = await load_account(account_id)
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
    history = await pay_history(link.invoice.id, link.invoice.total.currency)
    return {
        **merchant_context(company, link.mode.value),
        "state": state.value,
        "invoice": _invoice(link, company) | _settled(link, history),
        "payment": _payment(history, link),
        "bank_return": history.returned_by_bank,
        "hosted_url": _hosted_url(link, page),
        "writes": may_write_by_itself(link.mode.value, current_settings()),
        "pay": page,
        "urls": {name: f"/pay/{token}/{path}" for name, path in PATHS.items()},
    }


def merchant_context(company: Organisation | None, mode: str | None = None) -> dict[str, Any]:
    """The parts that even a wrong link shows: who asks for money, and whose days are named."""
    name = company.name if company else "Portal"
    email = company.contact_email if company else ""
    logo = f"/merchant/{company.logo_digest}/logo.png" if company and company.logo_digest else None
    merchant = {"name": name, "contact_email": email, "initial": name[:1].upper(), "logo_url": logo}
    zone = company.time_zone if company else "UTC"
    return {"merchant": merchant, "mode": mode, "time_zone": zone}


def days_until(due_at: datetime, now: datetime) -> int:
    """How many days are left where `now` is, below zero when it is past due."""
    return (due_at.astimezone(now.tzinfo).date() - now.date()).days


def _invoice(link: PayLink, company: Organisation | None) -> dict[str, Any]:
    invoice = link.invoice
    zone = ZoneInfo(company.time_zone) if company else ZoneInfo("UTC")
    days = days_until(invoice.due_at, datetime.now(zone)) if invoice.due_at else None
    return {
        "number": invoice.number,
        "currency": invoice.total.currency,
        "lines": [
            (line.description, line.quantity, line.unit.format(), line.amount.format())
            for line in invoice.lines
        ],
        "subtotal": link.subtotal.format(),
        "discount": invoice.discount if invoice.discount.amount_minor else None,
        "discount_title": discount_title(link.discount_percent),
        "taxes": [(each.title, each.tax.format()) for each in link.taxes],
        "total": invoice.total.format(),
        "amount_due": invoice.amount_due.format(),
        "due_at": invoice.due_at,
        "due_in_days": days,
        "issued_at": link.finalised_at,
        "customer_name": invoice.customer_name,
    }


def _settled(link: PayLink, history: PayHistory) -> dict[str, Money | None]:
    """What was paid, what of it went back, and what was credited: from the total to what is left of it."""
    currency = link.invoice.total.currency
    received = link.amount_paid.amount_minor + link.amount_returned.amount_minor
    parts = {
        "amount_paid": Money(received - history.credited.amount_minor, currency),
        "amount_returned": link.amount_returned,
        "amount_credited": history.credited,
    }
    return {name: amount if amount.amount_minor > 0 else None for name, amount in parts.items()}


def _hosted_url(link: PayLink, page: PayPage | None) -> str | None:
    """The provider's own page for this invoice, when its plugin vouches for the host."""
    address = urlsplit(link.hosted_url)
    if page is None or address.scheme != "https" or address.netloc not in page.hosted_on:
        return None
    return link.hosted_url


def _payment(history: PayHistory, link: PayLink) -> dict[str, Any] | None:
    """The payment that the page tells of: the last one received, or the one under way."""
    if history.payment is None:
        return None
    return {
        "amount": history.payment.amount.format(),
        "method": history.payment.method,
        "date": history.payment.date,
        "reference": link.invoice.number,
        "expected_at": history.payment.expected_at,
    }


def pay_page_of(collector: Collector | None) -> PayPage | None:
    """The plugin's part of the page, without any call to the provider."""
    return collector.plugin.pay_page(collector.account, current_settings()) if collector else None
