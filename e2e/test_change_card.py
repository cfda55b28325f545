"""A customer gets a link and changes the card of a subscription, as far as Stripe itself."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from e2e.mails import written
from e2e.people import LIVE_MILLISECONDS, Admin, card_form, pay_by_card
from e2e.portals import RunningPortal
from e2e.stripe_control import StripeControl
from e2e.subscribing import MONTH, eventually, opened, subscribed
from e2e.tables import rows
from tests.barriers import barriers_seen

DECLINED = "4000000000009995"
SECURE = "4000002500003155"
PLAIN = "5555555555554444"
REFUSED = "Failed to load resource: the server responded with a status of 402"


def test_a_customer_with_a_link_from_the_admin_changes_the_card(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    made = subscribed(stripe, "Oceanic Airlines", email="ap@oceanic.example")
    page = opened(admin, "Oceanic Airlines")
    expect(page.locator("#charged-to")).to_contain_text("Visa ending 4242", timeout=LIVE_MILLISECONDS)
    press(page, "method-send", "Send link")
    expect(page.locator("#subscription-timeline")).to_contain_text(
        "Link to update the payment method", timeout=LIVE_MILLISECONDS
    )

    link = mailed_link(admin.portal, page)
    customer.goto(link)
    expect(customer.locator("main")).to_contain_text("$20.00 / month")
    expect(customer.locator(".meta")).to_contain_text("Visa ending 4242")
    enter(customer, DECLINED)
    expect(customer.get_by_role("alert").first).to_contain_text("Nothing was changed.")
    expect(customer.get_by_role("alert").first).to_contain_text(re.compile("funds", re.IGNORECASE))
    assert complaints.pop().startswith(REFUSED)
    enter(customer, SECURE)
    customer.frame_locator("iframe[title='3D Secure']").get_by_role("button", name="Complete").click()
    expect(customer.get_by_role("heading", name="Payment method saved")).to_be_visible(
        timeout=LIVE_MILLISECONDS
    )
    expect(customer.locator("#card")).to_contain_text("Visa ending 3155, expires 12/2034")

    expect(page.locator("#charged-to")).to_contain_text("Visa ending 3155", timeout=LIVE_MILLISECONDS)
    eventually(page, lambda: charged_to(stripe, made) == "3155")
    expect(page.locator("#subscription-timeline")).to_contain_text("The customer agreed")


def test_a_copied_link_works_until_there_is_a_new_one(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    made = subscribed(stripe, "Duff Brewing")
    page = opened(admin, "Duff Brewing")
    press(page, "method-new", "Make link")
    expect(page.locator("#method-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    first = page.locator("#method-link").inner_text()
    customer.goto(first)
    enter(customer, SECURE)
    customer.frame_locator("iframe[title='3D Secure']").get_by_role("button", name="Fail").click()
    expect(customer.get_by_role("alert").first).to_contain_text("Nothing was changed.")
    enter(customer, PLAIN)
    expect(customer.get_by_role("heading", name="Payment method saved")).to_be_visible(
        timeout=LIVE_MILLISECONDS
    )
    eventually(page, lambda: charged_to(stripe, made) == "4444")
    expect(page.locator("#charged-to")).to_contain_text("Mastercard ending 4444", timeout=LIVE_MILLISECONDS)

    press(page, "method-new", "Make link")
    expect(page.locator("#method-link")).not_to_have_text(first, timeout=LIVE_MILLISECONDS)
    customer.goto(first)
    expect(customer.get_by_role("heading", name="This link does not work any more")).to_be_visible()
    assert "404" in complaints.pop()


def test_after_another_card_was_saved_what_is_owed_can_be_paid_at_once(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    clock = stripe.stand_clock()
    made = subscribed(stripe, "Gekko Capital", test_clock=clock)
    stripe.save_method(
        str(stripe.dashboard.subscriptions.retrieve(made).customer), "pm_card_chargeCustomerFail"
    )
    stripe.advance(clock, MONTH)
    page = opened(admin, "Gekko Capital")
    expect(page.locator("#failures-card")).to_contain_text("$20.00 of", timeout=LIVE_MILLISECONDS)
    press(page, "method-new", "Make link")
    expect(page.locator("#method-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    customer.goto(page.locator("#method-link").inner_text())
    expect(customer.locator("#card")).to_contain_text(
        "The open invoice of $20.00 will be charged to the saved"
    )
    enter(customer, PLAIN)
    expect(customer.get_by_role("heading", name="Payment method saved")).to_be_visible(
        timeout=LIVE_MILLISECONDS
    )
    expect(customer.locator("#card")).to_contain_text("$20.00 is still open.")
    assert barriers_seen(customer) == []
    customer.get_by_role("button", name="Pay $20.00 now").click()
    expect(customer.locator(".amount").first).to_have_text("$20.00")
    pay_by_card(customer, PLAIN)
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(page.locator("#subscription-status")).to_have_text("Active", timeout=LIVE_MILLISECONDS)
    assert stripe.dashboard.subscriptions.retrieve(made).status == "active"


def test_a_bank_account_is_proved_by_small_deposits_days_later(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    made = subscribed(stripe, "Prestige Tools")
    page = opened(admin, "Prestige Tools")
    press(page, "method-new", "Make link")
    expect(page.locator("#method-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    link = page.locator("#method-link").inner_text()
    customer.goto(link)
    expect(customer.locator("#options:not(.loading)")).to_be_visible(timeout=LIVE_MILLISECONDS)
    form = card_form(customer)
    form.get_by_label("US bank account").check()
    form.get_by_label("Full name").fill("Jane Doe")
    form.get_by_label("Email").fill("jane.doe@example.com")
    form.get_by_label("Test bank account").select_option(label="Verify with microdeposits, ending 6789")
    customer.get_by_role("button", name="Save payment method").click()
    expect(customer.locator("#card")).to_contain_text("Check your bank statement in 1 to 2 days")
    where = customer.get_by_role("link", name="Enter the deposits").get_attribute("href")
    assert barriers_seen(customer) == []

    customer.goto(link)
    expect(customer.locator("#message")).to_contain_text("Your bank account is still to be verified.")
    expect(customer.get_by_role("link", name="Enter the deposits")).to_have_attribute("href", str(where))
    intent = str(where).rpartition("/")[2]
    stripe.dashboard.setup_intents.verify_microdeposits(intent, {"amounts": [32, 45]})
    expect(page.locator("#charged-to")).to_contain_text("6789", timeout=2 * LIVE_MILLISECONDS)
    method = stripe.dashboard.setup_intents.retrieve(intent).payment_method
    eventually(page, lambda: stripe.dashboard.subscriptions.retrieve(made).default_payment_method == method)


def test_with_its_script_blocked_the_page_says_that_nothing_was_changed(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    subscribed(stripe, "Bluth Homes")
    page = opened(admin, "Bluth Homes")
    press(page, "method-new", "Make link")
    expect(page.locator("#method-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    customer.route("**/stripe.js", lambda route: route.abort())
    customer.goto(page.locator("#method-link").inner_text())
    expect(customer.get_by_role("heading", name="The form could not load")).to_be_visible(
        timeout=LIVE_MILLISECONDS
    )
    expect(customer.locator("#card")).to_contain_text("Nothing was changed.")
    complaints.clear()


def test_stripes_own_pages_open_where_they_are_offered_and_lead_back(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    subscribed(stripe, "Wayne Motors")
    page = opened(admin, "Wayne Motors")
    offered = """UPDATE connected_account SET options = options || '{"offer_customer_portal": true}'"""
    rows(admin.portal, offered)
    press(page, "method-new", "Make link")
    expect(page.locator("#method-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    customer.goto(page.locator("#method-link").inner_text())
    customer.get_by_role("button", name="Manage at Stripe").click()
    expect(customer.get_by_role("heading", name="Customer portal")).to_be_visible(timeout=LIVE_MILLISECONDS)
    assert customer.url.startswith(admin.portal.sandbox_url)
    customer.get_by_role("link", name="Return to the merchant").click()
    expect(customer.get_by_role("heading", name="Update payment method")).to_be_visible()
    assert [said for said in complaints if "CSP" in said or "Content Security" in said] == []
    complaints.clear()


def press(page: Page, name: str, button: str) -> None:
    """Open a question about the link, and confirm it."""
    page.locator(f"#{name}").click()
    page.get_by_role("dialog").get_by_role("button", name=button).click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def enter(page: Page, number: str) -> None:
    """Type a card and press the button."""
    expect(page.locator("#options:not(.loading)")).to_be_visible(timeout=LIVE_MILLISECONDS)
    form = card_form(page)
    form.get_by_label("Card number").fill(number)
    form.get_by_label("Expiration date").fill("1234")
    form.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Save payment method").click()


def mailed_link(portal: RunningPortal, page: Page) -> str:
    """The address in the newest letter about a method."""
    found: list[str] = []
    for _ in range(40):
        for message in written(portal):
            body = message.get_body(("plain",))
            if "Update how you pay for Plan for Oceanic" in message["Subject"] and body:
                found = re.findall(r"http://\S+/method/[\w-]{43}", body.get_content())
        if found:
            break
        page.wait_for_timeout(250)
    assert found
    return found[-1]


def charged_to(stripe: StripeControl, subscription: str) -> str:
    """The last four digits of the card that Stripe charges."""
    method = stripe.dashboard.subscriptions.retrieve(subscription).default_payment_method
    card = stripe.dashboard.payment_methods.retrieve(str(method)).card if method else None
    return str(card.last4) if card else ""
