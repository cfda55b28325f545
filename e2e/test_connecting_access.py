"""The connection pages for everybody: by keyboard, without scripts, in both themes, and nothing jumps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from e2e.connecting import RUN_MILLISECONDS, STRIPE, Desk, without_status
from e2e.people import PASSWORD, set_up, watch
from e2e.portals import RunningPortal, running_portal
from e2e.stripe_control import StripeControl
from e2e.tables import forget_forms, forget_runs, rows
from e2e.watching import announcements, is_focused, jumps, keeps_focus, press, tab_to, type_into, watched
from plugins.stripe.sandbox.keys import WORLDS
from tests.barriers import barriers_seen

TITLE = "Sandbox Account A"
OWNER = "mara@northwind.example"
ERASE = "UPDATE connected_account SET state = 'disconnected', disconnected_at = now()"
LIVE = WORLDS[1]
WIDE, NARROW, NARROWEST = 1280, 360, 320
LOOKS = ((1280, "light"), (390, "dark"))
FEW_RIGHTS = frozenset({"rak_charge_write", "rak_charge_read", "rak_product_read", "rak_product_write"})
SOME_EVENTS = ["customer.created", "customer.updated", "invoice.paid"]
REFUSED_SECRET = "sk_test_51SandboxAccountZ_secret_not_real"
LONG_TITLE = "Northwind Studio Handelsgesellschaft für Gestaltung und Druckerzeugnisse mbH & Co. KG"
TROUBLED = """
    UPDATE connected_account SET title = $1, state = 'needs_attention',
      features_off = '{"refunds": "the key lacks a right"}',
      health_reason = 'Permissions: this key is missing 5 permissions that the portal uses.',
      last_event_at = now() - interval '3 days', connected_at = now() - interval '9 days',
      previous_until = now() + interval '20 hours', previous_used_at = now() - interval '3 minutes'
    WHERE state <> 'disconnected'
"""
REFUSALS = """
    INSERT INTO delivery_refusal (account, hour, reason, refused, last_at)
    SELECT id, date_trunc('hour', now()), 'signature', 41, now() FROM connected_account
    WHERE state <> 'disconnected'
"""
BROKEN = """
    UPDATE connected_account SET state = 'broken', health_reason = 'Stripe refused this key.'
    WHERE state <> 'disconnected'
"""
CUT = """
() => [...document.querySelectorAll('main :is(.btn, input:not([type=hidden]))')].filter(element => {
  const box = element.getBoundingClientRect();
  const outside = box.left < 0 || box.right > innerWidth;
  return box.width > 0 && (outside || element.scrollHeight > element.clientHeight + 2);
}).map(element => element.outerHTML)
"""
"""What is cut off, all looked at in one go: the page may change by itself meanwhile."""
SLOW_MILLISECONDS = 400
SETTLED_MILLISECONDS = 600
"""Longer than the half second after a key in which a browser counts no layout shift."""


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningPortal]:
    """A portal of these tests alone: they connect and disconnect."""
    with running_portal(tmp_path_factory.mktemp("access")) as running:
        yield running


@pytest.fixture(scope="module")
def cookies(portal: RunningPortal, browser: Browser) -> dict[str, object]:
    """The owner's, after set-up."""
    context = browser.new_context()
    set_up(context.new_page(), portal)
    state: dict[str, object] = dict(context.storage_state())
    context.close()
    return state


@pytest.fixture
def stripe(portal: RunningPortal) -> StripeControl:
    """An empty Stripe."""
    control = StripeControl(portal.sandbox_url)
    control.reset()
    control.heal()
    return control


@pytest.fixture
def context(browser: Browser, portal: RunningPortal, cookies: dict[str, object]) -> Iterator[BrowserContext]:
    """A browser of the owner, before an untouched form."""
    forget_forms(portal)
    context = browser.new_context(storage_state=cookies)  # type: ignore[arg-type]  # what it gave
    yield context
    context.close()


@pytest.fixture
def desk(
    portal: RunningPortal, context: BrowserContext, stripe: StripeControl, complaints: list[str]
) -> Desk:
    """The owner's window."""
    return Desk(watched(watch(context.new_page(), complaints)), portal)


@pytest.fixture
def plain_desk(
    browser: Browser, portal: RunningPortal, cookies: dict[str, object], stripe: StripeControl
) -> Iterator[Desk]:
    """The owner's window without scripts."""
    forget_forms(portal)
    context = browser.new_context(storage_state=cookies, java_script_enabled=False)  # type: ignore[arg-type]  # as above
    yield Desk(context.new_page(), portal)
    context.close()


