"""A subscription that was made in Stripe: ended, kept, paused, changed, and charged again after a refusal."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from e2e.people import LIVE_MILLISECONDS, Admin
from e2e.stripe_control import StripeControl
from e2e.subscribing import MONTH, eventually, opened, ordered, priced, subscribed, wish


def test_what_is_asked_of_a_subscription_becomes_so_in_stripe(admin: Admin) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    subscriptions = stripe.dashboard.subscriptions
    made = subscribed(stripe, "Soylent Deli")
    page = opened(admin, "Soylent Deli")
    expect(page.locator("main")).to_contain_text("$20.00 / month")

    wish(page, "cancel-at-period-end", "Cancel at period end")
    expect(page.locator("#keep-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(page.locator("main")).to_contain_text(re.compile("Cancels on"), timeout=LIVE_MILLISECONDS)
    assert subscriptions.retrieve(made).cancel_at_period_end
    wish(page, "keep", "Keep subscription")
    expect(page.locator("main")).not_to_contain_text(re.compile("Cancels on"), timeout=LIVE_MILLISECONDS)
    assert not subscriptions.retrieve(made).cancel_at_period_end

    wish(page, "pause", "Pause collection")
    expect(page.locator("#resume-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    eventually(page, lambda: subscriptions.retrieve(made).pause_collection is not None)
    wish(page, "resume", "Resume")
    expect(page.locator("#resume-link")).to_have_count(0, timeout=LIVE_MILLISECONDS)
    eventually(page, lambda: subscriptions.retrieve(made).pause_collection is None)

    wish(page, "cancel-now", "Cancel subscription now")
    expect(page.locator("main")).to_contain_text("It has ended", timeout=LIVE_MILLISECONDS)
    assert subscriptions.retrieve(made).status == "canceled"


def test_another_plan_and_quantity_become_so_in_stripe(admin: Admin) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    made = subscribed(stripe, "Wonka Sweets")
    dearer = priced(stripe, "Large plan", 5_000)
    page = opened(admin, "Wonka Sweets")
    page.locator("#more-actions > summary").click()
    page.locator("#change-plan-link").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator("#plan")).to_contain_text("Large plan ($50.00 per month)")
    dialog.locator("#plan").select_option(dearer)
    dialog.locator("#quantity").fill("3")
    expect(dialog.locator("#quantity-fb")).to_contain_text("$150.00 / month from")
    dialog.get_by_label("Charge or credit at once").check()
    dialog.get_by_role("button", name="Change plan").click()

    expect(page.locator("#subscription-head")).to_contain_text("$150.00 / month", timeout=LIVE_MILLISECONDS)
    expect(page.locator("#asked")).to_have_count(0, timeout=LIVE_MILLISECONDS)
    eventually(page, lambda: ordered(stripe, made) == (dearer, 3), says=lambda: stripe.story_of(made))
    invoices = stripe.dashboard.invoices.list({"subscription": made}).data
    assert [invoice.billing_reason for invoice in invoices] == ["subscription_update", "subscription_create"]


def test_a_refused_renewal_is_in_dunning_until_a_retry_succeeds(admin: Admin) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    clock = stripe.stand_clock()
    made = subscribed(stripe, "Tyrell Optics", test_clock=clock)
    customer = str(stripe.dashboard.subscriptions.retrieve(made).customer)
    stripe.save_method(customer, "pm_card_chargeCustomerFail")
    stripe.advance(clock, MONTH)
    page = opened(admin, "Tyrell Optics")
    expect(page.locator("#failures-card")).to_contain_text("$20.00 of", timeout=LIVE_MILLISECONDS)
    expect(page.locator("#dunning li").last).to_contain_text("Next attempt")

    stripe.save_method(customer, "pm_card_visa")
    page.locator("#collect-link").click()
    page.get_by_role("button", name="Charge $20.00").click()
    expect(page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    page = opened(admin, "Tyrell Optics")
    expect(page.locator("#subscription-status")).to_have_text("Active", timeout=LIVE_MILLISECONDS)
    assert stripe.dashboard.subscriptions.retrieve(made).status == "active"
