"""The whole life of an invoice in three currencies, and what people do to one on the way."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from playwright.sync_api import Locator, Page, expect

from e2e.mails import link_of, written
from e2e.people import LIVE_MILLISECONDS, Admin, make_customer, pay_by_card
from e2e.watching import is_focused, is_open_to_all, keeps_focus, press, type_into, watched

CARD = "4242424242424242"
SPACE = "\u00a0"


@dataclass(frozen=True, slots=True)
class Life:
    """Two of a thing at `price`, 10 % off, 10 % tax: `total`. First `part` goes back, then `rest`."""

    currency: str
    price: str
    total: str
    part: str
    shown_part: str
    rest: str
    """As the form suggests it."""


LIVES = (
    Life("usd", "240", "$475.20", "100.20", "$100.20", "375.00"),
    Life("jpy", "24000", "¥47,520", "7520", "¥7,520", "40000"),
    Life("kwd", "12.5", f"KWD{SPACE}24.750", "4.75", f"KWD{SPACE}4.750", "20.000"),
)


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.currency)
def test_an_invoice_is_written_mailed_paid_and_paid_back(admin: Admin, customer: Page, life: Life) -> None:
    page = admin.page
    write(admin, life)
    page.get_by_role("button", name="Send invoice").click()
    expect(page.locator("#notices")).to_contain_text("On its way to")
    expect(page.locator("#invoice-mail")).to_contain_text("Sent", timeout=LIVE_MILLISECONDS)
    expect(page.locator("#amount-due")).to_have_text(life.total)
    expect(page.get_by_text("In step").first).to_be_visible(timeout=LIVE_MILLISECONDS)

    customer.goto(mailed_link(admin, page.get_by_role("heading", level=1).inner_text()))
    expect(customer.locator(".amount").first).to_have_text(life.total)
    is_pdf(customer, customer.get_by_role("link", name="Download invoice"))
    pay_by_card(customer, CARD)
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)

    expect(page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    expect(page.get_by_text("opened for the first time")).to_have_count(1)
    is_pdf(page, page.locator("#receipt-link"))
    refund(page, life.part)
    expect(page.get_by_text(f"Refunded {life.shown_part}.")).to_be_visible(timeout=LIVE_MILLISECONDS)
    page.locator("#refund-link").click()
    expect(page.get_by_label("Amount")).to_have_value(life.rest)
    page.get_by_role("button", name="Refund payment").click()
    expect(page.locator("#invoice-status")).to_have_text("Refunded", timeout=LIVE_MILLISECONDS)
    expect(page.locator("#refund-link")).to_have_count(0)


def test_money_from_elsewhere_a_credit_and_a_new_link_leave_the_rest_to_the_card(
    admin: Admin, customer: Page, complaints: list[str]
) -> None:
    page, old = watched(admin.page), admin.make_invoice()
    place = page.url
    page.goto(place)
    press(page, page.locator("#record-link"))
    is_focused(page.get_by_label("Amount"))
    is_open_to_all(page)
    type_into(page, page.get_by_label("Amount"), "1000")
    expect(page.locator("#amount-fb")).to_contain_text("Only $480.00 is owed.")
    type_into(page, page.get_by_label("Amount"), "100")
    expect(page.locator("#amount-fb")).to_contain_text("Then $380.00 is still due.")
    page.keyboard.press("Escape")
    is_focused(page.locator("#record-link"))
    press(page, page.locator("#record-link"))
    type_into(page, page.get_by_label("Amount"), "100")
    press(page, page.get_by_role("button", name="Record payment"))
    is_focused(page.locator("#notices .p-notice"))
    expect(page.locator("#amount-due")).to_have_text("$380.00")
    expect(page.get_by_text("In step").first).to_be_visible(timeout=LIVE_MILLISECONDS)

    press(page, page.get_by_text("More about"))
    press(page, page.get_by_role("link", name="Credit"))
    type_into(page, page.get_by_label("Amount"), "80")
    type_into(page, page.get_by_label("Reason"), "Came late")
    press(page, page.get_by_role("button", name="Credit invoice"))
    expect(page.locator("#amount-due")).to_have_text("$300.00", timeout=LIVE_MILLISECONDS)
    press(page, page.locator("#new-link"))
    press(page, page.get_by_role("dialog").get_by_role("button", name="Regenerate"))
    expect(page.locator("#notices")).to_contain_text("The old one does not work")
    keeps_focus(page)

    customer.goto(old)
    expect(customer.get_by_role("heading", name="This payment link has expired")).to_be_visible()
    customer.goto(page.get_by_label("Address of the pay link").input_value())
    expect(customer.locator(".amount").first).to_have_text("$300.00")
    pay_by_card(customer, CARD)
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    complaints[:] = [text for text in complaints if "404" not in text]


def write(admin: Admin, life: Life) -> None:
    """A new customer's invoice, finalised; its message is about to be sent."""
    page = admin.page
    make_customer(page, admin.portal, f"Customer in {life.currency}", f"{life.currency}@globex.example")
    page.get_by_role("link", name="New invoice").first.click()
    page.get_by_label("Currency").select_option(life.currency)
    page.get_by_label("Description of line 1").fill("Brand guidelines")
    page.get_by_label("Quantity of line 1").fill("2")
    page.get_by_label("Unit price of line 1").fill(life.price)
    page.get_by_label("Tax in percent of line 1").fill("10")
    page.get_by_label("Discount", exact=True).fill("10")
    expect(page.locator("#sums")).to_contain_text(life.total)
    page.get_by_role("button", name="Save and send").click()


def refund(page: Page, amount: str) -> None:
    """Send a part back."""
    page.locator("#refund-link").click()
    page.get_by_label("Amount").fill(amount)
    page.get_by_role("button", name="Refund payment").click()
    expect(page.locator("#notices")).to_contain_text("is on its way")


def mailed_link(admin: Admin, number: str) -> str:
    """The pay link of the message about an invoice; the invoice itself is attached."""
    for message in written(admin.portal):
        if number in str(message["Subject"]):
            attached = [part.get_content_type() for part in message.iter_attachments()]
            assert attached == ["application/pdf"]
            return link_of(message)
    raise AssertionError(f"No message tells of {number}.")


def is_pdf(page: Page, link: Locator) -> None:
    """The link leads to a PDF."""
    address = link.get_attribute("href")
    answer = page.request.get(page.evaluate("address => new URL(address, location).href", address))
    assert answer.status == 200, address
    assert answer.body().startswith(b"%PDF")
