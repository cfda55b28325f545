"""Connecting Stripe: by pasting, and by letting the portal make the endpoint."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page, Route, expect

from e2e.connecting import ROWS, Desk
from e2e.stripe_control import StripeControl
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION

SLOW_SECONDS = 0.4
"""Longer than it takes from the end of typing until leaving the field asks too."""


def paste(page: Page, field: str, text: str) -> None:
    """Put it on the clipboard and press Ctrl+V in the field."""
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.locator(f"#{field}").focus()
    page.keyboard.press("ControlOrMeta+v")


def where(page: Page) -> list[object]:
    """The focused input and its caret."""
    found: list[object] = page.evaluate(
        "() => [document.activeElement.id, document.activeElement.selectionStart]"
    )
    return found


def test_three_pasted_values_are_proved_and_saved(
    desk: Desk, stripe: StripeControl, capsys: pytest.CaptureFixture[str]
) -> None:
    address, page = desk.open_form(), desk.page
    secret = stripe.add_endpoint(address).secret
    paste(page, "publishable_key", f"  {stripe.keys.publishable_key}\n")
    expect(page.locator("#publishable_key-fb")).to_have_text("We removed a space from the start.")
    paste(page, "secret_key", f"\n{stripe.keys.secret_key}  ")
    expect(page.locator("#secret_key-fb")).to_have_text("We removed a space from both ends.")
    paste(page, "webhook_secret", f" {secret}\n ")
    expect(page.locator("#webhook_secret-fb")).to_contain_text("We removed")
    expect(page.locator("#mode-pill")).to_contain_text("Test keys")

    desk.validate()
    for title in ROWS:
        desk.row(title).is_("passed")
    expect(desk.row("Signing secret").line).to_contain_text("Proved in")
    expect(page.locator("#check-summary")).to_contain_text("All 6 checks passed")
    quick = desk.validate()
    stripe.fault("* /v1/**", delay_ms=150)
    slow = desk.validate()
    stripe.heal()
    with capsys.disabled():
        print(f"\nValidate to the last row: {quick:.2f} s at 0 ms a call, {slow:.2f} s at 150 ms")  # noqa: T201 - figures

    desk.save()
    expect(page.get_by_text("Stripe connected in test mode.")).to_be_visible()
    expect(page.get_by_role("heading", level=1, name=stripe.keys.display_name)).to_be_visible()
    expect(page.get_by_text("Healthy")).to_be_visible()
    assert desk.endpoint_address() == address


def test_feedback_comes_while_typing_and_leaves_focus_and_caret_alone(
    desk: Desk, stripe: StripeControl
) -> None:
    desk.open_form()
    page, key = desk.page, stripe.keys.publishable_key
    feedback = page.locator("#publishable_key-fb")
    page.locator("#publishable_key").focus()
    page.keyboard.insert_text(key)
    expect(feedback.locator("[data-tone=ok]")).to_be_visible()
    for _ in range(5):
        page.keyboard.press("ArrowLeft")
    page.keyboard.type("!")
    expect(feedback.locator("[data-tone=bad]")).to_contain_text("Remove the character “!”")
    assert where(page) == ["publishable_key", len(key) - 4]
    page.keyboard.press("Backspace")
    expect(feedback.locator("[data-tone=ok]")).to_be_visible()
    assert where(page) == ["publishable_key", len(key) - 5]


def test_feedback_comes_though_the_field_is_left_before_the_answer(desk: Desk, stripe: StripeControl) -> None:
    desk.open_form()
    page = desk.page

    def answer_late(route: Route) -> None:
        time.sleep(SLOW_SECONDS)
        route.continue_()

    page.route("**/check-field", answer_late)
    page.locator("#publishable_key").focus()
    page.keyboard.insert_text(stripe.keys.publishable_key)
    page.keyboard.press("Tab")
    expect(page.locator("#publishable_key-fb [data-tone=ok]")).to_be_visible()
    expect(page.locator("#mode-pill")).to_contain_text("Test keys")
    page.unroute("**/check-field")


def test_the_portal_makes_one_endpoint_however_often_it_is_asked(desk: Desk, stripe: StripeControl) -> None:
    address = desk.open_form()
    desk.fill(stripe.keys.publishable_key, stripe.keys.secret_key)
    create = desk.page.get_by_role("button", name="Create the endpoint for me")
    desk.press(create)
    expect(desk.page.locator("#check-note")).to_contain_text("Made the webhook endpoint in Stripe")
    desk.press(create)
    desk.validate()
    for title in ROWS:
        desk.row(title).is_("passed")
    (endpoint,) = stripe.endpoints()
    assert (endpoint.url, endpoint.status, endpoint.api_version) == (address, "enabled", API_VERSION)
    assert set(endpoint.enabled_events) == set(ENDPOINT_EVENTS)
    assert desk.page.locator("#webhook_secret").input_value() == ""

    desk.save()
    expect(desk.page.get_by_text("Stripe connected in test mode.")).to_be_visible()
    assert len(stripe.endpoints()) == 1
