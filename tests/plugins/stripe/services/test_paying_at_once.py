"""Two browsers, lost answers, changes and forgeries while somebody pays: there is one charge."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import stripe as stripe_sdk
from litestar import Litestar

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.invoices import services
from portal.invoices.closing import OfflinePayment, record_offline_payment
from portal.money import Money
from tests.builders import Connected
from tests.plugins.stripe.services.stories import (
    intent_of,
    invoice_row,
    process_all,
    published_invoice,
    take_in,
    task_of,
    value,
)
from tests.visitors import Visitor

RACES = 20
STATES = {
    "pm_card_visa": ("succeeded", "paid"),
    "pm_card_visa_chargeDeclined": ("requires_payment_method", "ready"),
    "pm_usBankAccount_processing": ("processing", "processing"),
}
"""Method -> the intent's state after it, and what the page shows."""


class Browser:
    """A customer's browser: the portal's page, and Stripe's own calls with the publishable key."""

    def __init__(self, app: Litestar, sandbox: RunningSandbox, path: str) -> None:
        self.visitor, self.sandbox, self.path = Visitor(app), sandbox, path

    async def start(self) -> httpx.Response:
        """Ask the portal for what is needed to pay."""
        return await self.visitor.post(f"{self.path}/start")

    async def confirm(self, secret: str, method: str = "pm_card_visa") -> dict[str, Any]:
        """Confirm as Stripe's script does; the intent, or the error."""
        form = {"key": self.sandbox.keys.publishable_key, "client_secret": secret, "payment_method": method}
        async with httpx.AsyncClient(base_url=self.sandbox.url, timeout=20) as stripe:
            answer = await stripe.post(
                f"/v1/payment_intents/{secret.partition('_secret')[0]}/confirm", data=form
            )
        return dict(answer.json())

    async def pay(self, method: str = "pm_card_visa") -> dict[str, Any]:
        """Start, confirm, and have the portal look."""
        begun = await self.start()
        result = (
            await self.confirm(begun.json()["client_secret"], method) if begun.is_success else begun.json()
        )
        await self.visitor.post(f"{self.path}/refresh")
        return result

    async def state(self, query: str = "", page: str = "") -> str:
        """What the page shows."""
        return str((await self.visitor.get(f"{self.path}{page}{query}")).headers["x-pay-state"])


@pytest.fixture
async def open_page(app: Litestar, sandbox: RunningSandbox, account: Connected) -> AsyncIterator[Any]:
    """Opens the pay page of an invoice in one more browser."""
    opened: list[Browser] = []

    async def make(invoice_id: int) -> Browser:
        link = await services.pay_link(invoice_id)
        assert link is not None
        opened.append(Browser(app, sandbox, urlsplit(link).path))
        return opened[-1]

    yield make
    for browser in opened:
        await browser.visitor.http.aclose()


def charges(stripe: stripe_sdk.V1Services, intent: str) -> list[str]:
    """The charges of an intent that took money."""
    return [c.id for c in stripe.charges.list({"payment_intent": intent}).data if c.paid]


async def stands(invoice_id: int) -> tuple[str, int, int]:
    row = await invoice_row(invoice_id)
    return row["status"], row["amount_paid_minor"], row["entries"]


async def test_two_browsers_that_race_for_an_invoice_make_one_charge_each_time(
    open_page: Any, stripe: stripe_sdk.V1Services, account: Connected
) -> None:
    for _ in range(RACES):
        invoice_id, external_id = await published_invoice()
        pair = [await open_page(invoice_id) for _ in range(2)]
        started = await asyncio.gather(*(browser.start() for browser in pair))
        (secret,) = {answer.json()["client_secret"] for answer in started}
        results = await asyncio.gather(*(browser.confirm(secret) for browser in pair))
        assert "succeeded" in [result.get("status") for result in results]
        await asyncio.gather(*(b.visitor.post(f"{b.path}/refresh") for b in pair))
        assert await stands(invoice_id) == ("paid", 48_000, 1)
        assert len(charges(stripe, intent_of(stripe, external_id))) == 1


async def test_one_payment_told_by_pages_and_webhooks_at_once_is_one_row(
    open_page: Any, stripe: stripe_sdk.V1Services, account: Connected
) -> None:
    invoice_id, _ = await published_invoice()
    browser = await open_page(invoice_id)
    await browser.confirm((await browser.start()).json()["client_secret"])
    events = await take_in(account, stripe)
    looks = [browser.visitor.post(f"{browser.path}/refresh") for _ in range(50)]
    await asyncio.gather(*looks, *(process_all([event]) for event in events))
    assert await stands(invoice_id) == ("paid", 48_000, 1)
    assert await value("SELECT count(*) FROM audit_entry WHERE action = 'payment.received'") == 1


