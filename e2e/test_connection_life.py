"""What becomes of a connection: its key is revoked, it goes live, it is ended and comes back."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from e2e.connecting import RUN_MILLISECONDS, STRIPE, Desk, without_status
from e2e.people import LIVE_MILLISECONDS, connect_sandbox, make_invoice, pay_by_card, set_up, watch
from e2e.portals import RunningPortal, running_portal
from e2e.stripe_control import StripeControl
from e2e.tables import forget_runs, rows
from plugins.stripe.sandbox.keys import WORLDS
from portal.money import Money

TEST, LIVE, OTHER_TEST, _ = WORLDS
ACT_MILLISECONDS = 8_000
STEP_MILLISECONDS = 20_000
"""For what waits in the outbox: a sweeper rings for it within seconds."""
OWED = """
    SELECT count(*), sum(total_minor - amount_paid_minor)::bigint FROM invoice
    WHERE mode = $1 AND status = 'open'
"""
LOCKED = "Going live stays locked until every check is green."
EVERY_PAGE = ("/", "/customers", "/invoices", "/webhook-events", "/settings/finance", STRIPE)


@pytest.fixture(scope="module")
def living_portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    """One portal for all stories; each asks about its own invoices, and about sums as they are."""
    with running_portal(tmp_path_factory.mktemp("living")) as running:
        yield running


@pytest.fixture(scope="module")
def owner_context(living_portal: RunningPortal, browser: Browser) -> Iterator[BrowserContext]:
    """The owner, signed in and connected in test mode."""
    context = browser.new_context()
    context.set_default_timeout(ACT_MILLISECONDS)
    page = context.new_page()
    set_up(page, living_portal)
    connect_sandbox(page, living_portal)
    page.close()
    yield context
    context.close()


@pytest.fixture
def stripe(living_portal: RunningPortal) -> StripeControl:
    """Its Stripe."""
    return StripeControl(living_portal.sandbox_url)


@pytest.fixture
def desk(
    living_portal: RunningPortal, owner_context: BrowserContext, complaints: list[str]
) -> Iterator[Desk]:
    """A window of the owner."""
    desk = Desk(watch(owner_context.new_page(), complaints), living_portal)
    yield desk
    desk.page.close()


@pytest.fixture
def payer(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    """A customer's window."""
    context = browser.new_context()
    yield watch(context.new_page(), complaints)
    context.close()


def owed(desk: Desk, mode: str) -> tuple[int, str]:
    """How many invoices of a mode are open, and their sum."""
    found = rows(desk.portal, OWED, mode)
    count, minor = found[0]
    return count, Money(minor, "usd").format()


def due_now(desk: Desk, job: str) -> None:
    """Bring a job of the portal's own schedule forward."""
    found = rows(
        desk.portal, "UPDATE portal_schedule SET next_run_at = now() WHERE name = $1 RETURNING name", job
    )
    assert len(found) == 1


def invoice_id(page: Page) -> str:
    """Of the invoice that is open in the window."""
    return page.url.partition("?")[0].rsplit("/", 1)[1]


def reload_until_visible(page: Page, bar: Locator) -> None:
    """The bar comes with the next page that is opened once the job has run."""
    for _ in range(40):
        if bar.is_visible():
            return
        page.wait_for_timeout(250)
        page.reload()


def finalise_without_waiting(desk: Desk) -> None:
    """An invoice that cannot be sent yet."""
    page = desk.page
    desk.open("/customers/new")
    page.get_by_label("Name", exact=True).fill("Waits For A Key")
    page.get_by_label("Email").fill("ap@waits.example")
    page.get_by_role("button", name="Add customer").click()
    page.get_by_role("link", name="New invoice").first.click()
    page.get_by_label("Description of line 1").fill("Brand guidelines")
    page.get_by_label("Quantity of line 1").fill("1")
    page.get_by_label("Unit price of line 1").fill("90.00")
    page.get_by_role("button", name="Save and finalise").click()
    expect(page.locator("#invoice-status")).to_have_text("Open")


def test_a_revoked_key_is_told_on_every_page_until_a_new_one_of_the_account_is_entered(
    desk: Desk, stripe: StripeControl, complaints: list[str]
) -> None:
    page = desk.page
    stripe.revoke(TEST.secret_key)
    due_now(desk, "portal.verify_accounts")
    bar = page.get_by_role("region", name="Connection", exact=True)
    for path in EVERY_PAGE:
        desk.open(path)
        if path == "/":
            reload_until_visible(page, bar)
        expect(bar).to_contain_text("Stripe refused this key.")
    finalise_without_waiting(desk)
    expect(page.get_by_text("Waiting to send").first).to_be_visible()
    invoice = page.url

    bar.get_by_role("link", name="Enter a new key").click()
    expect(page.get_by_role("heading", level=1, name="Replace keys")).to_be_visible()
    desk.fill(secret=OTHER_TEST.secret_key)
    page.get_by_role("button", name="Save new keys").click()
    problem = page.locator("#error-summary")
    expect(problem).to_contain_text(f"This key belongs to {OTHER_TEST.display_name}.")
    expect(problem).to_contain_text(f"You are connected to {TEST.display_name}.")
    without_status(complaints, 409)

    desk.fill(secret=stripe.restricted_key())
    desk.save(button="Save new keys")
    expect(page.get_by_text("Healthy")).to_be_visible()
    expect(bar).to_have_count(0)
    page.goto(invoice)
    expect(page.get_by_text("In step").first).to_be_visible(timeout=STEP_MILLISECONDS)
    stripe.activate(TEST.secret_key)
    (sent,) = rows(desk.portal, "SELECT external_id FROM invoice WHERE id = $1", int(invoice_id(page)))
    assert stripe.dashboard.invoices.retrieve(sent["external_id"]).total == 9_000


