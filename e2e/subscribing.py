"""Subscriptions that were made in Stripe, and their pages: what journeys about them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page

from e2e.people import Admin, find_link
from e2e.stripe_control import StripeControl

MONTH = 32 * 86_400
"""Seconds in which every month ends."""


_named: set[tuple[str, str]] = set()
"""The customers that were made, by the sandbox that has them."""


def subscribed(stripe: StripeControl, name: str, *, trial_days: int = 0, **fields: Any) -> str:
    """A new customer's subscription over $20.00 a month, paid by card; its id.

    Journeys share a portal and find their subscription by its customer, so each name is used once.
    """
    assert (stripe.url, name) not in _named, f"another journey has the customer {name}"
    _named.add((stripe.url, name))
    about: Any = {"name": name, **fields}
    customer = stripe.dashboard.customers.create(about).id
    stripe.save_method(customer, "pm_card_visa")
    wanted: Any = {"customer": customer, "items": [{"price": priced(stripe, f"Plan for {name}", 2_000)}]}
    if trial_days:
        wanted["trial_period_days"] = trial_days
    return str(stripe.dashboard.subscriptions.create(wanted).id)


def priced(stripe: StripeControl, name: str, amount: int) -> str:
    """A new product's price for a month; its id."""
    product = stripe.dashboard.products.create({"name": name}).id
    recurring: Any = {"interval": "month"}
    price = stripe.dashboard.prices.create(
        {"product": product, "unit_amount": amount, "currency": "usd", "recurring": recurring}
    )
    return str(price.id)


def opened(admin: Admin, name: str) -> Page:
    """The subscription's page, found by its customer."""
    address = f"{admin.portal.url}/subscriptions?mode=test&q={name}"
    find_link(admin.page, address, f"Plan for {name}").click()
    return admin.page


def wish(page: Page, name: str, button: str) -> None:
    """Choose a change, from the menu where it is in there, and confirm it."""
    link = page.locator(f"#{name}-link")
    if not link.is_visible():
        page.locator("#more-actions > summary").click()
    link.click()
    page.get_by_role("dialog").get_by_role("button", name=button).click()


def ordered(stripe: StripeControl, subscription: str) -> tuple[str, int]:
    """The price and the quantity of its first item in Stripe."""
    item = stripe.dashboard.subscriptions.retrieve(subscription)["items"].data[0]
    return item.price.id, item.quantity


def eventually(
    page: Page, is_so: Callable[[], bool], *, says: Callable[[], object] = lambda: "It did not become so."
) -> None:
    """Stripe's side is asked until it is so; `says` tells more when it never is."""
    for _ in range(40):
        if is_so():
            return
        page.wait_for_timeout(250)
    assert is_so(), says()