@pytest.fixture
def connected(desk: Desk, stripe: StripeControl) -> Iterator[Desk]:
    """A window on a portal that is connected to an account with all rights."""
    endpoint = stripe.add_endpoint(desk.open_form())
    desk.fill(stripe.keys.publishable_key, stripe.keys.secret_key, str(endpoint.secret))
    desk.save()
    yield desk
    rows(desk.portal, ERASE)


# ---- by keyboard alone


def test_connection_is_made_changed_and_ended_by_keyboard_alone(
    desk: Desk, stripe: StripeControl, complaints: list[str]
) -> None:
    page = desk.page
    page.context.clear_cookies()
    desk.open("/sign-in")
    type_into(page, page.get_by_label("Email"), OWNER)
    type_into(page, page.get_by_label("Password", exact=True), PASSWORD)
    page.keyboard.press("Enter")
    press(page, page.get_by_role("link", name="Connected accounts"))
    press(page, page.get_by_role("link", name="Connect Stripe"))
    secret = stripe.add_endpoint(desk.endpoint_address(), enabled_events=SOME_EVENTS).secret
    announcements(page)
    connect_by_keyboard(desk, stripe, str(secret))
    replace_key_by_keyboard(desk, stripe)
    disconnect_by_keyboard(desk)
    without_status(complaints, 409, 422)


def connect_by_keyboard(desk: Desk, stripe: StripeControl, secret: str) -> None:
    """Type, validate, ask one row again, mend another, and save with warnings."""
    page = desk.page
    validate = page.get_by_role("button", name="Validate")
    type_into(page, page.get_by_label("Publishable key"), stripe.keys.publishable_key)
    type_into(page, page.get_by_label("Secret key or restricted key", exact=True), few_rights(stripe))
    type_into(page, page.get_by_label("Webhook signing secret", exact=True), secret)
    expect(page.locator("#webhook_secret-fb")).to_contain_text("Looks right.")
    announcements(page)
    tab_to(page, validate)
    run_by_enter(desk)
    is_focused(validate)
    said = announcements(page)
    assert len(said) == 1, said
    assert re.fullmatch(r"\d warnings?", said[0])
    press_row(desk, "Check again: Permissions")
    is_focused(page.get_by_role("button", name="Check again: Permissions"))
    press_row(desk, "Fix it for me: Webhook endpoint")
    is_focused(page.locator("#check-webhook_endpoint"))
    keeps_focus(page)
    press(page, page.get_by_role("button", name="Save and connect"))
    question = page.locator("#confirm-notice")
    expect(question).to_be_visible(timeout=RUN_MILLISECONDS)
    is_focused(question)
    press(page, page.locator("#connect-anyway"))
    is_focused(page.locator("#notices .p-notice"))


def replace_key_by_keyboard(desk: Desk, stripe: StripeControl) -> None:
    """First the key of another account, which is refused; then the right one."""
    page = desk.page
    forget_runs(desk.portal)
    press(page, page.get_by_role("link", name="Replace keys"))
    page.wait_for_url("**/keys?*")
    secret = page.get_by_label("Secret key or restricted key", exact=True)
    type_into(page, secret, WORLDS[2].secret_key)
    press(page, page.get_by_role("button", name="Save new keys"))
    expect(page.locator("#error-summary")).to_contain_text(f"You are connected to {TITLE}")
    is_focused(page.locator("#error-summary"))
    type_into(page, secret, stripe.keys.secret_key)
    press(page, page.get_by_role("button", name="Save new keys"))
    notice = page.locator("#notices .p-notice")
    expect(notice).to_contain_text("is in use", timeout=RUN_MILLISECONDS)
    is_focused(notice)


def disconnect_by_keyboard(desk: Desk) -> None:
    """First without the name, then with it."""
    page = desk.page
    press(page, page.get_by_role("link", name="Disconnect Stripe"))
    expect(page.get_by_role("heading", level=1, name="Disconnect Stripe?")).to_be_visible()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    press(page, page.get_by_role("button", name="Disconnect Stripe"))
    is_focused(page.locator("#error-summary"))
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    typed = page.locator("#confirmation")
    expect(typed).to_be_focused()
    page.keyboard.type(phrase_of(page))
    page.keyboard.press("Enter")
    expect(page.locator("#notices .p-notice")).to_be_visible(timeout=RUN_MILLISECONDS)


def run_by_enter(desk: Desk) -> None:
    """Press Enter on what has the focus, and wait until every row has its answer."""
    forget_runs(desk.portal)
    summary = desk.page.locator("#check-summary")
    # A short run is over before anybody could see "Checking": what was there must be replaced.
    summary.evaluate("element => element.firstElementChild.setAttribute('data-before', '')")
    desk.page.keyboard.press("Enter")
    expect(summary.locator("[data-before]")).to_have_count(0)
    expect(summary).not_to_contain_text("Checking", timeout=RUN_MILLISECONDS)


