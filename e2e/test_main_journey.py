"""From the set-up link to "Paid", and what happens when the card says no."""

from __future__ import annotations

import re

import httpx
from playwright.sync_api import BrowserContext, Page, expect

from e2e.people import (
    LIVE_MILLISECONDS,
    Admin,
    connect_sandbox,
    make_invoice,
    pay_by_card,
    pay_from_bank,
    set_up,
    watch,
)
from e2e.portals import RunningPortal

HTTP_402 = "Failed to load resource: the server responded with a status of 402"


def without_declines(complaints: list[str]) -> None:
    """A declined card is an HTTP 402, which the browser's console repeats."""
    complaints[:] = [text for text in complaints if not text.startswith(HTTP_402)]


def test_an_admin_goes_from_the_setup_link_to_a_paid_invoice(
    fresh_portal: RunningPortal, customer_context: BrowserContext, complaints: list[str]
) -> None:
    admin = watch(customer_context.new_page(), complaints)
    set_up(admin, fresh_portal)
    connect_sandbox(admin, fresh_portal)
    link = make_invoice(admin, fresh_portal, customer="Globex Trading", price="480.00")

    payer = watch(customer_context.browser.new_context().new_page(), complaints)  # type: ignore[union-attr]  # it runs
    payer.goto(link)
    expect(payer.get_by_role("heading", name="Pay invoice")).to_be_visible()
    expect(payer.locator(".amount").first).to_have_text("$480.00")
    pay_by_card(payer, "4242424242424242")
    expect(payer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)

    expect(admin.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    expect(admin.get_by_text("Received $480.00")).to_have_count(1)
    expect(admin.get_by_text("Visa ending 4242").first).to_be_visible(timeout=LIVE_MILLISECONDS)
    payer.reload()
    expect(payer.get_by_role("heading", name="This invoice is already paid")).to_be_visible()
    payer.context.close()


def test_a_declined_card_says_why_and_leaves_the_invoice_payable(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    customer.goto(admin.make_invoice())
    pay_by_card(customer, "4000000000000002")
    alert = customer.get_by_role("alert")
    expect(alert).to_contain_text("declined", timeout=LIVE_MILLISECONDS)
    expect(alert).to_contain_text("You have not been charged")
    expect(customer.get_by_role("button", name="Pay $480.00")).to_be_enabled()
    expect(admin.page.locator("#invoice-status")).to_have_text("Open")
    expect(admin.page.get_by_text("generic_decline").first).to_be_visible(timeout=LIVE_MILLISECONDS)
    pay_by_card(customer, "4242424242424242")
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(admin.page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    without_declines(complaints)


def test_a_lost_card_is_not_called_lost_to_the_customer(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    customer.goto(admin.make_invoice())
    pay_by_card(customer, "4000000000009987")
    expect(customer.get_by_role("alert")).to_contain_text("declined", timeout=LIVE_MILLISECONDS)
    assert "lost" not in customer.locator("#card").inner_text().lower()
    without_declines(complaints)


def test_three_d_secure_asks_the_customer_and_then_pays(admin: Admin, customer: Page) -> None:
    customer.goto(admin.make_invoice())
    pay_by_card(customer, "4000002760003184")
    check = customer.frame_locator("iframe[title='3D Secure']")
    check.get_by_role("button", name="Complete").click()
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(admin.page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)


def test_a_failed_bank_check_charges_nothing(admin: Admin, customer: Page, complaints: list[str]) -> None:
    customer.goto(admin.make_invoice())
    pay_by_card(customer, "4000002760003184")
    customer.frame_locator("iframe[title='3D Secure']").get_by_role("button", name="Fail").click()
    expect(customer.get_by_role("alert")).to_contain_text(
        "You have not been charged", timeout=LIVE_MILLISECONDS
    )
    expect(admin.page.locator("#invoice-status")).to_have_text("Open")
    without_declines(complaints)


def test_a_bank_payment_is_under_way_on_every_open_page(admin: Admin, customer: Page) -> None:
    customer.goto(admin.make_invoice())
    pay_from_bank(customer, "Success, ending 6789")
    expect(customer.get_by_role("heading", name="Bank payment started")).to_be_visible(
        timeout=LIVE_MILLISECONDS
    )
    expect(admin.page.locator("#invoice-status")).to_have_text("Processing", timeout=LIVE_MILLISECONDS)
    customer.reload()
    expect(customer.get_by_role("heading", name="Bank payment started")).to_be_visible()
    expect(customer.get_by_role("button", name=re.compile("^Pay "))).to_have_count(0)


def test_a_second_tab_turns_to_paid_by_itself(
    admin: Admin, customer: Page, customer_context: BrowserContext, complaints: list[str]
) -> None:
    link = admin.make_invoice()
    customer.goto(link)
    other = watch(customer_context.new_page(), complaints)
    other.goto(link)
    expect(other.get_by_role("button", name="Pay $480.00")).to_be_visible()
    pay_by_card(customer, "4242424242424242")
    expect(other.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)


def test_a_wrong_link_tells_nothing_of_any_invoice(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    link = admin.make_invoice()
    customer.goto(link[:-3] + "xyz")
    expect(customer.get_by_role("heading", name="This payment link has expired")).to_be_visible()
    assert "480" not in customer.locator("body").inner_text()
    assert "480.00" not in customer.content()
    complaints[:] = [text for text in complaints if "404" not in text]


def test_a_forged_return_address_pays_nothing(admin: Admin, customer: Page) -> None:
    link = admin.make_invoice()
    customer.goto(f"{link}/return?payment_intent=pi_forged&redirect_status=succeeded")
    expect(customer.get_by_role("button", name="Pay $480.00")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(admin.page.locator("#invoice-status")).to_have_text("Open")


def test_a_provider_that_is_down_charges_nothing_and_says_so(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    link = admin.make_invoice()
    control(admin, "POST", "/faults", {"match": "GET /v1/invoices/*", "status": 503, "times": 1000})
    customer.goto(link)
    heading = customer.get_by_role("heading", name="Online payment is not available right now")
    expect(heading).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(customer.locator("#card")).to_contain_text("Nothing was charged")
    control(admin, "DELETE", "/faults")
    customer.reload()
    expect(customer.get_by_role("button", name="Pay $480.00")).to_be_visible(timeout=LIVE_MILLISECONDS)
    complaints[:] = [text for text in complaints if "503" not in text]


def test_a_voided_invoice_cannot_be_paid_any_more(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    customer.goto(admin.make_invoice())
    expect(customer.get_by_role("button", name="Pay $480.00")).to_be_visible()
    page = admin.page
    number = page.get_by_role("heading", level=1).inner_text()
    page.get_by_text("More about").click()
    page.get_by_role("link", name="Void").click()
    page.get_by_role("dialog").get_by_role("textbox").fill(number)
    page.get_by_role("dialog").get_by_role("button", name=re.compile("^Void")).click()
    expect(page.locator("#invoice-status")).to_have_text("Void")
    heading = customer.get_by_role("heading", name="This invoice cannot be paid")
    expect(heading).to_be_visible(timeout=LIVE_MILLISECONDS)


def control(admin: Admin, method: str, path: str, body: dict[str, object] | None = None) -> None:
    """A call to the sandbox's control address."""
    httpx.request(
        method, f"{admin.portal.sandbox_url}/_sandbox{path}", json=body, timeout=10
    ).raise_for_status()
