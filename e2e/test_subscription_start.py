"""A subscription is started from the portal, and its first payment is made on the portal's own pay page."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Page, expect

from e2e.mails import written
from e2e.people import LIVE_MILLISECONDS, Admin, card_form, make_customer, pay_by_card
from e2e.stripe_control import StripeControl
from e2e.subscribing import eventually, priced
from tests.barriers import barriers_seen

OVERHANG = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
"""By how many pixels the page is wider than its window."""


def test_a_customer_pays_the_first_period_and_both_sides_call_it_active(admin: Admin, customer: Page) -> None:
    stripe, page = StripeControl(admin.portal.sandbox_url), admin.page
    priced(stripe, "Lantern Care", 4_900)
    open_form(admin, "Lantern Care", "Lumen Bakery", "ap@lumen.example")
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
    (theirs,) = [one for one in made if ordered(one) and one.status != "trialing"]
    assert theirs.status == "active"
    assert re.fullmatch(r"pm_\w+", str(theirs.default_payment_method))


def test_a_trial_asks_for_a_method_at_the_start_by_mail_and_charges_nothing(
    admin: Admin, customer: Page
) -> None:
    stripe, page = StripeControl(admin.portal.sandbox_url), admin.page
    priced(stripe, "Ember Care", 4_900)
    open_form(admin, "Ember Care", "Ember Studio", "ap@ember.example")
    page.get_by_label("Trial days").fill("14")
    page.get_by_label("Email the customer the link to pay").check()
    page.get_by_role("button", name="Start subscription").last.click()
    expect(page.locator("#trial-card")).to_contain_text("$49.00 / month", timeout=2 * LIVE_MILLISECONDS)
    expect(page.get_by_role("link", name="Send link to add a payment method")).to_be_visible()
    assert barriers_seen(page) == []
    assert page.evaluate(OVERHANG) == 0

    title = "Add a payment method for Ember Care"
    eventually(page, lambda: bool(links_for(admin, title)))
    customer.goto(links_for(admin, title)[-1])
    expect(customer.get_by_role("heading", name="Add a payment method")).to_be_visible()
    expect(customer.locator(".meta")).to_contain_text("No method yet")
    expect(customer.locator("#options:not(.loading)")).to_be_visible(timeout=LIVE_MILLISECONDS)
    form = card_form(customer)
    form.get_by_label("Card number").fill("4242424242424242")
    form.get_by_label("Expiration date").fill("1234")
    form.get_by_label("Security code").fill("123")
    customer.get_by_role("button", name="Save payment method").click()
    expect(customer.locator("#card")).to_contain_text(
        "is charged when the trial ends", timeout=LIVE_MILLISECONDS
    )
    assert barriers_seen(customer) == []

    expect(page.locator("#charged-to")).to_contain_text("Visa ending 4242", timeout=LIVE_MILLISECONDS)
    expect(page.locator("#trial-card")).to_have_count(0)
    (theirs,) = [
        one for one in stripe.dashboard.subscriptions.list({"status": "trialing"}).data if ordered(one)
    ]
    eventually(page, lambda: bool(stripe.dashboard.subscriptions.retrieve(theirs.id).default_payment_method))


def open_form(admin: Admin, product: str, name: str, email: str) -> None:
    """The form for a new customer, with the plan chosen as soon as it is known here."""
    page = admin.page
    make_customer(page, admin.portal, name, email)
    page.locator("#subscription-link").click()
    plan = page.get_by_label("Plan", exact=True)
    expect(page.get_by_label("Customer", exact=True)).to_contain_text(name)
    for _ in range(20):
        if plan.locator("option", has_text=product).count():
            break
        page.wait_for_timeout(500)
        page.reload()
    plan.select_option(label=f"{product} · $49.00 per month")


def links_for(admin: Admin, title: str) -> list[str]:
    """The addresses of method pages in letters with this title, oldest first."""
    found: list[str] = []
    for message in written(admin.portal):
        body = message.get_body(("plain",))
        if title in message["Subject"] and body:
            found += re.findall(r"http://\S+/method/[\w-]{43}", body.get_content())
    return found


def ordered(subscription: Any) -> bool:
    """Whether the portal asked for it."""
    return "portal_subscription" in subscription.metadata
