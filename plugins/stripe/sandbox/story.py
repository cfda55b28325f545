"""Two years of a small company, lived through in the sandbox: `python -m plugins.stripe.sandbox.story URL`.

The sandbox's clock is set back and moved on again, so renewals, refusals and retries happen as they would.
The same story each time; what the portal shows it reads from the sandbox, as from Stripe.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx
import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import DEFAULT

DAYS, STEP_DAYS = 730, 10
DAY = 86_400
SEED = 20
CALL_SECONDS = 120.0
MARK = {"demo": "two years"}
GOOD, REFUSED = "pm_card_visa", "pm_card_chargeCustomerFail"
PLANS = (
    ("Starter", 1_900, "usd", "month"),
    ("Studio", 4_900, "usd", "month"),
    ("Studio Europe", 4_500, "eur", "month"),
    ("Agency", 149_000, "usd", "year"),
)
"""Name, amount in minor units, currency, interval."""
NAMES = (
    *(
        "Globex",
        "Initech",
        "Umbrella Travel",
        "Stark Tools",
        "Wayne Print",
        "Hooli Foods",
        "Vandelay Imports",
    ),
    *(
        "Soylent Deli",
        "Cyber Bikes",
        "Oscorp Labs",
        "Duff Garden",
        "Wonka Bakery",
        "Acme Supply",
        "Gringotts Books",
    ),
    *("Tyrell Optics", "Nakatomi Trade", "Monarch Lodge", "Prestige Shoes", "Sirius Audio", "Blue Sun Tea"),
    *("Aperture Frames", "Black Mesa Gym", "Virtucon Media", "Zorin Boats", "Octan Fuel", "Pied Piper Music"),
    *("Rekall Tours", "Weyland Roofing", "Yoyodyne Parts", "Oceanic Diving", "Bluth Homes", "Dunder Paper"),
)
WORK = ("Brand guidelines", "Photo shoot", "Website", "Trade fair stand", "Catalogue", "Workshop")


class ToldAlready(Exception):
    """The sandbox has lived through it before."""


@dataclass
class _Customer:
    id: str
    plan: int
    subscription: str
    refused: bool = False
    gone: bool = False


@dataclass
class _Story:
    stripe: stripe_sdk.V1Services
    url: str
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311 - a story, no secret
    prices: list[str] = field(default_factory=list)
    customers: list[_Customer] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    """Invoices that nobody has paid yet."""

    def tell(self) -> Iterator[str]:
        """Live through it; a sentence now and then says how far it is."""
        self._refuse_twice()
        began = int(time.time()) - DAYS * DAY
        self._clock(now=began)
        try:
            self._make_plans()
            for step in range(DAYS // STEP_DAYS):
                self._live(step)
                self._clock(advance_seconds=STEP_DAYS * DAY)
                if step % 6 == 5:
                    day = datetime.fromtimestamp(began + (step + 1) * STEP_DAYS * DAY, UTC)
                    yield f"{day:%B %Y}: {len(self.customers)} customers."
        finally:
            self._clock(now=time.time())

    def _refuse_twice(self) -> None:
        known = self.stripe.products.list({"limit": 100}).data
        if any("demo" in product.metadata for product in known):
            raise ToldAlready("The demo data is there already. Remove the data folder to begin anew.")

    def _clock(self, **to: float) -> None:
        body = {"world": DEFAULT.name, **to}
        httpx.post(f"{self.url}/_sandbox/clock", json=body, timeout=CALL_SECONDS).raise_for_status()

    def _make_plans(self) -> None:
        for name, amount, currency, interval in PLANS:
            product = self.stripe.products.create({"name": name, "metadata": MARK})
            recurring: Any = {"interval": interval}
            price = self.stripe.prices.create(
                {"product": product.id, "unit_amount": amount, "currency": currency, "recurring": recurring}
            )
            self.prices.append(price.id)

    def _live(self, step: int) -> None:
        """Ten days: somebody comes, some change their minds, work is billed and paid."""
        if step % 2 == 0 and len(self.customers) < len(NAMES):
            self._join(NAMES[len(self.customers)])
        for customer in self.customers:
            self._change(customer)
        self._settle()
        self._bill()

    def _join(self, name: str) -> None:
        email = f"accounts@{name.lower().replace(' ', '-')}.example"
        customer = self.stripe.customers.create({"name": name, "email": email}).id
        self._save(customer, GOOD)
        plan = self.dice.choice((0, 0, 1, 1, 1, 2, 3))
        wanted: Any = {"customer": customer, "items": [{"price": self.prices[plan]}]}
        if self.dice.random() < 0.3:
            wanted["trial_period_days"] = 14
        made = self.stripe.subscriptions.create(wanted)
        self.customers.append(_Customer(customer, plan, made.id))

    def _save(self, customer: str, method: str) -> None:
        saved = self.stripe.payment_methods.attach(method, {"customer": customer}).id
        self.stripe.customers.update(customer, {"invoice_settings": {"default_payment_method": saved}})

    def _change(self, customer: _Customer) -> None:
        chance = self.dice.random()
        if customer.gone:
            return
        if customer.refused:
            if chance < 0.6:
                self._save(customer.id, GOOD)
                customer.refused = False
        elif chance < 0.025:
            self._save(customer.id, REFUSED)
            customer.refused = True
        elif chance < 0.033:
            self._leave(customer)
        elif chance < 0.055 and customer.plan == 0:
            self._upgrade(customer)

    def _status(self, customer: _Customer) -> str:
        return str(self.stripe.subscriptions.retrieve(customer.subscription).status)

    def _leave(self, customer: _Customer) -> None:
        customer.gone = True
        if self._status(customer) != "canceled":
            self.stripe.subscriptions.update(customer.subscription, {"cancel_at_period_end": True})

    def _upgrade(self, customer: _Customer) -> None:
        subscription = self.stripe.subscriptions.retrieve(customer.subscription)
        if subscription.status == "active":
            item: Any = {"id": subscription["items"]["data"][0]["id"], "price": self.prices[1]}
            self.stripe.subscriptions.update(customer.subscription, {"items": [item]})
            customer.plan = 1

    def _settle(self) -> None:
        """Most pay what they were sent, some later, one or the other not yet."""
        for invoice in list(self.sent):
            if self.dice.random() < 0.7:
                self.stripe.invoices.pay(invoice, {"payment_method": GOOD})
                self.sent.remove(invoice)

    def _bill(self) -> None:
        if not self.customers or self.dice.random() < 0.3:
            return
        customer = self.dice.choice(self.customers).id
        made = self.stripe.invoices.create(
            {
                "customer": customer,
                "collection_method": "send_invoice",
                "days_until_due": 14,
                "currency": "usd",
            }
        )
        amount = self.dice.randrange(20_000, 240_000, 500)
        line: Any = {"description": self.dice.choice(WORK), "amount": amount}
        self.stripe.invoices.add_lines(str(made.id), {"lines": [line]})
        self.stripe.invoices.finalize_invoice(str(made.id))
        self.sent.append(str(made.id))


def tell(url: str) -> Iterator[str]:
    """Live through the two years in the sandbox at `url`.

    Raises:
        ToldAlready: nothing was made, it is there.
    """
    client = stripe_sdk.StripeClient(DEFAULT.secret_key, base_addresses={"api": url})
    yield from _Story(client.v1, url).tell()


def main(url: str) -> int:
    """Print how far it is; 1 when it is there already."""
    try:
        for words in tell(url):
            print(words, flush=True)  # noqa: T201 - the program's answer
    except ToldAlready as known:
        print(known, file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
