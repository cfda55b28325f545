"""The list of subscriptions and of plans over HTTP."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from portal.contract.facts import Mode
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply
from tests.visitors import Visitor

LIST, PLANS = "/subscriptions", "/subscriptions/plans"


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    account = await connect_account()
    await apply(account, make.product(), make.plan())
    return account


async def test_a_row_says_who_pays_what_when_and_what_it_is_a_month(
    owner: Visitor, account: Connected
) -> None:
    await apply(account, make.subscription(interval="year", amount=make.usd(24_000)))
    page = (await owner.get(LIST)).text
    for words in ("Pro", "Initech", "Active", "$240.00 / year", "20 Dec 2026", "$20.00", "How the MRR share"):
        assert words in page


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "past_due"}, "Past due"),
        ({"status": "trialing", "trial_end": AT + timedelta(days=3)}, "Trialing"),
        ({"cancel_at_period_end": True}, "Cancels on"),
        ({"pause": "void"}, "None while it is paused"),
        ({"amount": None}, "Depends on use"),
    ],
)
async def test_states_read_in_the_fields_terms(
    owner: Visitor, account: Connected, change: dict[str, object], words: str
) -> None:
    await apply(account, make.subscription(**change))  # type: ignore[arg-type]  # one of its fields
    assert words in (await owner.get(LIST)).text


async def test_an_empty_list_says_where_plans_are_made_and_how_to_connect(owner: Visitor) -> None:
    for path in (LIST, PLANS):
        page = (await owner.get(path)).text
        assert "Plans are created in Stripe and show up here." in page
        assert 'href="/settings/connected-accounts"' in page
    await connect_account()
    assert "Connect Stripe" not in (await owner.get(LIST)).text.partition('id="main"')[2]


async def test_a_filter_without_hits_can_be_cleared_and_keeps_the_mode(
    owner: Visitor, account: Connected
) -> None:
    await apply(account, make.subscription())
    page = (await owner.get(f"{LIST}?tab=paused")).text
    assert "There is no subscription with this status now." in page
    assert "Clear filters" in page
    assert "“nobody”" in (await owner.get(f"{LIST}?q=nobody")).text


async def test_htmx_gets_the_table_alone_and_a_form_sets_one_address(
    owner: Visitor, account: Connected
) -> None:
    await apply(account, make.subscription())
    answer = await owner.get(f"{LIST}?q=ini&tab=", hx_request="true", hx_source="form#search")
    assert "<html" not in answer.text
    assert 'id="subscription-list"' in answer.text
    assert answer.headers["hx-replace-url"] == f"{LIST}?q=ini"
    plain = await owner.get(f"{LIST}?q=ini&tab=")
    assert (plain.status_code, plain.headers["location"]) == (303, f"{LIST}?q=ini")


async def test_test_records_stay_apart_from_live_ones(owner: Visitor, account: Connected) -> None:
    await apply(account, make.subscription())
    await connect_account(mode=Mode.LIVE, external_id="acct_live")
    assert "Initech" not in (await owner.get(LIST)).text
    page = (await owner.get(f"{LIST}?mode=test")).text
    assert "Initech" in page
    assert 'href="/subscriptions?tab=active&amp;mode=test"' in page


async def test_plans_are_read_by_everybody_archived_ones_too(
    viewer: Visitor, owner: Visitor, account: Connected
) -> None:
    words = "From $5.00 per unit every month"
    archived = replace(make.plan(), external_id="price_2", amount=None, words=words, active=False)
    await apply(account, archived)
    page = (await viewer.get(PLANS)).text
    assert "$20.00 per month" in page
    assert "From $5.00 per unit every month" in page
    assert "Archived" in page
    active = (await viewer.get(f"{PLANS}?kind=active")).text
    assert "From $5.00 per unit" not in active
