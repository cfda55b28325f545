"""What a key must be allowed to do, beside the feature that would be switched off without it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Right:
    """One right of a restricted key. `service` names the SDK's service whose list is read to probe it."""

    service: str
    title: str
    """As Stripe's own page for editing a key calls it."""
    level: str
    """`Read` or `Write`; Write implies Read."""
    without: str
    """What a person could not do without it; completes "so ..."."""
    needed: bool = True
    """False: a doubt is left, but everything works."""


RIGHTS = (
    Right("customers", "Customers", "Write", "you could not send customers to Stripe"),
    Right("invoices", "Invoices", "Write", "you could not send invoices to Stripe or have them paid"),
    Right("payment_intents", "Payment Intents", "Write", "nobody could pay an invoice"),
    Right("charges", "Charges", "Read", "you would not see why a payment failed"),
    Right("refunds", "Refunds", "Write", "you could not refund a payment from an invoice"),
    Right("products", "Products", "Read", "plans would have no names"),
    Right("prices", "Prices", "Read", "plans would have no prices"),
    Right("events", "Events", "Read", "events that were missed could not be fetched again"),
    Right("webhook_endpoints", "Webhook Endpoints", "Write", "the endpoint could not be checked or mended"),
    Right(
        "setup_intents",
        "Setup Intents",
        "Write",
        "it cannot be proved that both keys belong to the same account",
        needed=False,
    ),
)


def titles(level: str) -> str:
    """The rights of one level as a list for people: `Customers, Invoices`."""
    return ", ".join(right.title for right in RIGHTS if right.level == level)
