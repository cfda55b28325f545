"""The pay page's requests when the provider hangs, refuses, or the connection is out of order."""

from __future__ import annotations

import asyncio
from html import unescape
from urllib.parse import urlsplit

import pytest

from portal.contract.errors import AccountAuthFailed, AccountNotReady, ProviderUnavailable
from portal.contract.loading import plugin_by_id
from portal.contract.payables import PaymentStart
from portal.database.transaction import connection
from portal.invoices import pay_controllers, services
from portal.web.allowances import Allowance
from tests.builders import connect_account, make_invoice
from tests.visitors import Visitor


@pytest.fixture
async def pay_path(visitor: Visitor) -> str:
    """The path of an open invoice's pay link."""
    await connect_account()
    link = await services.pay_link(await make_invoice())
    assert link is not None
    return urlsplit(link).path


def let_plugin(monkeypatch: pytest.MonkeyPatch, verb: str, error: Exception | None) -> list[int]:
    """Have the plugin's verb raise, or hang; returns how many callers hung at each call."""
    hanging: list[int] = []
    now = 0

    async def behave(*_: object) -> None:
        nonlocal now
        if error is not None:
            raise error
        now += 1
        hanging.append(now)
        try:
            await asyncio.Event().wait()
        finally:
            now -= 1

    monkeypatch.setattr(plugin_by_id("stripe"), verb, behave)
    monkeypatch.setattr(pay_controllers, "PROVIDER_SECONDS", 0.1)
    return hanging


async def test_a_provider_that_hangs_costs_the_customer_a_moment_only(
    visitor: Visitor, pay_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_plugin(monkeypatch, "start_payment", None)
    let_plugin(monkeypatch, "refresh_payment", None)
    assert (await visitor.post(f"{pay_path}/start")).status_code == 503
    answer = await visitor.post(f"{pay_path}/refresh")
    assert (answer.status_code, answer.json()["state"]) == (200, "ready")
    assert (await visitor.get(f"{pay_path}/return")).status_code == 200


async def test_the_page_names_the_organisations_days(visitor: Visitor, pay_path: str) -> None:
    """The due day ends at five in the morning of the next one in UTC."""
    async with connection() as held:
        due = await held.fetchval(
            "UPDATE organisation SET time_zone = 'America/New_York' RETURNING (SELECT due_date FROM invoice)"
        )
    assert f">{due:%-d %B %Y}</time>" in (await visitor.get(pay_path)).text


async def test_customers_who_look_at_a_hanging_provider_leave_connections_to_others(
    visitor: Visitor, pay_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = let_plugin(monkeypatch, "refresh_payment", None)
    answers = await asyncio.gather(*(visitor.post(f"{pay_path}/refresh") for _ in range(30)))
    assert {answer.status_code for answer in answers} == {200}
    assert 0 < max(hanging) <= pay_controllers.MOST_LOOKS


async def test_one_link_cannot_use_up_what_the_provider_answers_to_others(
    visitor: Visitor, pay_path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def answer(_account: object, what: object, *_: object) -> PaymentStart:
        asked.append(what)
        return PaymentStart({})

    for verb in ("start_payment", "refresh_payment"):
        monkeypatch.setattr(plugin_by_id("stripe"), verb, answer)
    for name in ("STARTS", "LOOKS"):
        monkeypatch.setattr(pay_controllers, name, Allowance(2))
    answers = [(await visitor.post(f"{pay_path}/start")).status_code for _ in range(4)]
    assert answers == [200, 200, 429, 429]
    looks = [(await visitor.post(f"{pay_path}/refresh")).status_code for _ in range(4)]
    assert (looks, len(asked)) == ([200] * 4, 4)
    other = urlsplit(await services.pay_link(await make_invoice()) or "").path
    assert (await visitor.post(f"{other}/start")).status_code == 200


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ProviderUnavailable("Away.", hint="Try again soon."), "Try again soon."),
        (AccountAuthFailed("Refused.", hint="Enter a new key."), ""),
        (AccountNotReady("A right is missing.", hint="Edit the key."), ""),
    ],
)
async def test_a_customer_is_told_nothing_about_the_merchants_keys(
    visitor: Visitor, pay_path: str, monkeypatch: pytest.MonkeyPatch, *, error: Exception, words: str
) -> None:
    let_plugin(monkeypatch, "start_payment", error)
    answer = await visitor.post(f"{pay_path}/start")
    assert (answer.status_code, answer.json()) == (503, {"message": words})


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://invoice.stripe.com/i/acct_1/test_1", True),
        ("http://invoice.stripe.com/i/acct_1/test_1", False),
        ("https://invoice.stripe.com.evil.example/i/1", False),
        ("https://invoice.stripe.com@evil.example/i/1", False),
        ("https://evil.example/invoice.stripe.com", False),
        ("javascript:alert(1)//invoice.stripe.com", False),
    ],
)
async def test_without_scripts_the_page_leads_to_the_providers_own_host_alone(
    visitor: Visitor,
    pay_path: str,
    address: str,
    shown: bool,  # noqa: FBT001 - a column of the table
) -> None:
    async with connection() as held:
        await held.execute("UPDATE invoice SET hosted_url = $1", address)
    page = (await visitor.get(pay_path)).text
    assert ("Pay on Stripe's page" in unescape(page)) is shown
    assert (f'href="{address}"' in page) is shown
