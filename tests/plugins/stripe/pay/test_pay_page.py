"""Paying, as a customer lives it: the page and the stand-in in a real browser, money at a sandbox."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, Route, expect

from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.pay.portals import PayPortal
from tests.plugins.stripe.pay.visitors import DECLINED, new_visitor, visiting

pytestmark = pytest.mark.browser
GOOD_CARD = "4242424242424242"
CHALLENGED_CARD = "4000002760003184"


async def test_good_card_pays_and_its_number_never_meets_the_portal(
    browser: Browser, portal: PayPortal
) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.pay(GOOD_CARD)

        await expect(visitor.card).to_contain_text("Payment received")
        await expect(visitor.page.locator("#card-title")).to_be_focused()
        await expect(visitor.page.locator("#amount")).to_contain_text("Paid 23 November 2026")
        await expect(visitor.page).to_have_title(re.compile(r"^Paid \$480\.00 USD · Invoice INV-0043"))
        told = [f"{r.url} {r.post_data or ''}" for r in visitor.asked if r.url.startswith(portal.url)]
        assert not any(GOOD_CARD in text for text in told)
        assert len(visitor.confirmations()) == 1
        assert visitor.complaints == []
    assert portal.intent_now()["status"] == "succeeded"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("4000000000000002", "Your bank declined this card. You have not been charged. Contact your bank"),
        ("4000000000009995", "not enough funds. You have not been charged. Try another card"),
        ("4000000000009979", "Your bank declined this card. You have not been charged. Contact your bank"),
        ("4000000000000127", "The security code is not right. You have not been charged."),
    ],
)
async def test_declined_card_is_told_in_words(
    browser: Browser, portal: PayPortal, number: str, words: str
) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.pay(number)

        alert = visitor.page.locator("#message [role=alert]")
        await expect(alert).to_contain_text(words)
        await expect(alert).to_be_focused()
    assert portal.intent_now()["amount_received"] == 0


async def test_decline_keeps_what_was_typed_and_the_next_card_pays_once(
    browser: Browser, portal: PayPortal, sandbox: RunningSandbox
) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.pay("4000000000000002")
        await expect(visitor.card).to_contain_text("Your bank declined this card.")
        await expect(visitor.form.get_by_label("Card number")).to_have_value("4000 0000 0000 0002")
        await expect(visitor.button).to_contain_text("Pay $480.00")

        await visitor.pay(GOOD_CARD)
        await expect(visitor.card).to_contain_text("Payment received")
        assert all(line.startswith(DECLINED) for line in visitor.complaints)
    assert portal.intent_now()["amount_received"] == portal.amount_minor


async def test_second_press_is_ignored(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.fill_card(GOOD_CARD)
        held = await hold(visitor.page, "**/confirm")
        await visitor.button.click()
        await expect(visitor.button).to_have_text("Paying…")
        await expect(visitor.form.get_by_label("Card number")).to_be_disabled()
        await visitor.button.click()
        await visitor.page.keyboard.press("Enter")
        await (await held.get()).continue_()

        await expect(visitor.card).to_contain_text("Payment received")
        assert len(visitor.confirmations()) == 1


async def test_incomplete_card_is_told_beside_its_fields_and_sent_nowhere(
    browser: Browser, portal: PayPortal
) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.form.get_by_label("Card number").fill("4242 4242 4242 4241")
        await visitor.button.click()

        await expect(visitor.form.get_by_text("Your card number is invalid.")).to_be_visible()
        await expect(visitor.form.get_by_text("Your card's security code is incomplete.")).to_be_visible()
        await expect(visitor.form.get_by_label("Card number")).to_be_focused()
        assert visitor.confirmations() == []


async def test_passed_bank_check_pays(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.pay(CHALLENGED_CARD)
        await visitor.bank.get_by_role("button", name="Complete").click()

        await expect(visitor.card).to_contain_text("Payment received")
        assert visitor.complaints == []


@pytest.mark.parametrize("way", ["Fail", "Close", "Escape"])
async def test_failed_or_closed_bank_check_charges_nothing(
    browser: Browser, portal: PayPortal, way: str
) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.pay(CHALLENGED_CARD)
        await expect(visitor.bank.get_by_role("button", name="Complete")).to_be_focused()
        if way == "Escape":
            await visitor.page.keyboard.press("Escape")
        else:
            await visitor.bank.get_by_role("button", name=way).click()

        await expect(visitor.card).to_contain_text("You closed the bank check")
        await expect(visitor.card).to_contain_text("You have not been charged.")
    assert portal.intent_now()["status"] == "requires_payment_method"


async def test_bank_debit_is_told_as_started_and_later_as_paid(
    browser: Browser, portal: PayPortal, sandbox: RunningSandbox
) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.form.get_by_label("US bank account").check()
        await expect(visitor.button).to_have_text("Pay $480.00 from bank")
        await expect(visitor.card).to_contain_text("up to 4 business days")
        await visitor.pay_from_bank("Success, ending 6789")
        await expect(visitor.card).to_contain_text("Bank payment started")
        await expect(visitor.card).to_contain_text("please do not pay again")
        await expect(visitor.button).to_have_count(0)

        sandbox.settle(portal.intent_now()["id"])
        portal.refresh()
        portal.announce()
        await expect(visitor.card).to_contain_text("Payment received")


async def test_microdeposits_lead_to_stripes_page(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.pay_from_bank("Verify with microdeposits, ending 6789")
        await expect(visitor.card).to_contain_text("Check your bank statement in 1 to 2 days")
        link = visitor.card.get_by_role("link", name="Enter the deposits")
        action = portal.intent_now()["next_action"]["verify_with_microdeposits"]
        await expect(link).to_have_attribute("href", action["hosted_verification_url"])

        await visitor.page.reload()
        await expect(visitor.card).to_contain_text("Check your bank statement in 1 to 2 days")


async def test_other_tab_changes_by_itself(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as first:
        second = await new_visitor(first.page.context)
        await second.page.goto(portal.page_url)
        await second.is_ready()
        await first.pay(GOOD_CARD)
        await expect(first.card).to_contain_text("Payment received")

        portal.announce()
        await expect(second.card).to_contain_text("Payment received")
        await expect(second.page.locator("#say")).to_have_text("Payment received")


async def test_changed_amount_is_told_before_it_is_paid(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.fill_card(GOOD_CARD)
        portal.amount_minor = 52000
        portal.announce()

        await expect(visitor.card).to_contain_text("The amount changed to $520.00. Check it, then pay.")
        await expect(visitor.button).to_have_text("Pay $520.00")
        await expect(visitor.page.locator("#amount")).to_contain_text("$520.00")
        await expect(visitor.form.get_by_label("Card number")).to_have_value("4242 4242 4242 4242")


async def test_amount_that_changed_unheard_stops_the_payment(browser: Browser, portal: PayPortal) -> None:
    portal.live_works = False
    async with visiting(browser, portal) as visitor:
        portal.amount_minor = 52000
        await visitor.pay(GOOD_CARD)

        await expect(visitor.card).to_contain_text("The amount changed to $520.00. Check it, then pay.")
        assert visitor.confirmations() == []


async def test_invoice_voided_meanwhile_cannot_be_paid(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as visitor:
        portal.announce("void")
        await expect(visitor.card).to_contain_text("This invoice cannot be paid")


async def test_page_without_live_news_asks_until_the_server_knows(
    browser: Browser, portal: PayPortal
) -> None:
    portal.live_works = portal.refresh_works = False
    async with visiting(browser, portal) as visitor:
        await visitor.pay(GOOD_CARD)
        await expect(visitor.card).to_contain_text("Confirming your payment")
        portal.state = "paid"
        await expect(visitor.card).to_contain_text("Payment received")


async def test_bank_that_keeps_silent_is_told_so_after_half_a_minute(
    browser: Browser, portal: PayPortal
) -> None:
    portal.refresh_works = False
    context = await browser.new_context()
    visitor = await new_visitor(context)
    await visitor.page.clock.install()
    await visitor.page.goto(portal.page_url)
    await visitor.is_ready()
    await visitor.pay(GOOD_CARD)
    await expect(visitor.card).to_contain_text("Confirming your payment")
    waited = await visitor.run_clock_until("We are still waiting for your bank", seconds=120)
    assert waited >= 30
    await context.close()


@pytest.mark.parametrize("drop", ["before", "after"])
async def test_lost_connection_ends_with_what_really_happened(
    browser: Browser, portal: PayPortal, sandbox: RunningSandbox, drop: str
) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.fill_card(GOOD_CARD)
        sandbox.add_fault(match="POST /v1/payment_intents/*/confirm", drop=drop, times=1)
        await visitor.button.click()
        if drop == "after":
            await expect(visitor.card).to_contain_text("Payment received")
            return
        await expect(visitor.card).to_contain_text("The payment could not be completed.")
        await expect(visitor.card).to_contain_text("You have not been charged.")
        await visitor.button.click()
        await expect(visitor.card).to_contain_text("Payment received")
    assert portal.intent_now()["amount_received"] == portal.amount_minor


async def test_provider_down_leaves_a_way_to_try_again(browser: Browser, portal: PayPortal) -> None:
    portal.start_status, portal.start_body = 503, {"message": "Try again in a few seconds."}
    context = await browser.new_context()
    visitor = await new_visitor(context)
    await visitor.page.goto(portal.page_url)
    await expect(visitor.card).to_contain_text("Online payment is not available right now")
    await expect(visitor.card).to_contain_text("Nothing was charged. Try again in a few seconds.")

    portal.start_status = 200
    await visitor.card.get_by_role("link", name="Try again").click()
    await visitor.is_ready()
    await context.close()


async def test_row_that_was_behind_is_asked_once_more(browser: Browser, portal: PayPortal) -> None:
    portal.start_status, portal.start_body, portal.start_refuses_once = 409, {"state": "ready"}, True
    async with visiting(browser, portal) as visitor:
        await expect(visitor.button).to_have_text("Pay $480.00")
    assert portal.starts == 2


async def test_refusal_without_a_new_state_is_not_asked_for_ever(browser: Browser, portal: PayPortal) -> None:
    portal.start_status, portal.start_body = 409, {"state": "paid"}
    context = await browser.new_context()
    visitor = await new_visitor(context)
    await visitor.page.goto(portal.page_url)
    await expect(visitor.card).to_contain_text("Online payment is not available right now")
    assert portal.starts == 2
    await context.close()


async def test_keyboard_alone_is_enough_to_pay(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.form.get_by_label("Card number").focus()
        await visitor.page.keyboard.type("4242424242424242")
        await visitor.page.keyboard.press("Tab")
        await visitor.page.keyboard.type("1234")
        await visitor.page.keyboard.press("Tab")
        await visitor.page.keyboard.type("123")
        await visitor.page.keyboard.press("Enter")
        await expect(visitor.card).to_contain_text("Payment received")


@pytest.mark.parametrize("what", ["**/_sandbox/stripe.js", "**/pay/token/start"])
async def test_blocked_script_or_connection_is_told(browser: Browser, portal: PayPortal, what: str) -> None:
    context = await browser.new_context()
    visitor = await new_visitor(context)
    await visitor.page.route(what, lambda route: route.abort())
    await visitor.page.goto(portal.page_url)
    await expect(visitor.card).to_contain_text("The payment form could not load")
    await expect(visitor.card).to_contain_text("Check your connection or ad blocker.")
    await context.close()


async def test_slow_form_says_so_after_five_seconds(browser: Browser, portal: PayPortal) -> None:
    context = await browser.new_context()
    visitor = await new_visitor(context)
    held = await hold(visitor.page, "**/payment-element.html")
    await visitor.page.clock.install()
    await visitor.page.goto(portal.page_url)
    await expect(visitor.page.locator("#element iframe")).to_have_count(1)
    await visitor.page.clock.run_for(5100)
    await expect(visitor.page.locator("#slow")).to_be_visible()
    await held.get_nowait().continue_()
    await visitor.is_ready()
    await context.close()


async def test_return_address_is_not_believed(browser: Browser, portal: PayPortal) -> None:
    context = await browser.new_context()
    visitor = await new_visitor(context)
    forged = "payment_intent=pi_forged&payment_intent_client_secret=x&redirect_status=succeeded"
    await visitor.page.goto(f"{portal.page_url}/return?{forged}")
    await visitor.is_ready()
    await expect(visitor.page).to_have_url(portal.page_url)
    await expect(visitor.button).to_have_text("Pay $480.00")
    await context.close()


async def test_return_after_a_refusal_tells_the_reason(
    browser: Browser, portal: PayPortal, sandbox: RunningSandbox
) -> None:
    intent = portal.intent_now()
    _confirm(sandbox, intent, "pm_card_visa_chargeDeclinedInsufficientFunds")
    context = await browser.new_context()
    visitor = await new_visitor(context)
    await visitor.page.goto(f"{portal.page_url}/return?payment_intent={intent['id']}&redirect_status=failed")
    await expect(visitor.card).to_contain_text("not enough funds. You have not been charged.")
    await visitor.is_ready()
    await context.close()


async def test_attempt_under_way_elsewhere_is_not_paid_twice(
    browser: Browser, portal: PayPortal, sandbox: RunningSandbox
) -> None:
    _confirm(sandbox, portal.intent_now(), "pm_card_visa")
    context = await browser.new_context()
    visitor = await new_visitor(context)
    await visitor.page.goto(portal.page_url)
    await expect(visitor.card).to_contain_text("Payment received")
    await context.close()


async def test_page_without_scripts_says_what_it_needs(browser: Browser, portal: PayPortal) -> None:
    context = await browser.new_context(java_script_enabled=False)
    visitor = await new_visitor(context)
    await visitor.page.goto(portal.page_url)
    # Playwright's text matching skips <noscript>, so its element is looked at itself.
    await expect(visitor.card.locator("noscript .msg")).to_be_visible()
    await expect(visitor.button).to_be_hidden()
    await expect(visitor.page.locator("#amount")).to_contain_text("$480.00")
    await context.close()


async def hold(page: Page, address: str) -> asyncio.Queue[Route]:
    """Keep the requests to an address waiting; they come out of the queue."""
    held: asyncio.Queue[Route] = asyncio.Queue()

    async def keep(route: Route) -> None:
        await held.put(route)

    await page.route(address, keep)
    return held


def _confirm(sandbox: RunningSandbox, intent: dict[str, Any], method: str) -> None:
    httpx.post(
        f"{sandbox.url}/v1/payment_intents/{intent['id']}/confirm",
        data={"payment_method": method, "return_url": "http://127.0.0.1/return"},
        headers={"authorization": f"Bearer {sandbox.keys.secret_key}"},
        timeout=10,
    )
