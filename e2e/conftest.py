"""A real browser before the whole portal. Any complaint of the browser fails the test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from e2e.connecting import STRIPE, Desk
from e2e.people import Admin, connect_sandbox, set_up, watch
from e2e.portals import RunningPortal, running_portal
from e2e.stripe_control import StripeControl
from e2e.tables import forget_forms, rows
from tests.browsers import MISSING, find_browser

ACT_MILLISECONDS = 8_000
FLAGS = ["--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, found on this machine."""
    path = find_browser()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the browser's console says; it must stay empty but for what a test takes out of it."""
    said: list[str] = []
    yield said
    assert said == []


@pytest.fixture(scope="package")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    """One portal for all journeys that need it set up and connected."""
    with running_portal(tmp_path_factory.mktemp("portal")) as running:
        yield running


@pytest.fixture
def fresh_portal(tmp_path: Path) -> Iterator[RunningPortal]:
    """A portal that nobody has set up."""
    with running_portal(tmp_path) as running:
        yield running


@pytest.fixture(scope="package")
def signed_in_state(portal: RunningPortal, browser: Browser) -> dict[str, object]:
    """The cookies of the owner of `portal`, after set-up and connecting the sandbox."""
    context = browser.new_context()
    page = context.new_page()
    set_up(page, portal)
    connect_sandbox(page, portal)
    state: dict[str, object] = dict(context.storage_state())
    context.close()
    return state


@pytest.fixture
def admin(
    portal: RunningPortal, browser: Browser, signed_in_state: dict[str, object], complaints: list[str]
) -> Iterator[Admin]:
    """The owner in a browser window of their own."""
    context = browser.new_context(storage_state=signed_in_state)  # type: ignore[arg-type]  # what it gave
    yield Admin(watch(context.new_page(), complaints), portal)
    context.close()


@pytest.fixture
def customer_context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser that has never seen the portal."""
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def customer(customer_context: BrowserContext, complaints: list[str]) -> Page:
    """A customer's tab."""
    return watch(customer_context.new_page(), complaints)


# ---- a portal that is connected again and again


@pytest.fixture(scope="package")
def connecting_portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    """A portal whose only business is to be connected again and again."""
    with running_portal(tmp_path_factory.mktemp("connecting")) as running:
        yield running


@pytest.fixture(scope="package")
def owner_page(connecting_portal: RunningPortal, browser: Browser) -> Iterator[Page]:
    """The owner, signed in for all tests."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(ACT_MILLISECONDS)
    page = context.new_page()
    set_up(page, connecting_portal)
    yield page
    context.close()


@pytest.fixture
def stripe(connecting_portal: RunningPortal) -> StripeControl:
    """An empty Stripe."""
    control = StripeControl(connecting_portal.sandbox_url)
    control.reset()
    control.heal()
    return control


@pytest.fixture
def desk(
    connecting_portal: RunningPortal, owner_page: Page, stripe: StripeControl, complaints: list[str]
) -> Iterator[Desk]:
    """A window of the owner on a portal without connections."""
    forget_forms(connecting_portal)
    desk = Desk(watch(owner_page.context.new_page(), complaints), connecting_portal)
    yield desk
    for account in rows(
        connecting_portal, "SELECT title FROM connected_account WHERE state <> 'disconnected'"
    ):
        desk.open(STRIPE)
        desk.disconnect(account["title"])
    desk.page.close()


@pytest.fixture
def filled(desk: Desk, stripe: StripeControl) -> Desk:
    """The form with three values that fit together."""
    endpoint = stripe.add_endpoint(desk.open_form())
    desk.fill(stripe.keys.publishable_key, stripe.keys.secret_key, str(endpoint.secret))
    return desk
