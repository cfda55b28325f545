"""Writing an invoice: with the keyboard alone, without scripts, and while somebody else writes it, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from e2e.people import LIVE_MILLISECONDS, Admin, make_customer, watch
from e2e.portals import RunningPortal


@pytest.fixture
def scriptless(
    browser: Browser, portal: RunningPortal, signed_in_state: dict[str, object], complaints: list[str]
) -> Iterator[Page]:
    """The owner's window in a browser that runs no scripts."""
    context = browser.new_context(storage_state=signed_in_state, java_script_enabled=False)  # type: ignore[arg-type]  # what Playwright gave
    yield watch(context.new_page(), complaints)
    context.close()


def type_line(page: Page, *values: str) -> None:
    """Fill the first line's fields in the order in which Tab reaches them."""
    page.get_by_label("Description of line 1").focus()
    for value in values:
        page.keyboard.press("Control+A")
        page.keyboard.type(value)
        page.keyboard.press("Tab")


def test_invoice_in_dinars_is_written_with_the_keyboard_alone(admin: Admin) -> None:
    page = admin.page
    make_customer(page, admin.portal, "Gulf Trading", "ap@gulf.example")
    page.goto(f"{admin.portal.url}/invoices/new")
    page.get_by_label("Find a customer").focus()
    page.keyboard.type("gulf tr")
    expect(page.locator("#customer option:checked")).to_contain_text("Gulf Trading")
    page.get_by_label("Currency").select_option("kwd")
    type_line(page, "Consulting", "3", "4.115", "5")
    expect(page.locator("#line-0-unit-fb")).to_contain_text("The last digit of KWD amounts must be 0.")
    type_line(page, "Consulting", "3", "4.110", "5")
    expect(page.locator("#charge")).to_contain_text("Stripe will charge KWD\u00a012.950")
    expect(page.locator("#line-0-unit-fb")).to_be_empty()
    page.get_by_role("button", name="Preview").press("Enter")
    expect(page.locator("#preview-heading")).to_be_focused()
    page.get_by_role("button", name="Save and finalise").press("Enter")
    expect(page.locator("#amount-due")).to_have_text("KWD\u00a012.950")
    expect(page.get_by_text("In step").first).to_be_visible(timeout=LIVE_MILLISECONDS)


def test_draft_is_written_without_scripts_and_two_people_lose_nothing(
    admin: Admin, scriptless: Page, complaints: list[str]
) -> None:
    make_customer(admin.page, admin.portal, "Hooli", "ap@hooli.example")
    scriptless.goto(f"{admin.portal.url}/invoices/new")
    scriptless.get_by_label("Find a customer").fill("hool")
    scriptless.get_by_role("button", name="Find").click()
    expect(scriptless.locator("#customer option:checked")).to_contain_text("Hooli")
    scriptless.get_by_label("Description of line 2").fill("Audit")
    scriptless.get_by_label("Unit price of line 2").fill("2000")
    scriptless.get_by_label("Due", exact=True).select_option("On a date")
    scriptless.get_by_label("Due date").fill("2030-01-31")
    scriptless.get_by_role("button", name="Save draft").last.click()
    expect(scriptless.get_by_text("31 Jan 2030")).to_be_visible()
    place = f"{scriptless.url}/edit"
    scriptless.goto(place)
    admin.page.goto(place)
    admin.page.get_by_label("Unit price of line 1").fill("2500")
    admin.page.get_by_role("button", name="Save draft").last.click()
    expect(admin.page.get_by_text("Draft saved.")).to_be_visible()
    scriptless.get_by_label("Memo").fill("For May")
    scriptless.get_by_role("button", name="Save draft").last.click()
    expect(scriptless.get_by_text("Somebody else changed this invoice.")).to_be_visible()
    scriptless.get_by_role("button", name="Take the saved lines").click()
    scriptless.get_by_role("button", name="Save draft").last.click()
    expect(scriptless.locator("#amount-due")).to_have_text("$2,500.00")
    expect(scriptless.get_by_text("For May")).to_be_visible()
    complaints[:] = [text for text in complaints if "409 (Conflict)" not in text]
