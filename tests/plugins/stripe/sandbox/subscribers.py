"""Stories of subscriptions: one is made, time goes on, and what Stripe shows of it then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import stripe as stripe_sdk

from plugins.stripe.sandbox.spec.shapes import object_problems
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import make_customer

DAY = 86400
HOUR = 3600
MONTH = 31 * DAY
"""Long enough for any month to end."""


def priced(client: stripe_sdk.StripeClient, amount: int = 2000, interval: str = "month") -> str:
    """A recurring price."""
    given: Any = {
        "currency": "usd",
        "unit_amount": amount,
        "recurring": {"interval": interval},
        "product_data": {"name": "Care"},
    }
    return client.v1.prices.create(given).id


@dataclass(frozen=True, slots=True)
class Story:
    """One customer and one subscription on the world's clock."""

    sandbox: RunningSandbox
    client: stripe_sdk.StripeClient
    customer: str
    id: str

    def now(self) -> stripe_sdk.Subscription:
        """The subscription as Stripe shows it."""
        row = self.client.v1.subscriptions.retrieve(self.id)
        assert object_problems(row.to_dict(for_json=True)) == []
        return row

    def item(self) -> stripe_sdk.SubscriptionItem:
        """Its only item."""
        (item,) = self.client.v1.subscription_items.list({"subscription": self.id}).data
        return item

    def invoices(self) -> list[stripe_sdk.Invoice]:
        """Its invoices, oldest first."""
        page = self.client.v1.invoices.list({"subscription": self.id, "limit": 100})
        rows = list(reversed(page.data))
        assert [object_problems(row.to_dict(for_json=True)) for row in rows] == [[]] * len(rows)
        return rows

    def newest(self) -> stripe_sdk.Invoice:
        """Its newest invoice."""
        return self.invoices()[-1]

    def to_end_of_period(self, more: int = 60) -> None:
        """Move the clock to the end of the period and so many seconds on."""
        self.sandbox.advance(self.item().current_period_end - self.time() + more, world="a-test")

    def refuse(self, name: str | None = "visa_chargeDeclined") -> None:
        """Let the card be refused from now on, or pay again."""
        card = self.client.v1.customers.retrieve(self.customer).invoice_settings
        assert card is not None
        self.sandbox.control("POST", f"/payment_methods/{card.default_payment_method}/decline", {"as": name})

    def time(self) -> int:
        """What the clock shows."""
        return int(self.sandbox.control("GET", "/clock")["a-test"])

    def events(self, since: int = 0) -> list[str]:
        """The types of the events since then, oldest first, without those about payments' own objects."""
        page = self.client.v1.events.list({"limit": 100, "created": {"gte": since}})
        kinds = [event.type for event in reversed(page.data)]
        return [kind for kind in kinds if kind.split(".")[0] in ("invoice", "customer")]


def subscribed(
    sandbox: RunningSandbox,
    client: stripe_sdk.StripeClient,
    *,
    card: str | None = "pm_card_visa",
    amount: int = 2000,
    **fields: Any,
) -> Story:
    """A customer with a default card, and a monthly subscription."""
    customer = make_customer(client).id
    if card:
        method = client.v1.payment_methods.attach(card, {"customer": customer}).id
        client.v1.customers.update(customer, {"invoice_settings": {"default_payment_method": method}})
    given: Any = {"customer": customer, "items": [{"price": priced(client, amount)}], **fields}
    return Story(sandbox, client, customer, client.v1.subscriptions.create(given).id)
