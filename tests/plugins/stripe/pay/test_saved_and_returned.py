"""What the pay page says besides: saved cards, a bank that returned a payment, wallets, no scripts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from playwright.async_api import Browser, expect

from plugins.stripe.domain.declines import bank_returns
from portal.invoices.pay_history import BankReturn
from portal.money import Money
from tests.plugins.stripe.pay.portals import AT, PayPortal
from tests.plugins.stripe.pay.test_states import SHIFT, barriers_to, overhang
from tests.plugins.stripe.pay.visitors import new_visitor, visiting

pytestmark = pytest.mark.browser
HOSTED = "https://invoice.stripe.com/i/acct_1/live_1"
FEATURES = "components[payment_element][features]"


def know_a_customer(portal: PayPortal) -> str:
    """A customer whose card may be shown again; returns its id. The portal opens a session for them."""
    customer = portal._call("POST", "/v1/customers", {"name": "Globex"})["id"]
    method = portal._call("POST", "/v1/payment_methods/pm_card_visa/attach", {"customer": customer})["id"]
    portal._call("POST", f"/v1/payment_methods/{method}", {"allow_redisplay": "always"})
    asked = {
        "amount": portal.amount_minor,
        "currency": "usd",
        "automatic_payment_methods[enabled]": "true",
        "customer": customer,
    }
    portal.intent = portal._call("POST", "/v1/payment_intents", asked)
    session = {
        "customer": customer,
        "components[payment_element][enabled]": "true",
        f"{FEATURES}[payment_method_redisplay]": "enabled",
        f"{FEATURES}[payment_method_save]": "enabled",
        f"{FEATURES}[payment_method_save_usage]": "on_session",
    }
    portal.customer_session = portal._call("POST", "/v1/customer_sessions", session)["client_secret"]
    return str(method)


async def test_a_saved_card_pays_without_being_typed(browser: Browser, portal: PayPortal) -> None:
    method = know_a_customer(portal)
    async with visiting(browser, portal) as visitor:
        await expect(visitor.form.get_by_label("Visa ending 4242")).to_be_checked()
        await visitor.button.click()
        await expect(visitor.card).to_contain_text("Payment received")
        assert visitor.complaints == []
    assert portal.intent_now()["payment_method"] == method


async def test_a_card_is_kept_only_when_its_payer_agrees(browser: Browser, portal: PayPortal) -> None:
    know_a_customer(portal)
    async with visiting(browser, portal) as visitor:
        await visitor.form.get_by_label("Card", exact=True).check()
        await visitor.form.get_by_label("Save payment details").check()
        await visitor.pay("5555555555554444")
        await expect(visitor.card).to_contain_text("Payment received")
    kept = portal._call("GET", f"/v1/payment_methods/{portal.intent_now()['payment_method']}")
    assert (kept["allow_redisplay"], kept["customer"] is None) == ("always", False)


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (360, "light")])
async def test_what_a_bank_returned_is_told_where_it_can_be_paid_again(
    browser: Browser, portal: PayPortal, width: int, theme: str
) -> None:
    portal.bank_return = BankReturn(Money(48_000, "usd"), AT - timedelta(days=1), "insufficient_funds")
    portal.state = "processing"
    async with visiting(browser, portal, width=width, theme=theme) as visitor:
        await expect(visitor.card).to_contain_text("please do not pay again")
        await expect(visitor.button).to_have_count(0)
        portal.announce("ready")
        await expect(visitor.card).to_contain_text(
            "Your bank returned the payment of $480.00. There was not enough money in the account. "
            "You have not been charged."
        )
        await expect(visitor.page.locator("#say")).to_contain_text(
            "Your bank returned the payment of $480.00."
        )
        await visitor.is_ready()
        assert (await barriers_to(visitor), await overhang(visitor)) == ([], 0)


def test_a_returned_payment_never_shows_the_banks_code(portal: PayPortal) -> None:
    for code in (*bank_returns(), "debit_not_authorized", "fraudulent", ""):
        portal.bank_return = BankReturn(Money(48_000, "usd"), AT, code)
        form, _, rest = portal.render("pay/page.html").partition("<template id=")
        assert "Your bank returned the payment of $480.00." in form
        assert not code or code not in form
        assert rest


@pytest.mark.parametrize(("registered", "width", "most"), [(True, 1280, 0.02), (False, 360, 0.05)])
async def test_wallets_are_asked_for_only_where_the_domain_is_registered_and_nothing_jumps(
    browser: Browser, portal: PayPortal, *, registered: bool, width: int, most: float
) -> None:
    portal.express = registered
    async with visiting(browser, portal, width=width) as visitor:
        await expect(visitor.page.locator("#express")).to_have_count(1 if registered else 0)
        assert await visitor.page.evaluate(SHIFT) < most
        assert visitor.complaints == []


async def test_without_scripts_stripes_own_page_is_one_press_away_and_learns_no_address(
    browser: Browser, portal: PayPortal
) -> None:
    portal.hosted_url = HOSTED
    context = await browser.new_context(java_script_enabled=False)
    visitor = await new_visitor(context)
    await visitor.page.goto(portal.page_url)
    link = visitor.card.locator("noscript a.pay")
    await expect(link).to_be_visible()
    said = {name: await link.get_attribute(name) for name in ("href", "rel", "referrerpolicy")}
    assert said == {"href": HOSTED, "rel": "noopener noreferrer", "referrerpolicy": "no-referrer"}
    await context.close()


@pytest.mark.parametrize("state", ["paid", "void", "draft", "processing", "unavailable"])
def test_stripes_own_page_is_named_only_where_something_can_be_paid(portal: PayPortal, state: str) -> None:
    portal.hosted_url, portal.state = HOSTED, state
    assert "invoice.stripe.com" not in portal.render("pay/page.html")


@pytest.mark.parametrize(("writes", "words"), [(True, "we will email you"), (False, "Open the link again")])
def test_who_waits_for_a_bank_is_promised_mail_only_where_it_is_sent(
    portal: PayPortal, *, writes: bool, words: str
) -> None:
    portal.writes = writes
    assert words in portal.render("pay/page.html")


def test_a_part_that_was_credited_is_told_apart_from_what_was_paid(portal: PayPortal) -> None:
    portal.state = "partly_paid"
    told = " ".join(portal.render("pay/page.html").split())
    for row in ("Discount (5%)</th><td>−$20.00", "VAT 20%</th><td>$60.00", "Paid so far</th><td>−$120.00"):
        assert row in told
    assert "Credited</th><td>−$80.00" in told
