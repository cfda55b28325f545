"""Takes the pictures of the guides from portals that really run, with the sandbox as their Stripe.

Usage, from the root of the repository: .venv/bin/python -m scripts.take_screenshots
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect, sync_playwright

from e2e.people import LIVE_MILLISECONDS, card_form, connect_sandbox, make_invoice, pay_by_card, set_up
from e2e.portals import RunningPortal, running_portal
from e2e.stripe_control import StripeControl
from e2e.tables import rows
from tests.browsers import MISSING, find_browser

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
ADMIN_SIZE: ViewportSize = {"width": 1280, "height": 860}
DASHBOARD_SIZE: ViewportSize = {"width": 1280, "height": 830}
CONNECTION_SIZE: ViewportSize = {"width": 1280, "height": 730}
LIST_SIZE: ViewportSize = {"width": 1280, "height": 720}
LOG_SIZE: ViewportSize = {"width": 1280, "height": 680}
PAY_SIZE: ViewportSize = {"width": 1100, "height": 760}
CARD = "4242424242424242"
MOST_BYTES = 150_000
CHECKS_MILLISECONDS = 30_000
STORY_SECONDS = 300
BUSY = """
SELECT EXISTS (SELECT FROM sync_run WHERE state NOT IN ('done', 'failed', 'stopped'))
    OR NOT EXISTS (SELECT FROM sync_run WHERE state = 'done')
    OR EXISTS (SELECT FROM webhook_event WHERE state IN ('received', 'processing'))
"""
"""Whether the portal still reads, or has not begun to."""
STEADY = "*, ::before, ::after { animation: none !important; transition: none !important }"
"""Nothing moves or blinks, so that two runs differ only where the product does."""


def main() -> None:
    """Set a portal up, walk to the pages that are worth showing, and picture them."""
    path = find_browser()
    if path is None:
        raise SystemExit(MISSING)
    IMAGES.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path)
        for walk in (take_first_steps, take_years):
            with tempfile.TemporaryDirectory() as folder, running_portal(Path(folder)) as portal:
                admin = browser.new_page(viewport=ADMIN_SIZE, reduced_motion="reduce")
                set_up(admin, portal)
                walk(browser, admin, portal)
                admin.close()
        browser.close()


def take_first_steps(browser: Browser, admin: Page, portal: RunningPortal) -> None:
    """The checks of a connection, the pay page, the paid invoice, what was delivered, what differs."""
    take_checks(admin, portal)
    connect_sandbox(admin, portal)
    link = make_invoice(admin, portal, customer="Globex Trading", price="480.00")
    customer = browser.new_page(viewport=PAY_SIZE, reduced_motion="reduce")
    customer.goto(link)
    card_form(customer).get_by_label("Card number").fill(CARD)
    customer.locator("h1").click()
    take(customer, "pay-page")
    pay_by_card(customer, CARD)
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(admin.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    admin.goto(admin.url.partition("?")[0])
    take(admin, "invoice-page")
    admin.set_viewport_size(LOG_SIZE)
    admin.goto(f"{portal.url}/webhook-events")
    take(admin, "event-log")
    take_comparison(admin, portal)


def take_years(browser: Browser, admin: Page, portal: RunningPortal) -> None:
    """What two years of a small company look like: the dashboard, its subscriptions, and the connection."""
    live_through(portal)
    connect_sandbox(admin, portal)
    pay(browser, make_invoice(admin, portal, customer="Globex Trading", price="480.00"))
    wait_until_read(portal)
    admin.set_viewport_size(DASHBOARD_SIZE)
    admin.goto(portal.url)
    take(admin, "dashboard")
    admin.set_viewport_size(LIST_SIZE)
    admin.goto(f"{portal.url}/subscriptions")
    take(admin, "subscriptions")
    admin.set_viewport_size(CONNECTION_SIZE)
    admin.goto(f"{portal.url}/settings/connected-accounts/stripe")
    take(admin, "connected-account")


def pay(browser: Browser, link: str) -> None:
    """What the customer does."""
    customer = browser.new_page(viewport=PAY_SIZE, reduced_motion="reduce")
    customer.goto(link)
    pay_by_card(customer, CARD)
    expect(customer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    customer.close()


def live_through(portal: RunningPortal) -> None:
    """`portal demo-data`, as a person would run it in another terminal."""
    place = {"PORTAL_DATA_DIR": str(portal.data_dir), "PORT": str(urlsplit(portal.url).port)}
    command = [sys.executable, "-m", "portal", "demo-data"]
    subprocess.run(command, cwd=ROOT, env=os.environ | place, check=True, timeout=STORY_SECONDS)


def wait_until_read(portal: RunningPortal) -> None:
    """Until the past was read from the provider, and no event waits."""
    deadline = time.monotonic() + STORY_SECONDS
    while rows(portal, BUSY)[0][0]:
        if time.monotonic() > deadline:
            raise SystemExit("The portal did not read the demo data in time.")
        time.sleep(1)


def take_checks(page: Page, portal: RunningPortal) -> None:
    """The connect form after *Validate*."""
    page.goto(f"{portal.url}/settings/connected-accounts/stripe")
    page.get_by_role("button", name="Use the Stripe sandbox").click()
    expect(page.get_by_label("Publishable key")).to_have_value(re.compile("^pk_test_"))
    page.get_by_role("button", name="Validate").click()
    checks = page.locator("#checks, #board").first
    expect(checks.get_by_text(re.compile(r"All \d+ permissions"))).to_be_visible(timeout=CHECKS_MILLISECONDS)
    expect(checks.get_by_text("Can accept charges")).to_be_visible(timeout=CHECKS_MILLISECONDS)
    expect(checks.get_by_text("Proved in")).to_be_visible(timeout=CHECKS_MILLISECONDS)
    expect(checks.get_by_text(": checking")).to_have_count(0, timeout=CHECKS_MILLISECONDS)
    take(checks, "checks")


def take_comparison(page: Page, portal: RunningPortal) -> None:
    """What a comparison finds when the news of a payment was never delivered."""
    make_invoice(page, portal, customer="Initech", price="90.00")
    stripe = StripeControl(portal.sandbox_url)
    (last,) = stripe.dashboard.invoices.list({"limit": 1}).data
    stripe.deliver(drop_probability=1.0, retry_seconds=[])
    stripe.dashboard.invoices.pay(last.id, {"paid_out_of_band": True})
    page.goto(f"{portal.url}/settings/connected-accounts/stripe/sync")
    page.get_by_role("button", name="Compare now").click()
    expect(page.locator("#now")).to_contain_text("Comparison, done", timeout=LIVE_MILLISECONDS)
    page.reload()
    take(page.locator("#report"), "what-differs")


def take(shown: Page | Locator, name: str) -> None:
    """Write one picture; one that is too heavy for a README is refused."""
    picture = shown.screenshot(style=STEADY, caret="hide")
    if len(picture) > MOST_BYTES:
        raise SystemExit(f"{name}.png would have {len(picture):,} bytes; {MOST_BYTES:,} is the most.")
    (IMAGES / f"{name}.png").write_bytes(picture)
    print(f"{name}.png  {len(picture) / 1000:.0f} kB")


if __name__ == "__main__":
    main()
