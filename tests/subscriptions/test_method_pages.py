"""The page behind a method link: who gets in, what it shows, and what trouble changes: nothing."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from portal.contract.accounts import Account
from portal.contract.errors import ProviderError, ProviderUnavailable
from portal.contract.facts import UNKNOWN_INVOICE, CollectionSeen, PaymentMethodSeen
from portal.contract.loading import plugin_by_id
from portal.contract.payables import PaymentStart
from portal.errors import Conflict
from portal.invoices import services as invoices
from portal.settings import Settings
from portal.subscriptions import method_controllers
from tests.builders import Connected, connect_account, make_invoice
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows
from tests.subscriptions.methods import forget_sandbox, link_to, subscribed, word
from tests.visitors import Visitor

OLD = PaymentMethodSeen("pm_old", "cus_1", "card", "Visa ending 4242", 8, 2031, "", AT)
NEW = replace(OLD, external_id="pm_new", words="Visa ending 3155", expires_month=12, expires_year=2034)
TROUBLES = [
    (ProviderUnavailable("Stripe could not be reached."), 503),
    (Conflict("It has ended."), 409),
    (None, 503),
]
SECRET = "seti_1_secret_of_the_browser"


@pytest.fixture
async def account(visitor: Visitor) -> Connected:
    return await connect_account()


@pytest.fixture
async def path(account: Connected, monkeypatch: pytest.MonkeyPatch) -> str:
    """The link of a subscription, whose provider takes another method and has nothing new."""

    async def start(_account: Account, subscription: str, _settings: Settings) -> PaymentStart:
        assert subscription == "sub_1"
        return PaymentStart({"publishable_key": "pk", "client_secret": SECRET})

    async def refresh(_account: Account, _subscription: str) -> None:
        return None

    monkeypatch.setattr(plugin_by_id("stripe"), "start_method", start)
    monkeypatch.setattr(plugin_by_id("stripe"), "refresh_method", refresh)
    forget_sandbox(monkeypatch)
    subscription_id = await subscribed(account)
    await apply(account, OLD)
    return await link_to(subscription_id)


async def test_it_shows_plan_amount_method_and_next_charge_and_no_id_of_the_provider(
    visitor: Visitor, path: str
) -> None:
    page = await visitor.get(path)
    assert (page.status_code, page.headers["x-pay-state"]) == (200, "ready")
    for words in ("Northwind Studio", "Pro", "$20.00 / month", "Visa ending 4242, expires 08/2031"):
        assert words in page.text
    assert "Nothing is charged now." in page.text
    assert "needs JavaScript" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert "https://js.stripe.com" in page.headers["content-security-policy"]
    told = f"{page.headers}{page.text}"
    assert not [word for word in ("sub_1", "cus_1", "pm_old", "ap@initech.example") if word in told]


async def test_the_client_secret_is_told_by_start_alone_and_stored_nowhere(
    visitor: Visitor, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert SECRET not in (await visitor.get(path)).text
    answer = await visitor.post(f"{path}/start")
    assert answer.json()["client_secret"] == SECRET
    assert answer.json()["return_url"].endswith(f"{path}/return")
    assert SECRET not in caplog.text


async def test_a_wrong_a_replaced_and_an_expired_link_are_answered_alike(
    visitor: Visitor, account: Connected, path: str
) -> None:
    subscription_id = int((await rows("SELECT id FROM subscription"))[0][0])
    newer = await link_to(subscription_id)
    await visitor.token()
    assert (await visitor.get(newer)).status_code == 200
    replaced = await visitor.get(path)
    await rows("UPDATE method_link SET expires_at = now() - interval '1 second'")
    answers = {
        (a.status_code, a.text) for a in (replaced, await visitor.get(newer), await visitor.get("/method/1"))
    }
    assert len(answers) == 1
    ((status, text),) = answers
    assert status == 404
    assert "This link does not work any more" in text
    assert "Pro" not in text.replace("Processing", "")
    for verb in ("start", "refresh", "portal", "pay"):
        assert (await visitor.post(f"{newer}/{verb}")).status_code == 404
    assert (await visitor.get(f"{newer}/return")).status_code == 404


async def test_a_token_opens_the_page_that_it_is_for_and_no_other(visitor: Visitor, path: str) -> None:
    pay = urlsplit(await invoices.pay_link(await make_invoice()) or "").path
    token, pay_token = path.rpartition("/")[2], pay.rpartition("/")[2]
    assert (await visitor.get(f"/pay/{pay_token}")).status_code == 200
    assert (await visitor.get(f"/method/{token}")).status_code == 200
    for walked in ("", "/return", "/card", "/invoice.pdf", "/receipt.pdf", "/live"):
        assert (await visitor.get(f"/pay/{token}{walked}")).status_code == 404, walked
    for walked in ("", "/return"):
        assert (await visitor.get(f"/method/{pay_token}{walked}")).status_code == 404, walked
    for verb in ("start", "refresh"):
        assert (await visitor.post(f"/pay/{token}/{verb}")).status_code == 404
        assert (await visitor.post(f"/method/{pay_token}/{verb}")).status_code == 404


async def test_a_link_opens_its_own_subscription_and_not_a_word_of_another(
    visitor: Visitor, account: Connected, path: str
) -> None:
    other = make.subscription(
        external_id="sub_2", customer_external_id="cus_2", customer_name="Zebulon Quill"
    )
    await apply(account, other, replace(OLD, external_id="pm_z", customer_external_id="cus_2", words="Zq 1"))
    for walked in ("", "/return"):
        page = await visitor.get(f"{path}{walked}?subscription=sub_2&setup_intent=seti_2&token=x")
        assert page.status_code == 200
        assert not [word for word in ("Zebulon", "sub_2", "Zq 1") if word in page.text]


async def test_news_are_told_by_another_mark_and_the_name_of_the_method(
    visitor: Visitor, account: Connected, path: str
) -> None:
    mark = (await visitor.post(f"{path}/start")).json()["agreed"]
    assert (await visitor.post(f"{path}/refresh")).json()["agreed"] == mark
    await apply(account, NEW, word("pm_new", 1))
    told = (await visitor.post(f"{path}/refresh")).json()
    assert told["agreed"] != mark
    assert told["method"] == "Visa ending 3155, expires 12/2034"


async def test_the_way_back_believes_the_portals_row_and_not_its_query(
    visitor: Visitor, account: Connected, path: str
) -> None:
    query = "?setup_intent=seti_1&redirect_status=succeeded"
    page = await visitor.get(f"{path}/return{query}")
    assert page.headers["x-pay-state"] == "ready"
    assert "Your bank has not confirmed it." in page.text
    now = (datetime.now(UTC) - AT).total_seconds() / 60
    await apply(account, NEW, word("pm_new", int(now)))
    page = await visitor.get(f"{path}/return{query}")
    assert page.headers["x-pay-state"] == "saved"
    assert "Visa ending 3155, expires 12/2034 is charged from now on." in page.text


async def test_an_ended_subscription_takes_no_method(visitor: Visitor, account: Connected, path: str) -> None:
    await apply(account, make.subscription("canceled", ended_at=AT))
    page = await visitor.get(path)
    assert page.headers["x-pay-state"] == "ended"
    assert "This subscription has ended" in page.text
    assert (await visitor.post(f"{path}/start")).status_code == 409


async def test_without_a_connection_nothing_is_offered_and_the_page_says_so(
    visitor: Visitor, path: str
) -> None:
    await rows("UPDATE connected_account SET state = 'disconnected'")
    page = await visitor.get(path)
    assert page.headers["x-pay-state"] == "unavailable"
    assert "Nothing was changed." in page.text
    assert (await visitor.post(f"{path}/start")).status_code == 409
    assert (await visitor.post(f"{path}/refresh")).status_code == 200


async def test_an_open_invoice_is_told_of_when_another_try_is_planned(
    visitor: Visitor, account: Connected, path: str
) -> None:
    invoice = make.invoice(subscription_external_id="sub_1")
    assert "open invoice" not in (await visitor.get(path)).text
    await apply(account, invoice, CollectionSeen(UNKNOWN_INVOICE, 1, None))
    assert "The open invoice of $120.00 is not charged by itself any more." in (await visitor.get(path)).text
    soon = datetime.now(UTC) + timedelta(days=3)
    await apply(account, invoice, CollectionSeen(UNKNOWN_INVOICE, 1, soon))
    assert (
        "The open invoice of $120.00 will be charged to the saved method at the next try"
        in (await visitor.get(path)).text
    )


@pytest.mark.parametrize(
    "trouble",
    TROUBLES,
    ids=["unavailable", "ended", "hangs"],
)
async def test_a_provider_in_trouble_costs_the_customer_a_moment_and_changes_nothing(
    visitor: Visitor, path: str, monkeypatch: pytest.MonkeyPatch, trouble: tuple[Exception | None, int]
) -> None:
    error, status = trouble

    async def behave(*_: object) -> None:
        if error is not None:
            raise error
        await asyncio.Event().wait()

    monkeypatch.setattr(plugin_by_id("stripe"), "start_method", behave)
    monkeypatch.setattr(plugin_by_id("stripe"), "refresh_method", behave)
    monkeypatch.setattr(method_controllers, "PROVIDER_SECONDS", 0.1)
    assert (await visitor.post(f"{path}/start")).status_code == status
    assert (await visitor.post(f"{path}/refresh")).status_code == 200
    assert (await visitor.get(f"{path}/return")).status_code == 200
    assert await rows("SELECT wish_method_external_id FROM subscription") == [("",)]


async def test_the_first_time_that_it_is_opened_stands_in_the_log_once(visitor: Visitor, path: str) -> None:
    for _ in range(3):
        await visitor.get(path)
    assert await rows("SELECT count(*) FROM audit_entry WHERE action = 'subscription.link_opened'") == [(1,)]
    text = str(await rows("SELECT words, details FROM audit_entry"))
    assert not re.search(r"[A-Za-z0-9_-]{43}", text)


def let_portal(monkeypatch: pytest.MonkeyPatch, where: str | Exception) -> None:
    """The provider's own pages are offered, at this address."""

    async def open_it(_account: Account, customer: str, return_url: str, _settings: Settings) -> str:
        assert customer == "cus_1"
        assert return_url.startswith("http://testserver.local/method/")
        if isinstance(where, Exception):
            raise where
        return where

    monkeypatch.setattr(plugin_by_id("stripe"), "portal_offered", lambda _account: True)
    monkeypatch.setattr(plugin_by_id("stripe"), "customer_portal", open_it)


