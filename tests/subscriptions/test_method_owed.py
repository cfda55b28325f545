"""What a subscription owes, on the page behind its method link: paid at once, and opened by nobody else."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from portal.contract.accounts import Account
from portal.contract.facts import UNKNOWN_INVOICE, CollectionSeen, PaymentMethodSeen
from portal.contract.loading import plugin_by_id
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows
from tests.subscriptions.methods import link_to, subscribed, word
from tests.visitors import Visitor

NEW = PaymentMethodSeen("pm_new", "cus_1", "card", "Visa ending 3155", 12, 2034, "", AT)
PRESS = re.compile(r'<form method="post" action="(/method/[\w-]+/pay)">')


@pytest.fixture
async def account(visitor: Visitor) -> Connected:
    return await connect_account()


@pytest.fixture
async def path(account: Connected, monkeypatch: pytest.MonkeyPatch) -> str:
    """The link of a subscription whose provider has nothing new."""

    async def refresh(_account: Account, _subscription: str) -> None:
        return None

    monkeypatch.setattr(plugin_by_id("stripe"), "refresh_method", refresh)
    return await link_to(await subscribed(account))


async def owe(
    account: Connected, number: int = 1, subscription: str = "sub_1", *, next_at: datetime | None = None
) -> None:
    """An invoice of the subscription could not be collected."""
    bill = make.invoice(number, subscription_external_id=subscription)
    await apply(account, bill, CollectionSeen(UNKNOWN_INVOICE, 1, next_at))


async def opened(visitor: Visitor, path: str) -> str:
    """Press the button; the text of the pay page that it leads to."""
    answer = await visitor.post(f"{path}/pay")
    assert answer.status_code == 303
    where = answer.headers["location"]
    assert re.fullmatch(r"/pay/[\w-]{43}", where)
    page = await visitor.get(where)
    assert page.headers["x-pay-state"] == "ready"
    return page.text


async def test_what_is_owed_can_be_paid_at_once_by_its_pay_link(
    visitor: Visitor, account: Connected, path: str
) -> None:
    assert not PRESS.search((await visitor.get(path)).text)
    await owe(account, next_at=datetime.now(UTC) + timedelta(days=3))
    page = (await visitor.get(path)).text
    assert "Pay $120.00 now" in page
    assert "It is charged to the new method by itself on <time" in page, "told after saving"
    found = PRESS.search(page)
    assert found
    assert found[1] == f"{path}/pay"
    assert "ABCD-0001" in await opened(visitor, path)
    assert await rows("SELECT actor_kind, words FROM audit_entry WHERE action = 'invoice.link_renewed'") == [
        ("customer", "Pay link made.")
    ]


async def test_after_saving_it_says_whether_it_is_tried_again(
    visitor: Visitor, account: Connected, path: str
) -> None:
    await owe(account)
    await apply(account, NEW, word("pm_new", int((datetime.now(UTC) - AT).total_seconds() / 60)))
    page = await visitor.get(f"{path}/return")
    assert page.headers["x-pay-state"] == "saved"
    assert "$120.00 is still open. It is not charged by itself any more." in page.text
    assert "Pay $120.00 now" in page.text


async def test_a_link_that_works_is_used_and_one_that_has_expired_is_replaced(
    visitor: Visitor, account: Connected, path: str
) -> None:
    await owe(account)
    await visitor.token()
    answers = await asyncio.gather(*(visitor.post(f"{path}/pay") for _ in range(3)))
    assert len({answer.headers["location"] for answer in answers}) == 1
    await rows("UPDATE invoice SET pay_link_expires_at = now() - interval '1 second' RETURNING 1")
    assert "ABCD-0001" in await opened(visitor, path)
    noted = "SELECT action FROM audit_entry WHERE action LIKE 'invoice.%link_renewed' ORDER BY id"
    assert await rows(noted) == [("invoice.link_renewed",), ("invoice.expired_link_renewed",)]


async def test_the_token_leads_to_invoices_of_its_own_subscription_alone(
    visitor: Visitor, account: Connected, path: str
) -> None:
    """Neither one of another subscription of the same customer, nor one of the same name elsewhere."""
    other = await connect_account(external_id="acct_other")
    await apply(account, make.subscription("past_due", external_id="sub_2"))
    await owe(account, 2, "sub_2")
    await apply(other, make.product(), make.plan(), make.subscription("past_due"))
    await owe(other, 3)
    foreign = [id_ for (id_,) in await rows("SELECT id FROM invoice")]
    assert len(foreign) == 2
    assert "Pay $120.00 now" not in (await visitor.get(path)).text
    for number in foreign:
        answer = await visitor.post(f"{path}/pay?invoice={number}&invoice_id={number}&subscription=sub_2")
        assert answer.headers["location"] == path
        assert (await visitor.post(f"{path}/pay", {"invoice": str(number)})).status_code == 400
    assert await rows("SELECT count(*) FROM invoice WHERE pay_token_hash IS NOT NULL") == [(0,)]
    await owe(account, 1)
    page = await opened(visitor, path)
    assert "ABCD-0001" in page
    assert not [number for number in ("ABCD-0002", "ABCD-0003") if number in page]


@pytest.mark.parametrize("now", ["paid", "void", "ended", "under way"])
async def test_what_is_not_owed_any_more_leads_nowhere(
    visitor: Visitor, account: Connected, path: str, now: str
) -> None:
    await owe(account)
    if now == "ended":
        await apply(account, make.subscription("canceled", ended_at=AT))
    elif now == "paid":
        await apply(account, make.invoice(subscription_external_id="sub_1", status="paid"), make.payment())
    else:
        status = {"void": "void", "under way": "processing"}[now]
        await rows("UPDATE invoice SET status = $1 RETURNING 1", status)
    assert "Pay $120.00 now" not in (await visitor.get(path)).text
    assert (await visitor.post(f"{path}/pay")).headers["location"] == path


async def test_it_is_asked_with_a_form_token(visitor: Visitor, account: Connected, path: str) -> None:
    await owe(account)
    assert (await visitor.http.post(f"{path}/pay")).status_code == 403
    assert await rows("SELECT count(*) FROM invoice WHERE pay_token_hash IS NOT NULL") == [(0,)]
