"""The stand-in speaks like Stripe.js: its results, its errors for wrong use, at both addresses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, Page, expect

from e2e.stripe_js import serve_stripe_js_async, standin_file
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.pay.portals import STRIPE_JS, PayPortal
from tests.plugins.stripe.pay.visitors import visiting

pytestmark = pytest.mark.browser
SECRET = "pi_1_secret_2"
WRONG_USES = [
    ("Stripe('')", "Please call Stripe() with your publishable key."),
    ("Stripe('sk_test_1')", "You should not use your secret key with Stripe.js."),
    (
        "Stripe(PK).elements({clientSecret: 'nonsense'})",
        "clientSecret should be a client secret of the form",
    ),
    ("Stripe(PK).elements({})", "you must pass a clientSecret or mode"),
    ("Stripe(PK).elements({clientSecret: S, paymentMethodTypes: ['card']})", "is no longer supported"),
    ("Stripe(PK).elements({clientSecret: S}).create('card')", "A valid Element name must be provided."),
    ("E.create('payment'); E.create('payment')", "Can only create one Element of type payment"),
    (
        "E.create('payment').mount('#nowhere')",
        "applies to no DOM elements that are currently on the page",
    ),
    ("const e = E.create('payment'); e.destroy(); e.mount('#here')", "has already been destroyed"),
    ("await E.submit()", "should have a mounted Payment Element"),
    ("await Stripe(PK).confirmPayment({})", "elements should be an object created by stripe.elements()"),
    (
        "await Stripe(PK).confirmPayment({elements: E})",
        "`confirmParams.return_url` parameter is required",
    ),
    ("await Stripe(PK).confirmPayment({elements: E, redirect: 'never'})", "redirect should be one of"),
    ("await E.update({clientSecret: 'pi_2_secret_2'})", "clientSecret cannot be changed"),
    (
        "await Stripe(PK).confirmPayment({elements: D, clientSecret: S, redirect: 'if_required'})",
        "elements.submit() must be called before",
    ),
]


@pytest.fixture
async def page(browser: Browser, portal: PayPortal) -> AsyncIterator[Page]:
    """A page that has loaded the stand-in and done nothing else with it; it may take no payment."""
    portal.start_status, portal.start_body = 503, {}
    context = await browser.new_context()
    opened = await context.new_page()
    async with opened.expect_response("**/stripe.js"):
        await opened.goto(portal.page_url, wait_until="load")
    # Not `wait_for_function`: it evaluates inside the page, which the page's own policy forbids.
    await expect(opened.locator("#view h2")).to_be_attached()
    await opened.evaluate("document.querySelector('#view').innerHTML = '<div id=here></div>'")
    yield opened
    await context.close()


async def test_wrong_use_is_an_integration_error(page: Page, sandbox: RunningSandbox) -> None:
    setting = f"const PK = '{sandbox.keys.publishable_key}', S = '{SECRET}';"
    groups = (
        "const E = Stripe(PK).elements({clientSecret: S});"
        "const D = Stripe(PK).elements({mode: 'payment', amount: 100, currency: 'usd'});"
    )
    caught = "catch (e) { return `${e.name}: ${e.message}` }"
    for code, words in WRONG_USES:
        told = await page.evaluate(f"(async () => {{ {setting} {groups} try {{ {code} }} {caught} }})()")
        assert str(told).startswith("IntegrationError: "), code
        assert words in told, code


async def test_wallets_are_absent_and_say_so(page: Page, sandbox: RunningSandbox) -> None:
    told = await page.evaluate(
        """([key, secret]) => new Promise((done) => {
            const element = Stripe(key).elements({clientSecret: secret}).create('expressCheckout');
            element.on('ready', (e) => done([e.elementType, e.availablePaymentMethods === undefined]));
            element.mount('#here');
        })""",
        [sandbox.keys.publishable_key, SECRET],
    )
    assert told == ["expressCheckout", True]


async def test_intent_that_is_not_there_is_a_load_error(page: Page, sandbox: RunningSandbox) -> None:
    told = await page.evaluate(
        """([key, secret]) => new Promise((done) => {
            const element = Stripe(key).elements({clientSecret: secret}).create('payment');
            element.on('loaderror', (event) => done([event.elementType, event.error.code]));
            element.mount('#here');
        })""",
        [sandbox.keys.publishable_key, SECRET],
    )
    assert told == ["payment", "resource_missing"]


async def test_intents_are_read_with_their_secret_alone(page: Page, sandbox: RunningSandbox) -> None:
    intent = _make(sandbox, "payment_intents", amount="100", currency="usd")
    read = "([key, secret]) => Stripe(key).retrievePaymentIntent(secret)"
    key = sandbox.keys.publishable_key
    found = await page.evaluate(read, [key, intent["client_secret"]])
    refused = await page.evaluate(read, [key, f"{intent['id']}_secret_wrong"])
    assert found["paymentIntent"]["status"] == "requires_payment_method"
    assert refused["error"]["type"] == "invalid_request_error"


async def test_method_can_be_saved_for_later(page: Page, sandbox: RunningSandbox) -> None:
    intent = _make(sandbox, "setup_intents", usage="off_session")
    await page.evaluate(
        """([key, secret]) => {
            window.stripe = Stripe(key);
            window.group = stripe.elements({clientSecret: secret});
            group.create('payment').mount('#here');
        }""",
        [sandbox.keys.publishable_key, intent["client_secret"]],
    )
    form = page.frame_locator("#here iframe")
    await form.get_by_label("Card number").fill("4242424242424242")
    await form.get_by_label("Expiration date").fill("1234")
    await form.get_by_label("Security code").fill("123")
    result = await page.evaluate("stripe.confirmSetup({elements: group, redirect: 'if_required'})")
    assert result["setupIntent"]["status"] == "succeeded"


async def test_payment_that_always_redirects_goes_back_with_its_ids(
    browser: Browser, portal: PayPortal
) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.page.evaluate(
            """(url) => {
                const made = Stripe(url.key).elements({clientSecret: url.secret});
                document.querySelector('#view').innerHTML = '<div id=there></div>';
                made.create('payment').mount('#there');
                window.again = () => Stripe(url.key).confirmPayment(
                    {elements: made, confirmParams: {return_url: url.back}});
            }""",
            {
                "key": portal.publishable_key,
                "secret": portal.intent_now()["client_secret"],
                "back": f"{portal.url}/elsewhere",
            },
        )
        form = visitor.page.frame_locator("#there iframe")
        await form.get_by_label("Card number").fill("4242424242424242")
        await form.get_by_label("Expiration date").fill("1234")
        await form.get_by_label("Security code").fill("123")
        async with visitor.page.expect_navigation():
            await visitor.page.evaluate("void again()")
        assert f"payment_intent={portal.intent_now()['id']}" in visitor.page.url
        assert "redirect_status=succeeded" in visitor.page.url


async def test_real_addresses_are_answered_by_the_standin(
    browser: Browser, portal: PayPortal, sandbox: RunningSandbox
) -> None:
    portal.script = STRIPE_JS
    context = await browser.new_context()
    await serve_stripe_js_async(context, sandbox.url)
    page = await context.new_page()
    problems: list[str] = []
    page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
    await page.goto(portal.page_url)
    form = page.frame_locator("iframe[title='Secure payment input frame']")
    await form.get_by_label("Card number").fill("4000 0027 6000 3184")
    await form.get_by_label("Expiration date").fill("12 / 34")
    await form.get_by_label("Security code").fill("123")
    await page.locator("#submit").click()
    await page.frame_locator("iframe[title='3D Secure']").get_by_role("button", name="Complete").click()
    await expect(page.locator("#card")).to_contain_text("Payment received")
    assert problems == []
    await context.close()


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://js.stripe.com/endive/stripe.js", "stripe.js"),
        ("https://js.stripe.com/standin/payment-element.html", "payment-element.html"),
        ("https://js.stripe.com/standin/../stripe.py", None),
        ("https://js.stripe.com/standin/stripe.js", None),
        ("https://js.stripe.com/v3/", None),
    ],
)
def test_only_the_standins_own_files_are_served(url: str, name: str | None) -> None:
    found = standin_file(url)
    assert (found and found.name) == name


def _make(sandbox: RunningSandbox, kind: str, **params: str) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {sandbox.keys.secret_key}"}
    answer = httpx.post(f"{sandbox.url}/v1/{kind}", data=params, headers=headers, timeout=10)
    answer.raise_for_status()
    return dict(answer.json())
