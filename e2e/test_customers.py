"""Who is the same customer: proposed by the email address, decided by a person with the keyboard."""

from __future__ import annotations

from playwright.sync_api import expect

from e2e.connecting import without_status
from e2e.people import LIVE_MILLISECONDS, Admin, make_customer
from e2e.stripe_control import StripeControl
from e2e.tables import rows
from e2e.watching import is_open_to_all, press, type_into, watched

MAIL = "books@vandelay.example"
KNOWN = "SELECT FROM customer_link WHERE external_id = $1"


def test_stripes_customer_with_the_same_address_is_linked_and_a_twin_is_merged(
    admin: Admin, complaints: list[str]
) -> None:
    page, url = watched(admin.page), admin.portal.url
    customers = StripeControl(admin.portal.sandbox_url).dashboard.customers
    make_customer(page, admin.portal, "Vandelay Imports", MAIL)
    twin = page.url
    make_customer(page, admin.portal, "Vandelay Industries", MAIL)
    kept = page.url
    there = customers.create({"name": "Vandelay Ind.", "email": MAIL}).id
    for _ in range(LIVE_MILLISECONDS // 100):
        if rows(admin.portal, KNOWN, there):
            break
        page.wait_for_timeout(100)

    page.reload()
    proposed = page.locator("#customer-matches")
    expect(proposed).to_contain_text("Stripe has a customer with this email address")
    expect(proposed).to_contain_text("gets the name “Vandelay Industries”")
    is_open_to_all(page)
    press(page, proposed.get_by_role("button", name="Link", exact=True))
    expect(page.locator("#customer-about")).to_contain_text(there)
    expect(page.locator("#customer-head")).to_contain_text("Linked")

    press(page, page.get_by_role("link", name=f"Unlink from {there}"))
    expect(page.get_by_role("heading", name="Unlink from Stripe")).to_be_visible()
    expect(page.locator("#sides-card")).to_contain_text(there)
    is_open_to_all(page)
    press(page, page.get_by_role("button", name="Unlink"))
    expect(page.locator("#customer-head")).to_contain_text("Not linked")
    expect(page.locator("#customer-timeline")).to_contain_text(f"Unlinked from {there}")
    press(page, proposed.get_by_role("button", name="Link", exact=True))
    expect(page.locator("#customer-head")).to_contain_text("Linked")

    press(page, proposed.get_by_role("link", name="Merge with Vandelay Imports"))
    is_open_to_all(page)
    press(page, page.get_by_role("button", name="Merge customers"))
    expect(page.get_by_role("link", name="Type Vandelay Imports to confirm.")).to_be_visible()
    type_into(page, page.get_by_label("Type Vandelay Imports to confirm"), "Vandelay Imports")
    page.keyboard.press("Enter")
    expect(page).to_have_url(kept)
    expect(page.locator("#customer-timeline")).to_contain_text("Took over everything")
    page.goto(twin)
    expect(page).to_have_url(kept)

    page.goto(f"{url}/customers?q=vandelay")
    expect(page.get_by_role("row")).to_have_count(2)
    is_open_to_all(page)
    press(page, page.get_by_role("link", name="Vandelay Industries"))
    press(page, page.get_by_role("link", name="Erase personal data"))
    is_open_to_all(page)
    type_into(page, page.get_by_label("Type Vandelay Industries to confirm"), "vandelay industries")
    page.keyboard.press("Enter")
    expect(page.locator("#customer-head")).to_contain_text("data of this customer were erased")
    expect(page.get_by_text(MAIL)).to_have_count(0)
    assert customers.retrieve(there).name == "Vandelay Industries"
    without_status(complaints, 422)