async def test_who_tries_again_after_a_lost_answer_finds_the_payment_and_pays_no_second_time(
    open_page: Any, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    browser, secret = await open_page(invoice_id), ""
    secret = (await browser.start()).json()["client_secret"]
    sandbox.add_fault(match="POST /v1/payment_intents/*/confirm", drop="after")
    with pytest.raises(httpx.HTTPError):
        await browser.confirm(secret)
    again = await browser.confirm(secret)
    assert again["error"]["code"] == "payment_intent_unexpected_state"
    answer = await browser.start()
    assert (answer.status_code, answer.json()["state"]) == (409, "paid")
    assert await stands(invoice_id) == ("paid", 48_000, 1)
    assert len(charges(stripe, intent_of(stripe, external_id))) == 1


async def test_an_invoice_that_is_voided_while_somebody_pays_takes_no_money(
    open_page: Any, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    browser = await open_page(invoice_id)
    secret = (await browser.start()).json()["client_secret"]
    await services.void(invoice_id, actor=SYSTEM)
    assert (await browser.start()).json() == {"state": "void"}
    await run_sync_task(await task_of(invoice_id, "void_invoice"))
    assert "error" in await browser.confirm(secret)
    assert await stands(invoice_id) == ("void", 0, 0)
    assert charges(stripe, intent_of(stripe, external_id)) == []


async def test_money_that_was_faster_than_the_void_counts_and_is_charged_once(
    open_page: Any, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    browser = await open_page(invoice_id)
    secret = (await browser.start()).json()["client_secret"]
    await services.void(invoice_id, actor=SYSTEM)
    assert (await browser.confirm(secret))["status"] == "succeeded"
    await run_sync_task(await task_of(invoice_id, "void_invoice"))
    await browser.visitor.post(f"{browser.path}/refresh")
    assert (await stands(invoice_id))[:2] == ("paid", 48_000)
    assert len(charges(stripe, intent_of(stripe, external_id))) == 1


async def test_an_amount_that_changed_is_asked_for_anew_and_never_the_old_one(open_page: Any) -> None:
    invoice_id, _ = await published_invoice()
    browser = await open_page(invoice_id)
    before = (await browser.start()).json()
    part = OfflinePayment(Money(8_000, "usd"), "Cheque", "", datetime.now(UTC))
    await record_offline_payment(invoice_id, part, actor=SYSTEM)
    behind = await browser.start()
    assert (behind.status_code, behind.json()["state"]) == (409, "partly_paid"), "Stripe still asks for all"
    await run_sync_task(await task_of(invoice_id, "report_payments"))
    now = (await browser.start()).json()
    assert (now["client_secret"], now["amount_minor"]) == (before["client_secret"], 40_000)
    assert (await browser.confirm(now["client_secret"]))["amount"] == 40_000
    await browser.visitor.post(f"{browser.path}/refresh")
    assert (await stands(invoice_id))[:2] == ("paid", 48_000)


async def test_a_second_browser_cannot_pay_again_what_a_bank_is_about_to_pay(
    open_page: Any, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    first, second = await open_page(invoice_id), await open_page(invoice_id)
    secret = (await second.start()).json()["client_secret"]
    assert (await first.pay("pm_usBankAccount_processing"))["status"] == "processing"
    assert (await second.start()).json() == {"state": "processing"}
    assert "error" in await second.confirm(secret)
    assert await second.state() == "processing"
    assert charges(stripe, intent_of(stripe, external_id)) == []


@pytest.mark.parametrize("method", STATES)
async def test_the_way_back_shows_what_stripe_says_whatever_its_address_says(
    open_page: Any, stripe: stripe_sdk.V1Services, method: str
) -> None:
    intent_state, shown = STATES[method]
    invoice_id, external_id = await published_invoice()
    other_id, other = await published_invoice()
    paid = await (await open_page(other_id)).pay()
    browser = await open_page(invoice_id)
    secret = (await browser.start()).json()["client_secret"]
    await browser.confirm(secret, method)
    intent = stripe.payment_intents.retrieve(intent_of(stripe, external_id))
    assert intent.status == intent_state
    told = ("succeeded", "processing", "failed", "<b>")
    for status, name in itertools.product(told, (intent.id, paid["id"])):
        query = (
            f"?payment_intent={name}&payment_intent_client_secret={name}_secret_x&redirect_status={status}"
        )
        assert await browser.state(query, "/return") == shown
    assert (await stands(invoice_id))[0] == ("open" if shown == "ready" else shown)
    assert await stands(other_id) == ("paid", 48_000, 1)
    assert other != external_id
