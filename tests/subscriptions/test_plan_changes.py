"""Another plan or quantity: what can be chosen, what follows from it, and what is noted of it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from portal.audit.services import SYSTEM
from portal.contract.facts import Mode
from portal.errors import Conflict, InvalidInput
from portal.money import Money
from portal.subscriptions.plan_rules import PlanChange, PlanOffer, effect_of, read_choice
from portal.subscriptions.services import request_change, request_plan_change, wished_change
from portal.subscriptions.statuses import Price, Standing
from portal.web.forms import Form
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import apply, rows, usd
from tests.visitors import Visitor

PRO = PlanOffer("price_1", "Pro", "$20.00 per month", usd(2_000), "month", 1)
TEAM = PlanOffer("price_2", "Team", "$50.00 per month", usd(5_000), "month", 1)
YEARLY = PlanOffer("price_3", "Pro", "$200.00 per year", usd(20_000), "year", 1)
CALLS = PlanOffer("price_4", "Calls", "$0.10 per unit every month, by use", None, "month", 1, by_use=True)
STEPS = PlanOffer("price_5", "Steps", "From $5.00 per unit every month, by volume", None, "month", 1)
OFFERS = [PRO, TEAM, YEARLY, CALLS, STEPS]
NOW = ("price_1", 1)
AT_ONCE = "The rest of the period: charge or credit at once."
LATE = datetime(2026, 12, 1, 2, tzinfo=UTC)
KEY = re.compile(r'name="form_key" value="([^"]+)"')


def chosen(plan: str = "price_2", quantity: str = "1", proration: str = "next_invoice") -> Form:
    return Form({"plan": [plan], "quantity": [quantity], "proration": [proration]})


@pytest.mark.parametrize(
    ("form", "change"),
    [
        (chosen(), PlanChange("price_2", 1, "next_invoice")),
        (chosen(quantity="999,999"), PlanChange("price_2", 999_999, "next_invoice")),
        (chosen("price_1", "2", "at_once"), PlanChange("price_1", 2, "at_once")),
        (chosen("price_4", "", "not_at_all"), PlanChange("price_4", 0, "not_at_all")),
        (chosen("price_4", "7"), PlanChange("price_4", 0, "next_invoice")),
        (chosen("price_5", "7"), PlanChange("price_5", 7, "next_invoice")),
    ],
)
def test_a_choice_is_read(form: Form, change: PlanChange) -> None:
    assert read_choice(form, OFFERS, now=NOW) == change


@pytest.mark.parametrize(
    ("form", "fields"),
    [
        (chosen("price_9"), {"plan"}),
        (chosen(quantity="0"), {"quantity"}),
        (chosen(quantity="-1"), {"quantity"}),
        (chosen(quantity="1.5"), {"quantity"}),
        (chosen(quantity="²"), {"quantity"}),
        (chosen(quantity="1000000"), {"quantity"}),
        (chosen(quantity="9" * 30), {"quantity"}),
        (chosen("price_5", ""), {"quantity"}),
        (chosen(proration="twice"), {"proration"}),
        (chosen("price_1", "1"), {"plan"}),
        (chosen("", "", ""), {"plan", "quantity", "proration"}),
    ],
)
def test_what_is_wrong_with_a_choice_is_said_at_its_field(form: Form, fields: set[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_choice(form, OFFERS, now=NOW)
    assert caught.value.fields.keys() == fields


def test_while_a_change_is_under_way_what_is_so_now_can_be_asked_back() -> None:
    assert read_choice(chosen("price_1"), OFFERS, now=None) == PlanChange("price_1", 1, "next_invoice")


@pytest.mark.parametrize(
    ("order", "standing", "zone", "words"),
    [
        ((TEAM, 3), Standing("active", period_end=LATE), "UTC", "$150.00 / month from 1 Dec 2026 on, with"),
        ((TEAM, 3), Standing("active", period_end=LATE), "America/St_Johns", "from 30 Nov 2026 on, with"),
        ((TEAM, 1), Standing("active"), "UTC", "$50.00 / month from the next period on."),
        ((YEARLY, 2), Standing("active", period_end=LATE), "UTC", "$400.00 / year from now on: a new period"),
        ((TEAM, 1), Standing("trialing", trial_end=LATE), "UTC", "from 1 Dec 2026 on, when the trial ends."),
        ((YEARLY, 1), Standing("trialing", trial_end=LATE), "UTC", "$200.00 / year from 1 Dec 2026 on, when"),
        ((CALLS, 0), Standing("active", period_end=LATE), "UTC", "$0.10 per unit every month, by use from 1"),
    ],
)
def test_what_is_charged_and_from_when_is_one_sentence(
    order: tuple[PlanOffer, int], standing: Standing, zone: str, words: str
) -> None:
    now = Price(Money(2_000, "usd"), "month")
    assert words in effect_of(*order, standing, now, zone=ZoneInfo(zone))


def test_words_alone_do_not_make_a_plan_by_use() -> None:
    named = replace(CALLS, by_use=False)
    with pytest.raises(InvalidInput):
        read_choice(chosen("price_4", ""), [named], now=NOW)


# ---- what is noted


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    account = await connect_account()
    team = replace(
        make.plan(),
        external_id="price_2",
        product_external_id="prod_2",
        amount=usd(5_000),
        words="$50.00 per month",
    )
    others = [
        replace(team, external_id="price_eur", currency="eur", amount=Money(5_000, "eur")),
        replace(team, external_id="price_once", interval=""),
        replace(team, external_id="price_old", active=False),
    ]
    product = replace(make.product("Team"), external_id="prod_2")
    await apply(account, make.product(), product, make.plan(), team, *others, make.subscription())
    return account


async def subscription_id() -> int:
    return int((await rows("SELECT id FROM subscription"))[0][0])


async def test_the_wish_names_plan_quantity_and_the_rest_and_both_plans_stand_in_the_audit(
    account: Connected,
) -> None:
    wanted = PlanChange("price_2", 3, "at_once")
    await request_plan_change(await subscription_id(), wanted, actor=SYSTEM)
    wished = await wished_change(await subscription_id())
    assert (wished.external_id, wished.wish) == ("sub_1", "change_plan")
    assert (wished.plan_external_id, wished.quantity, wished.proration) == ("price_2", 3, "at_once")
    assert await rows("SELECT words FROM audit_entry WHERE action = 'subscription.change_asked'") == [
        (f"Asked to change the plan from 1 × {PRO.title} to 3 × {TEAM.title}. {AT_ONCE}",)
    ]
    assert await rows("SELECT kind, state FROM sync_task") == [("change_subscription", "waiting")]


async def test_the_wish_is_over_when_plan_and_quantity_are_seen(account: Connected) -> None:
    await request_plan_change(await subscription_id(), PlanChange("price_2", 3, "at_once"), actor=SYSTEM)
    wish = "SELECT wish, wish_plan_external_id, wish_quantity, wish_proration FROM subscription"
    await apply(account, make.subscription(plan_external_id="price_2"))
    assert await rows(wish) == [("change_plan", "price_2", 3, "at_once")]
    said = await apply(account, make.subscription(plan_external_id="price_2", quantity=3))
    assert await rows(wish) == [("", "", 0, "")]
    assert "1 → 3 seats" in said
    assert await rows("SELECT count(*) FROM audit_entry WHERE words LIKE '%Pro → Team%'") == [(1,)]


@pytest.mark.parametrize(
    ("wanted", "changed", "words"),
    [
        (PlanChange("price_1", 1, "at_once"), {}, "that way already"),
        (PlanChange("price_eur", 1, "at_once"), {}, "cannot be chosen"),
        (PlanChange("price_once", 1, "at_once"), {}, "cannot be chosen"),
        (PlanChange("price_old", 1, "at_once"), {}, "cannot be chosen"),
        (PlanChange("price_2", 0, "at_once"), {}, "quantity"),
        (PlanChange("price_2", 1_000_000, "at_once"), {}, "quantity"),
        (PlanChange("price_2", 1, "twice"), {}, "rest of a period"),
        (PlanChange("price_2", 1, "at_once"), {"status": "canceled"}, "has ended"),
        (PlanChange("price_2", 1, "at_once"), {"status": "incomplete"}, "cannot be changed now"),
        (PlanChange("price_2", 1, "at_once"), {"status": "paused"}, "cannot be changed now"),
        (PlanChange("price_2", 1, "at_once"), {"pause": "void"}, "cannot be changed now"),
        (PlanChange("price_2", 1, "at_once"), {"cancel_at_period_end": True}, "cannot be changed now"),
    ],
)
async def test_what_cannot_be_is_refused_and_nothing_is_queued(
    account: Connected, wanted: PlanChange, changed: dict[str, Any], words: str
) -> None:
    await apply(account, make.subscription(**changed))
    with pytest.raises(Conflict, match=words):
        await request_plan_change(await subscription_id(), wanted, actor=SYSTEM)
    assert await rows("SELECT count(*) FROM sync_task") == [(0,)]


async def test_a_plan_that_counts_use_is_chosen_without_a_quantity(account: Connected) -> None:
    """Whatever its words are, which another plugin writes in its own way."""
    calls = replace(make.plan(), external_id="price_calls", amount=None, words="$0.10 a call", metered=True)
    await apply(account, calls)
    with pytest.raises(Conflict, match="quantity"):
        await request_plan_change(
            await subscription_id(), PlanChange("price_calls", 2, "at_once"), actor=SYSTEM
        )
    await request_plan_change(await subscription_id(), PlanChange("price_calls", 0, "at_once"), actor=SYSTEM)
    assert (await wished_change(await subscription_id())).quantity == 0


async def test_a_plan_of_the_other_mode_cannot_be_chosen(account: Connected) -> None:
    live = await connect_account(mode=Mode.LIVE)
    await apply(live, replace(make.plan(), external_id="price_live"))
    with pytest.raises(Conflict, match="cannot be chosen"):
        await request_plan_change(
            await subscription_id(), PlanChange("price_live", 1, "at_once"), actor=SYSTEM
        )


async def test_cancelling_at_once_takes_the_place_of_another_plan(account: Connected) -> None:
    await request_plan_change(await subscription_id(), PlanChange("price_2", 1, "at_once"), actor=SYSTEM)
    await request_change(await subscription_id(), "cancel_now", actor=SYSTEM)
    assert await rows("SELECT wish, wish_plan_external_id FROM subscription") == [("cancel_now", "")]
    with pytest.raises(Conflict, match="being cancelled"):
        await request_plan_change(await subscription_id(), PlanChange("price_2", 1, "at_once"), actor=SYSTEM)
    with pytest.raises(Conflict, match="cannot be asked"):
        await request_change(await subscription_id(), "change_plan", actor=SYSTEM)


# ---- the pages


async def open_form(owner: Visitor) -> tuple[str, dict[str, str]]:
    """The form's address, and what it holds when Team is chosen."""
    address = f"/subscriptions/{await subscription_id()}/plan"
    page = await owner.get(address)
    assert page.status_code == 200
    found = KEY.search(page.text)
    assert found
    return address, {"form_key": found[1], "plan": "price_2", "quantity": "3", "proration": "not_at_all"}