async def test_the_providers_own_pages_are_not_offered_unless_an_admin_wants_it(
    visitor: Visitor, path: str
) -> None:
    assert "Manage at Stripe" not in (await visitor.get(path)).text
    answer = await visitor.post(f"{path}/portal")
    assert "refresh" not in answer.headers
    assert answer.headers["x-pay-state"] == "ready"


async def test_the_customer_is_led_to_the_providers_own_pages(
    visitor: Visitor, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = "https://billing.stripe.com/p/session/test_1"
    let_portal(monkeypatch, where)
    assert "Manage at Stripe" in (await visitor.get(path)).text
    answer = await visitor.post(f"{path}/portal")
    assert answer.headers["refresh"] == f"0; url={where}"
    assert f'href="{where}"' in answer.text


@pytest.mark.parametrize(
    "where",
    [
        "https://billing.stripe.com.evil.example/p",
        "https://billing.stripe.com@evil.example/p",
        "http://billing.stripe.com/p",
        "https://billing.stripe.com:8443/p",
        "javascript:alert(1)",
        "",
        ProviderUnavailable("Stripe could not be reached."),
        ProviderError("No configuration provided."),
    ],
    ids=str,
)
async def test_nobody_is_led_anywhere_else_and_trouble_breaks_nothing(
    visitor: Visitor, path: str, monkeypatch: pytest.MonkeyPatch, where: str | Exception
) -> None:
    let_portal(monkeypatch, where)
    answer = await visitor.post(f"{path}/portal")
    assert answer.status_code == 200
    assert "refresh" not in answer.headers
    assert "cannot be opened right now. Nothing was changed." in answer.text
    assert 'id="setup"' in answer.text