def press_row(desk: Desk, name: str) -> None:
    """Go to a button in a row by Tab, press it, and wait for the answers."""
    tab_to(desk.page, desk.page.get_by_role("button", name=name))
    run_by_enter(desk)


def few_rights(stripe: StripeControl) -> str:
    """A key that leaves warnings."""
    return stripe.restricted_key(without=FEW_RIGHTS)


def phrase_of(page: Page) -> str:
    """What the page asks to type."""
    asked = re.fullmatch("Type (.+) to confirm", page.locator("label[for=confirmation]").inner_text())
    assert asked
    return asked[1]


# ---- without scripts


def test_connection_is_made_changed_and_ended_without_scripts(
    plain_desk: Desk, stripe: StripeControl
) -> None:
    desk, page = plain_desk, plain_desk.page
    secret = stripe.add_endpoint(desk.open_form(), enabled_events=SOME_EVENTS).secret
    page.locator("#publishable_key").fill(stripe.keys.publishable_key)
    page.locator("#secret_key").fill(few_rights(stripe))
    page.locator("#webhook_secret").fill(str(secret))
    page.get_by_role("button", name="Validate").click()
    expect(page.locator("#publishable_key")).to_have_value(stripe.keys.publishable_key)
    assert few_rights(stripe) not in page.content()
    desk.row("Webhook endpoint").is_("needs attention")
    page.get_by_role("button", name="Fix it for me: Webhook endpoint").click()
    desk.row("Webhook endpoint").is_("passed")
    save_plainly(desk, "Save and connect")
    expect(page.locator("#notices")).to_have_text("Stripe connected in test mode.")
    page.get_by_role("link", name="Replace keys").click()
    page.locator("#secret_key").fill(stripe.keys.secret_key)
    save_plainly(desk, "Save new keys")
    expect(page.locator("#notices")).to_contain_text("is in use")
    page.get_by_role("link", name="Switch to live").click()
    page.get_by_role("button", name="Use the Stripe sandbox").click()
    forget_runs(desk.portal)
    page.get_by_role("button", name="Validate").click()
    expect(page.get_by_text("Every check is green: you can go live")).to_be_visible()
    save_plainly(desk, "Go live")
    expect(page.locator("#notices")).to_have_text("Stripe connected in live mode.")
    for _ in ("live", "test"):
        desk.open(STRIPE)
        page.get_by_role("link", name="Disconnect Stripe").click()
        page.get_by_role("button", name="Disconnect Stripe").click()
        expect(page.locator("#error-summary")).to_be_visible()
        page.locator("#confirmation").fill(phrase_of(page))
        page.get_by_role("button", name="Disconnect Stripe").click()
        expect(page.locator("#notices .p-notice")).to_be_visible()


def save_plainly(desk: Desk, button: str) -> None:
    """Press Save where each answer is a whole page; warnings are agreed to."""
    forget_runs(desk.portal)
    page = desk.page
    page.get_by_role("button", name=button, exact=True).click()
    if page.locator("#connect-anyway").is_visible():
        page.locator("#connect-anyway").click()
    expect(page.locator("#notices .p-notice")).to_be_visible()


# ---- for every eye


def test_form_has_no_barrier_in_any_state(desk: Desk, stripe: StripeControl, complaints: list[str]) -> None:
    page = desk.page
    desk.open("/settings/connected-accounts")
    has_no_barrier(page)
    secret = stripe.add_endpoint(desk.open_form(), enabled_events=SOME_EVENTS).secret
    has_no_barrier(page)
    desk.fill(stripe.keys.secret_key, stripe.keys.publishable_key, "we_1")
    page.get_by_role("button", name="Save and connect").click()
    expect(page.locator("#error-summary")).to_be_visible()
    has_no_barrier(page)
    desk.fill(stripe.keys.publishable_key, REFUSED_SECRET, str(secret))
    desk.validate()
    desk.row("Account").is_("failed")
    has_no_barrier(page)
    desk.fill(secret=few_rights(stripe))
    desk.validate()
    page.get_by_role("button", name="Save and connect").click()
    expect(page.locator("#confirm-notice")).to_be_visible(timeout=RUN_MILLISECONDS)
    has_no_barrier(page)
    without_status(complaints, 409, 422)


