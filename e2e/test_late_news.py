"""News of days later: a bank agrees, refuses or takes its money back; a link has ended; a card is retried."""

from __future__ import annotations

import time
from email.message import EmailMessage

import pytest
from playwright.sync_api import Page, expect

from e2e.mails import link_of, written
from e2e.people import LIVE_MILLISECONDS, Admin, find_link, pay_by_card, pay_from_bank
from e2e.portals import RunningPortal
from e2e.stripe_control import StripeControl
from e2e.tables import rows

CARD = "4242424242424242"
BANK = "Success, ending 6789"
MAIL_SECONDS = 20.0


def test_a_bank_that_agrees_days_later_turns_both_pages_to_paid(admin: Admin, customer: Page) -> None:
    customer.goto(admin.make_invoice())
    intent = start_from_bank(admin, customer)
    StripeControl(admin.portal.sandbox_url).control("POST", "/settle", {"payment_intent": intent})
    expect(admin.page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)


def test_a_bank_that_refuses_days_later_opens_the_invoice_again_for_another_way_to_pay(
    admin: Admin, customer: Page
) -> None:
    customer.goto(admin.make_invoice())
    intent = start_from_bank(admin, customer)
    refusal = {"payment_intent": intent, "outcome": "insufficient_funds"}
    StripeControl(admin.portal.sandbox_url).control("POST", "/settle", refusal)
    expect(admin.page.locator("#invoice-status")).to_have_text("Open", timeout=LIVE_MILLISECONDS)
    expect(admin.page.locator("main")).to_contain_text("There is not enough money in the account.")

    customer.goto(link_of(mails(admin.portal, "did not go through")[-1]))
    expect(customer.locator("main")).to_contain_text("not enough", ignore_case=True)
    pay_by_card(customer, CARD)
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(admin.page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    assert charged(admin) == 48_000


def test_a_bank_that_takes_its_money_back_says_why_to_both(admin: Admin, customer: Page) -> None:
    customer.goto(admin.make_invoice())
    intent = start_from_bank(admin, customer)
    stripe = StripeControl(admin.portal.sandbox_url)
    stripe.control("POST", "/settle", {"payment_intent": intent})
    expect(admin.page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    stripe.control("POST", "/return", {"payment_intent": intent, "reason": "insufficient_funds"})
    expect(admin.page.locator("#invoice-status")).not_to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    expect(admin.page.locator("main")).to_contain_text("insufficient funds")


def test_who_opens_an_ended_link_is_mailed_a_new_one_that_pays(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    old = admin.make_invoice()
    invoice_id = int(admin.page.url.rsplit("/", 1)[-1])
    ended = "UPDATE invoice SET pay_link_expires_at = now() - interval '1 hour' WHERE id = $1"
    rows(admin.portal, ended, invoice_id)
    customer.goto(old)
    expect(customer.get_by_role("heading", name="This payment link has expired")).to_be_visible()
    known = len(mails(admin.portal, "new link", patient=False))
    customer.get_by_role("button", name="Email me a new link").click()
    expect(customer.get_by_role("status").first).to_be_visible()
    written = mails(admin.portal, "new link", more_than=known)[-1]
    new = link_of(written)
    assert new != old
    customer.goto(new)
    pay_by_card(customer, CARD)
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    complaints[:] = [text for text in complaints if "404" not in text and "410" not in text]


def test_a_retry_charges_the_method_that_the_customer_has_saved_since(admin: Admin) -> None:
    page, stripe = admin.page, StripeControl(admin.portal.sandbox_url)
    clock = stripe.stand_clock()
    customer = stripe.dashboard.customers.create({"name": "Initech", "test_clock": clock}).id
    number = declined_invoice(stripe, customer, clock)
    find_link(page, f"{admin.portal.url}/invoices?tab=past-due&mode=test&q=Initech", number).click()
    stripe.save_method(customer, "pm_card_visa")
    page.locator("#collect-link").click()
    page.get_by_role("dialog").get_by_role("button", name="Charge $90.00").click()
    expect(page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    expect(page.get_by_text("Asked to charge $90.00 to the customer's saved method now.")).to_have_count(1)
    expect(page.locator("#collect-link")).to_have_count(0)
    assert charged(admin) == 9_000


def declined_invoice(stripe: StripeControl, customer: str, clock: str) -> str:
    """An invoice that Stripe made, and could not collect; returns its number."""
    stripe.save_method(customer, "pm_card_chargeCustomerFail")
    invoices = stripe.dashboard.invoices
    made = invoices.create({"customer": customer, "currency": "usd", "auto_advance": True}).id
    invoices.add_lines(made, {"lines": [{"description": "Hosting", "amount": 9_000}]})
    for seconds in (2 * 3600 + 60, 3600):
        stripe.advance(clock, seconds)
    return str(invoices.retrieve(made).number)


def start_from_bank(admin: Admin, customer: Page) -> str:
    """Pay from a bank account; both pages wait. Returns the payment intent's id."""
    pay_from_bank(customer, BANK)
    started = customer.get_by_role("heading", name="Bank payment started")
    expect(started).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(admin.page.locator("#invoice-status")).to_have_text("Processing", timeout=LIVE_MILLISECONDS)
    invoice_id = int(admin.page.url.rsplit("/", 1)[-1])
    found = rows(admin.portal, "SELECT external_id FROM payment_attempt WHERE invoice = $1", invoice_id)
    charge = StripeControl(admin.portal.sandbox_url).dashboard.charges.retrieve(found[0]["external_id"])
    return str(charge.payment_intent)


def charged(admin: Admin) -> int:
    """What the ledger says was received for the invoice on the page, in minor units."""
    invoice_id = int(admin.page.url.rsplit("/", 1)[-1])
    query = "SELECT amount_minor FROM payment WHERE invoice = $1 AND kind = 'payment'"
    return sum(int(row["amount_minor"]) for row in rows(admin.portal, query, invoice_id))


def mails(
    portal: RunningPortal, word: str, *, more_than: int = 0, patient: bool = True
) -> list[EmailMessage]:
    """Those messages, oldest first, whose subject has the word."""
    deadline = time.monotonic() + MAIL_SECONDS
    while True:
        found = [message for message in written(portal) if word.lower() in str(message["Subject"]).lower()]
        if len(found) > more_than or not patient:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"No message about {word!r}")
        time.sleep(0.1)
