"""Each check that fails says what and why, leads to help, can be mended or run again alone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from e2e.connecting import ROWS, Desk, without_status
from e2e.stripe_control import ELSEWHERE, StripeControl
from e2e.tables import forget_runs, rows
from plugins.stripe.sandbox.keys import WORLDS

FOR_ME = re.compile("for me")
OPTIONAL = (
    ("Charges and Refunds", "rak_charge_write"),
    ("Webhook Endpoints", "rak_webhook_write"),
    ("Payment Method Domains", "rak_payment_method_domain_write"),
    ("Subscriptions", "rak_subscription_write"),
    ("Products", "rak_product_read"),
    ("Prices", "rak_plan_read"),
)
"""Rights that a connection can do without, as the page and as Stripe call them."""


def rights(*missing: tuple[str, str]) -> frozenset[str]:
    """What is taken from a key so that these are missing: Write implies Read."""
    named = {right for _, right in missing}
    return frozenset(named | {right.replace("_read", "_write") for right in named})


# ---- what can be wrong with the keys


def test_a_refused_key_is_told_once_and_what_it_held_up_is_asked_again_with_it(
    filled: Desk, stripe: StripeControl
) -> None:
    stripe.revoke(stripe.keys.secret_key)
    filled.validate()
    account = filled.row("Account")
    account.is_("failed", "Stripe refused this key.", "Copy the key again, or create a new one.")
    account.has_help()
    for title in ("Permissions", "Payment methods", "Webhook endpoint", "Signing secret"):
        filled.row(title).is_("not checked", "because the key was refused")

    stripe.activate(stripe.keys.secret_key)
    account.again()
    account.is_("passed", stripe.keys.display_name)
    for title in ROWS:
        filled.row(title).is_("passed")


def test_keys_of_two_accounts_are_told_apart(filled: Desk, stripe: StripeControl) -> None:
    filled.fill(publishable=WORLDS[2].publishable_key)
    filled.validate()
    account = filled.row("Account")
    account.is_("failed", "belongs to another Stripe account", "Copy both keys from the same API keys page.")
    account.has_help()
    filled.fill(publishable=stripe.keys.publishable_key)
    account.again()
    account.is_("passed")


def test_charges_that_are_off_are_told_with_what_stripe_still_needs(
    filled: Desk, stripe: StripeControl
) -> None:
    stripe.control("POST", "/account", {"charges_enabled": False})
    filled.validate()
    account = filled.row("Account")
    account.is_("needs attention", "Charges off", "Charges are off")
    account.has_help()
    stripe.control("POST", "/account", {"charges_enabled": True})
    stripe.forget_calls()
    account.again()
    account.is_("passed")
    assert {route for route in stripe.called() if "setup_intents" not in route} == {"GET /v1/account"}


def test_each_missing_right_has_a_red_chip_and_needed_ones_keep_the_form_from_saving(
    filled: Desk, stripe: StripeControl, complaints: list[str]
) -> None:
    for missing in (1, 3, len(OPTIONAL)):
        filled.fill(secret=stripe.restricted_key(without=rights(*OPTIONAL[:missing])))
        filled.validate()
        permissions = filled.row("Permissions")
        noun = "1 permission" if missing == 1 else f"{missing} permissions"
        permissions.is_("needs attention", f"missing {noun}", "Edit this key in Stripe")
        expect(permissions.line.locator(".p-chips .bad")).to_have_count(missing)
        for title, right in OPTIONAL[:missing]:
            permissions.is_("needs attention", title, right)
    permissions.has_help()

    filled.fill(secret=stripe.restricted_key(without=rights(("Customers", "rak_customer_write"))))
    filled.validate()
    permissions.is_("failed", "missing 1 permission", "customers cannot be sent to Stripe")
    forget_runs(filled.portal)
    filled.page.get_by_role("button", name="Save and connect").click()
    expect(filled.page.locator("#error-summary")).to_contain_text("missing 1 permission")
    assert not rows(filled.portal, "SELECT 1 FROM connected_account WHERE state <> 'disconnected'")
    without_status(complaints, 422)


def test_a_feature_without_its_right_is_off_with_its_reason_and_its_buttons_are_gone(
    filled: Desk, stripe: StripeControl
) -> None:
    (endpoint,) = stripe.endpoints()
    missing = (("Webhook Endpoints", "rak_webhook_write"), ("Subscriptions", "rak_subscription_write"))
    filled.fill(secret=stripe.restricted_key(without=rights(*missing)))
    filled.validate()
    filled.save()
    every = filled.page.locator("#features li.bad")
    expect(every).to_have_count(3)
    expect(every.filter(has_text="need a public address")).to_have_count(1)  # this machine's is none
    off = every.filter(has_text="is missing")
    expect(off).to_have_count(2)
    expect(off.nth(0)).to_contain_text(
        "Off: Webhook Endpoints: write is missing (Stripe calls it rak_webhook"
    )
    expect(off.nth(1)).to_contain_text("Off: Subscriptions: write is missing")
    expect(filled.page.get_by_role("button", name="Replace the secret for me")).to_have_count(0)

    stripe.dashboard.webhook_endpoints.delete(endpoint.id)
    filled.press(filled.page.get_by_role("button", name="Check everything again"))
    filled.row("Webhook endpoint").is_("needs attention", "no endpoint with exactly this address")
    expect(filled.page.get_by_role("button", name=FOR_ME)).to_have_count(0)
    filled.page.get_by_role("link", name="Disconnect Stripe").click()
    expect(filled.page.get_by_label("Also delete the webhook endpoint in Stripe")).to_have_count(0)


# ---- what can be wrong with the endpoint


def test_an_endpoint_with_another_slash_is_found_and_mended(desk: Desk, stripe: StripeControl) -> None:
    address = desk.open_form()
    near = stripe.add_endpoint(address + "/")
    desk.fill(stripe.keys.publishable_key, stripe.keys.secret_key, str(near.secret))
    desk.validate()
    row = desk.row("Webhook endpoint")
    row.is_("needs attention", "Other address", f"{address}/")
    row.has_help()
    desk.press(row.button("Fix it for me"))
    row.is_("passed")
    desk.row("Signing secret").is_("passed", "Proved in")
    assert [(found.id, found.url) for found in stripe.endpoints()] == [(near.id, address)]


def test_a_disabled_endpoint_is_mended(filled: Desk, stripe: StripeControl) -> None:
    (endpoint,) = stripe.endpoints()
    stripe.dashboard.webhook_endpoints.update(endpoint.id, {"disabled": True})
    filled.validate()
    row = filled.row("Webhook endpoint")
    row.is_("failed", "disabled")
    row.has_help()
    filled.row("Signing secret").is_("unproved", "The endpoint is disabled in Stripe.")
    filled.press(row.button("Fix it for me"))
    row.is_("passed")
    filled.row("Signing secret").is_("passed", "Proved in")
    assert [found.status for found in stripe.endpoints()] == ["enabled"]


# ---- what can be wrong with the signature


def test_the_secret_of_another_endpoint_is_told(filled: Desk, stripe: StripeControl) -> None:
    right = filled.page.locator("#webhook_secret").input_value()
    filled.fill(webhook=str(stripe.add_endpoint(ELSEWHERE).secret))
    filled.validate()
    row = filled.row("Signing secret")
    row.is_("failed", "signed with a secret that is not known here", "belongs to another endpoint")
    row.has_help()
    filled.fill(webhook=right)
    row.again()
    row.is_("passed", "Proved in")


@pytest.mark.parametrize(
    ("manner", "words"),
    [
        ({"skew_seconds": -720}, "This machine's clock is 12 minutes ahead."),
        ({"tamper": "reformat"}, "The body of the test event was rewritten on the way here."),
    ],
    ids=["a-clock-that-is-off", "a-body-that-was-rewritten"],
)
def test_a_delivery_that_goes_wrong_is_diagnosed(
    filled: Desk, stripe: StripeControl, manner: dict[str, object], words: str
) -> None:
    stripe.deliver(**manner)
    filled.validate()
    row = filled.row("Signing secret")
    row.is_("failed", words)
    row.has_help()
    stripe.heal()
    stripe.forget_calls()
    row.again()
    row.is_("passed", "Proved in")
    assert stripe.called() == {"POST /v1/customers", "DELETE /v1/customers/{customer}"}


# ---- Stripe that does not answer as it should


def test_each_row_says_how_stripe_failed_and_runs_again(filled: Desk, stripe: StripeControl) -> None:
    stripe.fault("GET /v1/account", status=500)
    stripe.fault("GET /v1/balance", status=429)
    stripe.fault("GET /v1/webhook_endpoints", delay_ms=13_000)
    stripe.fault("POST /v1/customers", drop="before")
    filled.validate()
    account, endpoint = filled.row("Account"), filled.row("Webhook endpoint")
    permissions, signing = filled.row("Permissions"), filled.row("Signing secret")
    account.is_("failed", "Check again in a moment.")
    permissions.is_("unproved", "Balance: Stripe asks us to slow down.")
    endpoint.is_("failed", "Stripe did not answer in 10 seconds.")
    signing.is_("failed", "Stripe did not answer")
    for row in (account, permissions, endpoint, signing):
        row.has_help()
    stripe.heal()
    for row in (account, permissions, endpoint, signing):
        row.again()
        row.is_("passed")