def test_connection_has_no_barrier_in_any_state(connected: Desk, complaints: list[str]) -> None:
    desk, page = connected, connected.page
    has_no_barrier(page)
    rows(desk.portal, TROUBLED, LONG_TITLE)
    rows(desk.portal, REFUSALS)
    desk.open(STRIPE)
    expect(page.get_by_text("Two signing secrets are accepted")).to_be_visible()
    has_no_barrier(page)
    desk.open(f"{STRIPE}/keys")
    has_no_barrier(page)
    desk.open(f"{STRIPE}/switch-to-live")
    has_no_barrier(page)
    desk.open(f"{STRIPE}/disconnect")
    page.get_by_role("button", name="Disconnect Stripe").click()
    expect(page.locator("#error-summary")).to_be_visible()
    has_no_barrier(page)
    rows(desk.portal, BROKEN)
    desk.open("/settings/connected-accounts")
    expect(page.get_by_role("region", name="Connection")).to_contain_text("Enter a new key")
    has_no_barrier(page)
    without_status(complaints, 422)


def has_no_barrier(page: Page) -> None:
    """Nothing for axe to find at both widths in both themes, and nothing wider than a small screen."""
    for width, theme in LOOKS:
        page.set_viewport_size({"width": width, "height": 900})
        scheme: Literal["dark", "light"] = "dark" if theme == "dark" else "light"
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # colours change at once
        assert barriers_seen(page) == [], (width, theme)
    for width in (NARROWEST, NARROW):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.set_viewport_size({"width": WIDE, "height": 900})


# ---- nothing jumps


@pytest.mark.parametrize(("width", "height", "most"), [(WIDE, 900, 0.02), (NARROW, 740, 0.05)])
def test_nothing_jumps_while_somebody_types_and_validates(
    desk: Desk, stripe: StripeControl, *, width: int, height: int, most: float
) -> None:
    page = desk.page
    page.set_viewport_size({"width": width, "height": height})
    stripe.fault("* /v1/**", delay_ms=SLOW_MILLISECONDS)
    secret = stripe.add_endpoint(desk.open_form()).secret
    page.locator("#publishable_key").press_sequentially(stripe.keys.secret_key)
    expect(page.locator("#publishable_key-fb")).to_contain_text("This is a secret key.")
    desk.fill(stripe.keys.publishable_key, few_rights(stripe), str(secret))
    expect(page.locator("#webhook_secret-fb")).to_contain_text("Looks right.")
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    assert jumps(page) < most
    page.get_by_role("button", name="Validate").focus()
    run_by_enter(desk)
    assert jumps(page) < most
    page.get_by_role("button", name="Check again: Permissions").focus()
    run_by_enter(desk)
    assert jumps(page) < most


def test_save_during_a_run_is_busy_until_it_is_answered(desk: Desk, stripe: StripeControl) -> None:
    page = desk.page
    stripe.fault("* /v1/**", delay_ms=SLOW_MILLISECONDS)
    secret = stripe.add_endpoint(desk.open_form()).secret
    desk.fill(stripe.keys.publishable_key, few_rights(stripe), str(secret))
    page.get_by_role("button", name="Validate").click()
    expect(page.locator("#check-summary")).to_contain_text("Checking")
    save = page.locator("#save")
    save.click()
    expect(page.locator("#validate")).not_to_have_attribute("aria-busy", "true")
    expect(save).to_have_attribute("aria-busy", "true")
    expect(page.locator("#confirm-notice")).to_be_visible(timeout=RUN_MILLISECONDS)
    expect(save).not_to_have_attribute("aria-busy", "true")


def test_small_screen_shows_the_checks_and_keeps_validate_in_sight(desk: Desk, stripe: StripeControl) -> None:
    page = desk.page
    page.set_viewport_size({"width": NARROW, "height": 740})
    desk.open_form()
    desk.fill(stripe.keys.publishable_key, stripe.keys.secret_key)
    desk.validate()
    expect(page.locator("#check-key_format")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Validate")).to_be_in_viewport()


def test_results_stay_valid_when_a_field_is_judged_after_them(desk: Desk) -> None:
    page = desk.page
    desk.open_form()
    page.locator("#publishable_key").fill("sk_test_1")
    page.locator("#validate").click()
    expect(page.locator("#check-summary")).to_contain_text("problem")
    page.wait_for_timeout(SETTLED_MILLISECONDS)
    expect(page.locator("#check-summary")).to_contain_text("problem")
    page.locator("#publishable_key").fill("pk_test_1")
    expect(page.locator("#check-summary")).to_contain_text("Out of date")


def test_text_of_twice_the_size_keeps_everything_within_reach(connected: Desk) -> None:
    desk, page = connected, connected.page
    page.set_viewport_size({"width": WIDE, "height": 900})
    for path in (
        f"{STRIPE}?new=yes",
        STRIPE,
        f"{STRIPE}/keys",
        f"{STRIPE}/switch-to-live",
        f"{STRIPE}/disconnect",
    ):
        desk.open(path)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.evaluate("document.documentElement.scrollWidth") <= WIDE, path
        assert page.evaluate(CUT) == [], path