def test_a_disconnect_tells_what_it_breaks_and_connecting_again_goes_on(
    desk: Desk, stripe: StripeControl, payer: Page, complaints: list[str]
) -> None:
    page, portal = desk.page, desk.portal
    open_link = make_invoice(page, portal, customer="Still Owing", price="480.00")
    open_invoice = page.url
    paid_link = make_invoice(page, portal, customer="Pays Meanwhile", price="75.50")
    paid_invoice = page.url
    paid_in_stripe = rows(portal, "SELECT external_id FROM invoice WHERE id = $1", int(invoice_id(page)))[0][
        "external_id"
    ]
    stripe.control("POST", "/subscriptions", {"count": 3, "status": "active"})
    (endpoint,) = stripe.endpoints()

    desk.open_connection()
    history = page.locator("#history")
    expect(history).to_contain_text("Connected Stripe account")
    page.get_by_role("link", name="Disconnect Stripe").click()
    effects, (many, due) = page.locator("#effects"), owed(desk, "test")
    expect(effects).to_contain_text(f"Pay links stop working now: {many} open invoices, {due}.")
    expect(effects).to_contain_text("3 active subscriptions keep charging in Stripe")
    page.get_by_label(f"Type {TEST.display_name} to confirm").fill("Sandbox Account B")
    page.get_by_role("button", name="Disconnect Stripe").click()
    expect(page.locator("#error-summary")).to_contain_text(f"Type {TEST.display_name} to confirm.")
    assert [row["state"] for row in rows(portal, "SELECT state FROM connected_account")] == ["ready"]
    without_status(complaints, 422)
    desk.open_connection()
    desk.disconnect(TEST.display_name, remove_endpoint=True)
    expect(page.locator("#notices")).to_contain_text("The webhook endpoint is deleted at Stripe.")
    assert stripe.endpoints() == []

    payer.goto(open_link)
    expect(payer.get_by_role("heading", name="Online payment is not available right now")).to_be_visible()
    stripe.dashboard.invoices.pay(paid_in_stripe, {"payment_method": "pm_card_visa"})

    connect_sandbox(page, portal)
    expect(history).to_contain_text("Disconnected Stripe account")
    assert len(rows(portal, "SELECT id FROM connected_account")) == 1
    page.goto(paid_invoice)
    expect(page.locator("#invoice-status")).to_have_text("Paid", timeout=STEP_MILLISECONDS)
    expect(page.get_by_text("Received $75.50")).to_have_count(1)
    payer.goto(paid_link)
    expect(payer.get_by_role("heading", name="This invoice is already paid")).to_be_visible()
    payer.goto(open_link)
    pay_by_card(payer, "4242424242424242")
    expect(payer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    page.goto(open_invoice)
    expect(page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    assert endpoint.id not in [found.id for found in stripe.endpoints()]


def test_going_live_stays_locked_until_green_and_keeps_test_and_live_apart(
    desk: Desk, stripe: StripeControl, payer: Page, complaints: list[str]
) -> None:
    page = desk.page
    make_invoice(page, desk.portal, customer="Test Customer", price="120.00")
    test_invoice = page.url
    desk.open_connection()
    page.get_by_role("link", name="Switch to live").click()
    comparison = page.locator("#comparison")
    expect(comparison).to_contain_text("0 of 6 green in live")
    page.get_by_role("button", name="Use the Stripe sandbox").click()
    expect(page.locator("#secret_key")).to_have_value(LIVE.secret_key)

    stripe.control("POST", "/account", {"world": LIVE.name, "charges_enabled": False})
    forget_runs(desk.portal)
    page.get_by_role("button", name="Go live").click()
    expect(page.locator("#error-summary")).to_contain_text(LOCKED, timeout=RUN_MILLISECONDS)
    without_status(complaints, 422)
    assert [row["mode"] for row in rows(desk.portal, "SELECT mode FROM connected_account")] == ["test"]

    desk.validate()
    expect(comparison).to_contain_text("5 of 6 green in live")
    desk.row("Account").is_("failed", "Charges off")
    stripe.control("POST", "/account", {"world": LIVE.name, "charges_enabled": True})
    desk.row("Account").again()
    expect(comparison).to_contain_text("6 of 6 green in live")
    expect(page.locator("#save-hint")).to_contain_text("Every check is green: you can go live")
    cells = comparison.locator("tr", has=page.get_by_role("rowheader", name="Endpoint", exact=True)).locator(
        "td"
    )
    expect(cells).to_have_text(["found", "found"])
    desk.save(button="Go live")
    expect(page.get_by_text("Stripe connected in live mode.")).to_be_visible()
    expect(page.get_by_role("region", name="Mode")).to_have_count(0)

    desk.open("/settings/connected-accounts")
    expect(page.get_by_role("link", name=re.compile("^Manage Stripe"))).to_have_count(2)
    link = make_invoice(page, desk.portal, customer="Live Customer", price="480.00")
    payer.goto(link)
    pay_by_card(payer, "4242424242424242")
    expect(payer.get_by_role("heading", name="Payment received")).to_be_visible(timeout=LIVE_MILLISECONDS)
    expect(page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    expect(page.get_by_text("Test", exact=True)).to_have_count(0)

    desk.open("/")
    figures = page.get_by_label("Figures")
    expect(figures).to_contain_text("$480.00")
    expect(figures).not_to_contain_text(owed(desk, "test")[1])
    page.get_by_role("link", name="Test", exact=True).click()
    expect(figures).to_contain_text(owed(desk, "test")[1])
    expect(figures).not_to_contain_text("$480.00")
    page.goto(test_invoice)
    expect(page.locator("#main").get_by_text("Test", exact=True).first).to_be_visible()
