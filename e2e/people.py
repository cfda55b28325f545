"""What people do, step by step, as they would: by the words on the page."""

from __future__ import annotations

import re
from dataclasses import dataclass

from playwright.sync_api import FrameLocator, Locator, Page, expect

from e2e.portals import RunningPortal

PASSWORD = "sturdy-lantern-orbit-72"
LIVE_MILLISECONDS = 10_000
"""Generous for a machine that does other things; the promise is a second, and `make bench` measures it."""
STEP_MILLISECONDS = 500
REMEMBER_VIOLATIONS = """
addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective, e.blockedURI))
"""


@dataclass(frozen=True, slots=True)
class Admin:
    """The signed-in owner and their window."""

    page: Page
    portal: RunningPortal

    def make_invoice(self, *, customer: str = "Globex Trading", price: str = "480.00") -> str:
        """Create and finalise an invoice over one line; returns its pay link."""
        return make_invoice(self.page, self.portal, customer=customer, price=price)


def watch(page: Page, complaints: list[str]) -> Page:
    """Collect what the browser complains about."""
    page.add_init_script(REMEMBER_VIOLATIONS)
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    return page


def set_up(page: Page, portal: RunningPortal) -> None:
    """Open the one-time link and become the owner."""
    page.goto(portal.setup_link)
    page.get_by_label("Name", exact=True).fill("Northwind Studio")
    page.get_by_label("Your name").fill("Mara Kovač")
    page.get_by_label("Email").fill("mara@northwind.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Set up the portal").click()
    expect(page.get_by_role("heading", level=1, name="Dashboard")).to_be_visible()


def sign_in(page: Page, portal: RunningPortal) -> None:
    """Sign in by the form."""
    page.goto(f"{portal.url}/sign-in")
    page.get_by_label("Email").fill("mara@northwind.example")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def connect_sandbox(page: Page, portal: RunningPortal) -> None:
    """Connect the local Stripe sandbox: fill in, validate, save."""
    page.goto(f"{portal.url}/settings/connected-accounts")
    page.get_by_role("link", name=re.compile("Connect")).last.click()
    page.get_by_role("button", name="Use the Stripe sandbox").click()
    expect(page.get_by_label("Publishable key")).to_have_value(re.compile("^pk_test_"))
    page.get_by_role("button", name="Validate").click()
    expect(page.locator("#checks, #board").get_by_text("Checking")).to_have_count(0, timeout=30_000)
    page.get_by_role("button", name="Save and connect").click()
    confirm = page.get_by_role("button", name=re.compile("^Connect with"))
    notice = page.get_by_text("Stripe connected in test mode.")
    expect(confirm.or_(notice).first).to_be_visible(timeout=30_000)
    if confirm.is_visible():
        confirm.click()
    expect(notice).to_be_visible(timeout=30_000)


def find_link(page: Page, address: str, name: str) -> Locator:
    """A link on a list that does not change by itself: the list is loaded until it is there."""
    link = page.get_by_role("link", name=name).first
    page.goto(address)
    for _ in range(LIVE_MILLISECONDS // STEP_MILLISECONDS):
        if link.is_visible():
            break
        page.wait_for_timeout(STEP_MILLISECONDS)
        page.reload()
    return link


def make_customer(page: Page, portal: RunningPortal, name: str, email: str) -> None:
    """Add a customer."""
    page.goto(f"{portal.url}/customers/new")
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Email").fill(email)
    page.get_by_role("button", name="Add customer").click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()


def make_invoice(page: Page, portal: RunningPortal, *, customer: str, price: str) -> str:
    """A finalised invoice over one line for a new customer; returns its pay link."""
    make_customer(page, portal, customer, "ap@globex.example")
    page.get_by_role("link", name="New invoice").first.click()
    page.get_by_label("Description of line 1").fill("Brand guidelines")
    page.get_by_label("Quantity of line 1").fill("1")
    page.get_by_label("Unit price of line 1").fill(price)
    page.get_by_role("button", name="Save and finalise").click()
    expect(page.locator("#invoice-status")).to_have_text("Open")
    link = page.get_by_label("Address of the pay link").input_value()
    expect(page.get_by_text("In step").first).to_be_visible(timeout=LIVE_MILLISECONDS)
    return link


def card_form(page: Page) -> FrameLocator:
    """The frame in which the card is typed."""
    return page.frame_locator("iframe[title='Secure payment input frame']")


def pay_by_card(page: Page, number: str) -> None:
    """Type a card and press the button."""
    form = card_form(page)
    form.get_by_label("Card number").fill(number)
    form.get_by_label("Expiration date").fill("1234")
    form.get_by_label("Security code").fill("123")
    page.get_by_role("button", name=re.compile("^Pay ")).click()


def pay_from_bank(page: Page, account: str) -> None:
    """Choose one of the bank form's test accounts and press the button."""
    form = card_form(page)
    form.get_by_label("US bank account").check()
    form.get_by_label("Full name").fill("Jane Doe")
    form.get_by_label("Email").fill("jane.doe@example.com")
    form.get_by_label("Test bank account").select_option(label=account)
    page.get_by_role("button", name=re.compile("^Pay ")).click()
