"""Both sides change, or one does not hear of it: shown, chosen, repaired and read again, all by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from e2e.people import LIVE_MILLISECONDS, Admin
from e2e.portals import RunningPortal
from e2e.stripe_control import StripeControl
from e2e.tables import rows
from e2e.watching import announcements, is_open_to_all, press, tab_to, type_into, watched

SYNC = "/settings/connected-accounts/stripe/sync"
LOST = {"drop_probability": 1.0, "retry_seconds": []}
LINK = "SELECT l.external_id FROM customer_link l JOIN customer c ON c.id = l.customer WHERE c.name = $1"
COPY = "SELECT external_id FROM invoice WHERE number = $1"
CONFLICTS = "SELECT FROM sync_difference WHERE external_id = $1 AND kind = 'conflict' AND state = 'open'"
STEP_MILLISECONDS = 100


@pytest.fixture
def stripe_of_admin(portal: RunningPortal) -> Iterator[StripeControl]:
    """The sandbox of the shared portal, delivering as Stripe does before and after."""
    control = StripeControl(portal.sandbox_url)
    control.heal()
    usual = control.control("POST", "/deliver", {})
    yield control
    control.heal()
    control.deliver(**{name: usual[name] for name in ("hold", *LOST)})


def until(page: Page, holds: Callable[[], object]) -> None:
    """Wait for what no page tells."""
    for _ in range(LIVE_MILLISECONDS // STEP_MILLISECONDS):
        if holds():
            return
        page.wait_for_timeout(STEP_MILLISECONDS)
    raise AssertionError("It did not come true.")


def test_a_customer_renamed_on_both_sides_waits_for_a_choice_and_then_both_agree(
    admin: Admin, stripe_of_admin: StripeControl
) -> None:
    page, customers = watched(admin.page), stripe_of_admin.dashboard.customers
    admin.make_invoice(customer="Soylent", price="310.00")
    page.get_by_role("link", name="Soylent").first.click()
    expect(page.get_by_role("heading", level=1, name="Soylent")).to_be_visible()
    customer = page.url
    theirs = str(rows(admin.portal, LINK, "Soylent")[0]["external_id"])
    stripe_of_admin.deliver(hold=True)
    customers.update(theirs, {"name": "Soylent Corporation"})
    press(page, page.get_by_role("link", name="Edit"))
    type_into(page, page.get_by_label("Name", exact=True), "Soylent Ltd")
    press(page, page.get_by_role("button", name=re.compile("^Save")))
    expect(page.get_by_role("heading", level=1, name="Soylent Ltd")).to_be_visible()
    until(page, lambda: rows(admin.portal, CONFLICTS, theirs))
    stripe_of_admin.deliver(hold=False)

    page.goto(admin.portal.url)
    press(page, page.locator("#attention").get_by_role("link", name=re.compile("changed on both sides")))
    conflict = page.get_by_role("article", name=re.compile("^Soylent Ltd: name"))
    expect(conflict).to_contain_text("Soylent Corporation")
    is_open_to_all(page)
    press(page, conflict.get_by_role("button", name="Keep the portal's"))
    expect(page.locator("#notices")).to_contain_text("Stripe gets “Soylent Ltd”.")
    expect(conflict).to_have_count(0)
    until(page, lambda: customers.retrieve(theirs).name == "Soylent Ltd")
    page.goto(customer)
    expect(page.get_by_role("heading", level=1, name="Soylent Ltd")).to_be_visible()
    expect(page.get_by_text("Conflict")).to_have_count(0)


def test_a_lost_delivery_is_found_and_repaired_and_all_is_read_again_with_a_pause(
    admin: Admin, stripe_of_admin: StripeControl
) -> None:
    page, stripe = watched(admin.page), stripe_of_admin
    admin.make_invoice(customer="Initrode", price="90.00")
    name = page.locator("#page-title").inner_text()
    invoice = page.url
    stripe.deliver(**LOST)
    stripe.fault("GET /v1/events", status=503)  # else the portal may look for itself, and be the first
    copy = str(rows(admin.portal, COPY, name)[0]["external_id"])
    stripe.dashboard.invoices.pay(copy, {"paid_out_of_band": True})

    page.goto(admin.portal.url + SYNC)
    press(page, page.get_by_role("button", name="Compare now"))
    expect(page.locator("#sync-run")).to_contain_text("Nothing is running. Comparison, done just now")
    page.reload()
    report = page.locator("#report")
    expect(report).to_contain_text("Status: open here, paid in Stripe")
    expect(report).to_contain_text("the event about that never arrived")
    is_open_to_all(page)
    press(page, page.get_by_role("button", name=f"Repair {name}"))
    expect(page.locator("#notices")).to_contain_text("Repaired: both sides are the same again.")
    expect(report.get_by_role("link", name=name)).to_have_count(0)
    stripe.heal()
    stripe.deliver(**LOST)

    stripe.fault("GET /v1/**", delay_ms=1000)
    tab_to(page, page.get_by_label("The last 30 days"))
    page.keyboard.press("ArrowUp")
    expect(page.get_by_label("Everything")).to_be_checked()
    press(page, page.get_by_role("button", name="Start resync"))
    run = page.locator("#sync-run")
    press(page, run.get_by_role("button", name="Pause"))
    expect(run.get_by_role("button", name="Resume")).to_be_visible(timeout=LIVE_MILLISECONDS)
    is_open_to_all(page)
    press(page, run.get_by_role("button", name="Resume"))
    run.get_by_role("button", name="Stop").focus()
    stripe.heal()
    expect(run).to_contain_text(re.compile(r"Resync, done just now: \d+ created"), timeout=LIVE_MILLISECONDS)
    assert any(words.startswith("Resync done:") for words in announcements(page))
    expect(page.get_by_role("button", name="Start resync")).to_be_visible()
    assert page.evaluate("() => document.activeElement !== document.body")
    page.goto(invoice)
    expect(page.locator("#invoice-status")).to_have_text("Paid")
