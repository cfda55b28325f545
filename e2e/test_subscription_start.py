"""A subscription is started from the portal, and its first payment is made on the portal's own pay page."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from e2e.people import LIVE_MILLISECONDS, Admin, make_customer, pay_by_card
from e2e.stripe_control import StripeControl


def test_a_customer_pays_the_first_period_and_both_sides_call_it_active(admin: Admin, customer: Page) -> None:
    stripe, page = StripeControl(admin.portal.sandbox_url), admin.page
    monthly: Any = {"unit_amount": 4_900, "currency": "usd", "recurring": {"interval": "month"}}
    monthly["product_data"] = {"name": "Lantern Care"}
    stripe.dashboard.prices.create(monthly)
    make_customer(page, admin.portal, "Lumen Bakery", "ap@lumen.example")

    page.locator("#subscription-link").click()
    plan = page.get_by_label("Plan", exact=True)
    expect(page.get_by_label("Customer", exact=True)).to_contain_text("Lumen Bakery")
    for _ in range(20):
        if plan.locator("option", has_text="Lantern Care").count():
            break
        page.wait_for_timeout(500)
        page.reload()
    plan.select_option(label="Lantern Care · $49.00 per month")
    page.get_by_label("Quantity").fill("2")
    page.get_by_label("Email the customer the link to pay").check()
    page.get_by_role("button", name="Start subscription").last.click()

    expect(page.locator("#first-card")).to_contain_text(
        "Waiting for the first payment", timeout=2 * LIVE_MILLISECONDS
    )
    expect(page.locator("#first-card")).to_contain_text("$98.00", timeout=LIVE_MILLISECONDS)
    link = page.locator("#first-link").inner_text(timeout=LIVE_MILLISECONDS)

    customer.goto(link)
    expect(customer.locator(".amount").first).to_have_text("$98.00")
    pay_by_card(customer, "4242424242424242")
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)

    expect(page.locator("#subscription-status")).to_have_text("Active", timeout=LIVE_MILLISECONDS)
    expect(page.locator("#first-card")).to_have_count(0)
    expect(page.locator("#invoices-card")).to_contain_text("Paid")
    made = stripe.dashboard.subscriptions.list({"limit": 100}).data
    (theirs,) = [one for one in made if "portal_subscription" in one.metadata]
    assert theirs.status == "active"
    assert re.fullmatch(r"pm_\w+", str(theirs.default_payment_method))