async def test_the_form_offers_what_can_be_chosen_and_says_what_follows(
    owner: Visitor, account: Connected
) -> None:
    page = (await owner.get(f"/subscriptions/{await subscription_id()}/plan")).text
    assert "Pro ($20.00 per month), as now" in page
    assert "Team ($50.00 per month)" in page
    assert page.count("<option") == 2
    assert "The plan changes at once. The new amount is charged from" in page
    address, form = await open_form(owner)
    found = await owner.post(f"{address}/check", form)
    assert "$150.00 / month from 20 Dec 2026 on" in found.text
    assert "whole number" in (await owner.post(f"{address}/check", {**form, "quantity": "x"})).text


async def test_asked_once_however_often_it_is_pressed_and_shown_until_it_is_confirmed(
    owner: Visitor, account: Connected
) -> None:
    address, form = await open_form(owner)
    for _ in range(2):
        answer = await owner.post(address, form)
        assert (answer.status_code, answer.headers["location"]) == (303, address.removesuffix("/plan"))
    assert await rows("SELECT kind, asked FROM sync_task") == [("change_subscription", 1)]
    page = (await owner.get(address.removesuffix("/plan"))).text
    assert "Asked to change the plan to 3 × Team." in page
    assert "has not confirmed it yet" in page


async def test_what_was_typed_stays_in_the_form(owner: Visitor, account: Connected) -> None:
    address, form = await open_form(owner)
    answer = await owner.post(address, {**form, "quantity": "many"})
    assert answer.status_code == 422
    assert 'value="many"' in answer.text
    assert '<option value="price_2" selected>' in answer.text
    assert 'value="not_at_all" checked' in answer.text
    assert "Enter a whole number from 1 to 999,999." in answer.text
    assert await rows("SELECT wish FROM subscription") == [("",)]


async def test_it_is_for_admins_with_a_token_and_as_long_as_it_applies(
    owner: Visitor, viewer: Visitor, account: Connected
) -> None:
    address, form = await open_form(owner)
    assert (await viewer.get(address)).status_code == 403
    assert (await viewer.post(address, form)).status_code == 403
    assert (await viewer.post(f"{address}/check", form)).status_code == 403
    assert (await owner.http.post(address, data=form)).status_code == 403
    assert (await owner.post(address, {**form, "form_key": ""})).status_code == 400
    await apply(account, make.subscription(cancel_at_period_end=True))
    assert (await owner.get(address)).status_code == 303
    assert (await owner.post(address, form)).status_code == 303
    page = (await owner.get(address.removesuffix("/plan"))).text
    assert "keep it first" in page
    assert f'href="{address}"' not in page
    assert await rows("SELECT wish FROM subscription") == [("",)]
