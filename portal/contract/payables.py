"""An invoice as a provider needs it, and what the public pay page needs of a provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.money import Money


@dataclass(frozen=True, slots=True)
class PayableLine:
    """A line of an invoice as the provider needs it. `amount` is the line's total, tax apart."""

    description: str
    quantity: int
    unit: Money
    amount: Money


@dataclass(frozen=True, slots=True)
class PayableInvoice:
    """What a plugin may know of an invoice. Amount and currency come from our row alone."""

    id: int
    key: str
    """Names this invoice of this installation; put it into the provider's metadata, look it up by it."""
    number: str
    status: str
    external_id: str | None
    """The provider's id of its copy, once there is one."""
    total: Money
    amount_due: Money
    discount: Money
    """What is taken off the lines before tax, as an amount above zero."""
    tax: Money
    due_at: datetime | None
    memo: str
    customer_id: int
    customer_key: str
    customer_name: str
    customer_email: str | None
    created_at: datetime
    lines: tuple[PayableLine, ...]


@dataclass(frozen=True, slots=True)
class PayPage:
    """What the public pay page needs of a plugin: a partial, scripts, and where they may connect."""

    template: str
    context: Mapping[str, Any]
    scripts: tuple[str, ...]
    """Addresses of the provider's scripts, and names of own ones such as `plugins/stripe/pay.js`."""
    csp: Mapping[str, tuple[str, ...]]
    """Additions to the page's Content-Security-Policy, such as `{"script-src": ("https://…",)}`."""
    hosted_on: tuple[str, ...] = ()
    """Hosts of the provider's own payment pages. Where scripts do not run, a link to one is shown."""


@dataclass(frozen=True, slots=True)
class PaymentStart:
    """Data for the browser. It may hold a client secret: never stored, never logged."""

    data: Mapping[str, str]
