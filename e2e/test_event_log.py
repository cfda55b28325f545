"""A payment that could not be read is found in the event log, understood, and handled again, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from e2e.people import LIVE_MILLISECONDS, Admin, card_form, pay_by_card
from e2e.portals import RunningPortal
from e2e.stripe_control import StripeControl
from e2e.tables import rows
from e2e.watching import announcements, keeps_focus, press, tab_to, watched
from tests.barriers import barriers_seen

PARKED_MILLISECONDS = 20_000
OF_INTENT = 2
"""The first events of a payment are its intent's and its charge's; the invoice's follow."""
NARROWEST = 360
LOOKS = ((1280, "light"), (390, "dark")), ((1280, "dark"), (390, "light"))
LEDGER = "SELECT amount_minor FROM payment p JOIN invoice i ON i.id = p.invoice WHERE i.number = $1"
FAILED = re.compile(r"^Webhook events \(\d+ failed events?, all in test mode\)$")


@pytest.fixture
def stripe_of_admin(portal: RunningPortal) -> Iterator[StripeControl]:
    """The sandbox of the shared portal, healthy before and after."""
    control = StripeControl(portal.sandbox_url)
    control.heal()
    yield control
    control.heal()


def is_open_to_all(page: Page, turn: int) -> None:
    """No barrier in two looks, and no sideways scroll on the narrowest screen."""
    for width, theme in LOOKS[turn % 2]:
        scheme: Literal["dark", "light"] = "dark" if theme == "dark" else "light"
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # colours change at once
        page.set_viewport_size({"width": width, "height": 900})
        assert barriers_seen(page) == [], (page.url, width, theme)
    page.set_viewport_size({"width": NARROWEST, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROWEST, page.url
    page.set_viewport_size({"width": 1280, "height": 900})


def pay_while_stripe_refuses_reads(payer: Page, link: str, stripe: StripeControl) -> None:
    """The money moves at Stripe; the portal cannot read that it did."""
    payer.goto(link)
    card_form(payer).get_by_label("Card number").wait_for()
    stripe.fault("GET /v1/**", status=400)
    pay_by_card(payer, "4242424242424242")


def wait_for_failures(portal: RunningPortal, page: Page) -> int:
    """Until every event that came has ended; returns how many failed."""
    for _ in range(PARKED_MILLISECONDS // 250):
        found = rows(
            portal,
            "SELECT count(*) FILTER (WHERE state = 'parked') AS parked, "
            "count(*) FILTER (WHERE state IN ('received', 'processing')) AS open FROM webhook_event",
        )[0]
        if found["parked"] > OF_INTENT and not found["open"]:
            return int(found["parked"])
        page.wait_for_timeout(250)
    raise AssertionError("no event failed")


def test_failed_events_are_found_understood_and_handled_again_by_keyboard(
    admin: Admin, customer_context: BrowserContext, stripe_of_admin: StripeControl
) -> None:
    page = watched(admin.page)
    link = admin.make_invoice(customer="Initech", price="480.00")
    invoice, name = page.url, page.locator("#page-title").inner_text()
    pay_while_stripe_refuses_reads(customer_context.new_page(), link, stripe_of_admin)
    failed = wait_for_failures(admin.portal, page)

    page.goto(invoice)
    expect(page.locator("#invoice-status")).to_have_text("Open")
    press(page, page.get_by_role("navigation", name="Main").get_by_role("link", name=FAILED))
    expect(page.get_by_role("heading", level=1, name="Webhook events")).to_be_visible()
    choose(page, page.get_by_label("Status"), "Failed")
    expect(page.get_by_text(f"{failed} events on this page").first).to_be_visible()
    expect(page).to_have_url(re.compile("status=parked"))
    assert f"{failed} events on this page" in announcements(page)
    keeps_focus(page)
    is_open_to_all(page, 0)

    press(page, page.locator("#event-list").get_by_role("row", name="invoice.paid").get_by_role("link").first)
    expect(page.locator("#event-story [role=alert]")).to_contain_text("STRIPE_")
    expect(page.get_by_text("Attempt 1 failed, and it was given up")).to_be_visible()
    expect(page.get_by_label("About this event").get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_role("link", name="What to do")).to_have_attribute("href", re.compile("^/help/"))
    press(page, page.locator("#payload-card summary"))
    expect(page.locator("#payload")).to_contain_text('"customer_email": "[personal]"')
    is_open_to_all(page, 1)

    stripe_of_admin.heal()
    press(page, page.get_by_role("link", name="Try again"))
    status = page.get_by_role("row", name=re.compile(f"{name} *status"))
    expect(status).to_contain_text("paid", timeout=LIVE_MILLISECONDS)
    expect(page.get_by_text("Nothing is stored yet.")).to_be_visible()
    assert rows(admin.portal, LEDGER, name) == []
    is_open_to_all(page, 0)
    press(page, page.get_by_role("button", name="Try again"))
    expect(page.locator("#event-head")).to_contain_text("Processed", timeout=LIVE_MILLISECONDS)
    expect(page.locator("#event-story")).to_contain_text("Handled again")
    page.goto(invoice)
    expect(page.locator("#invoice-status")).to_have_text("Paid")

    page.goto(f"{admin.portal.url}/webhook-events?status=parked")
    press(page, page.get_by_role("link", name=f"Try all {failed - 1} failed events again…"))
    counts = page.locator("#preview-counts")
    expect(counts).to_contain_text(f"Of {failed - 1} events", timeout=LIVE_MILLISECONDS)
    expect(counts).to_contain_text("0 cannot be told")
    expect(page.get_by_role("row", name=re.compile("status|amount"))).to_have_count(0)
    is_open_to_all(page, 1)
    press(page, page.get_by_role("button", name=f"Handle {failed - 1} events again"))
    expect(page.locator("#progress")).to_contain_text(
        f"{failed - 1} of {failed - 1} done", timeout=LIVE_MILLISECONDS
    )
    is_open_to_all(page, 0)
    page.goto(f"{admin.portal.url}/webhook-events?status=parked")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    expect(page.get_by_role("navigation", name="Main").get_by_text("failed event")).to_have_count(0)
    assert [row["amount_minor"] for row in rows(admin.portal, LEDGER, name)] == [48_000]


def test_new_events_are_announced_and_move_nothing_until_asked_for(
    admin: Admin, stripe_of_admin: StripeControl
) -> None:
    page = watched(admin.page)
    page.goto(f"{admin.portal.url}/webhook-events?kind=customer.created")
    shown = page.locator("#event-list tbody tr")
    expect(page.locator("[id^=watch-]")).to_have_count(1)
    before = shown.first.inner_text() if shown.count() else ""
    tab_to(page, page.get_by_label("Status"))
    stripe_of_admin.dashboard.customers.create({"name": "Hooli", "email": "ap@hooli.example"})
    stripe_of_admin.dashboard.customers.create({"name": "Umbrella", "email": "ap@umbrella.example"})
    button = page.get_by_role("link", name=re.compile(r"^\d+ new events?$"))
    # At least these two: what an earlier journey did may arrive now.
    expect(button).to_have_text(re.compile(r"^([2-9]|\d\d) new events$"), timeout=3 * LIVE_MILLISECONDS)
    assert re.search(r"\b([2-9]|\d\d) new events", " ".join(announcements(page)))
    assert (shown.first.inner_text() if shown.count() else "") == before
    press(page, button)
    expect(button).to_have_count(0)
    expect(shown.first).to_contain_text("customer.created")
    assert shown.first.inner_text() != before
    keeps_focus(page)


def choose(page: Page, select: Locator, text: str) -> None:
    """Go to a select by Tab and type the start of the option."""
    tab_to(page, select)
    page.keyboard.type(text)
    page.keyboard.press("Tab")
