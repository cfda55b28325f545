"""What a customer agreed to: the newest word counts, is told once, and ends when it came true."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from portal.subscriptions.methods import is_newer, method_wish
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows
from tests.subscriptions.methods import subscribed, wish, word


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


@pytest.mark.parametrize(("minutes", "newer"), [(None, True), (-1, True), (0, False), (1, False)], ids=str)
def test_only_a_later_word_takes_the_place_of_a_known_one(minutes: int | None, *, newer: bool) -> None:
    known = None if minutes is None else AT + timedelta(minutes=minutes)
    assert is_newer(AT, known) is newer


async def test_a_word_is_noted_and_queued_for_the_provider(account: Connected) -> None:
    subscription_id = await subscribed(account)
    assert "charged to another method" in await apply(account, word("pm_new", 1))
    assert await wish() == ("pm_new", AT + timedelta(minutes=1))
    assert await rows("SELECT kind, subject_id, state FROM sync_task") == [
        ("use_method", subscription_id, "waiting")
    ]
    wished = await method_wish(subscription_id)
    assert (wished.external_id, wished.method_external_id) == ("sub_1", "pm_new")
    assert await rows("SELECT count(*) FROM audit_entry WHERE action = 'subscription.method_agreed'") == [
        (1,)
    ]


async def test_words_in_every_order_and_twice_end_with_the_newest(account: Connected) -> None:
    await subscribed(account)
    words = [word("pm_a", 1), word("pm_b", 2), word("pm_c", 3)]
    for order in itertools.permutations(words):
        await rows("UPDATE subscription SET wish_method_external_id = '', method_agreed_at = NULL")
        for one in (*order, *order):
            await apply(account, one)
        assert (await wish())[0] == "pm_c", order


async def test_an_old_word_does_nothing_after_the_newer_one_came_true(account: Connected) -> None:
    await subscribed(account)
    await apply(account, word("pm_b", 2))
    await apply(account, make.subscription(method_external_id="pm_b"))
    assert (await wish())[0] == ""
    assert await apply(account, word("pm_a", 1)) == ""
    assert await apply(account, word("pm_b", 2)) == ""
    assert (await wish())[0] == ""
    assert await rows("SELECT asked FROM sync_task") == [(1,)]


async def test_a_wish_stays_until_the_subscription_is_seen_with_it(account: Connected) -> None:
    await subscribed(account)
    await apply(account, word("pm_new", 1))
    await apply(account, make.subscription(method_external_id="pm_old", quantity=2))
    assert (await wish())[0] == "pm_new"
    await apply(account, make.subscription(method_external_id="pm_new", quantity=2))
    assert (await wish())[0] == ""


async def test_an_ended_or_unknown_subscription_leaves_nothing_to_wish_for(account: Connected) -> None:
    await subscribed(account)
    await apply(account, word("pm_new", 1))
    await apply(account, make.subscription("canceled", ended_at=AT))
    assert (await wish())[0] == ""
    assert await apply(account, word("pm_later", 5), word("pm_new", 1, "sub_of_nobody")) == ""
    assert (await wish())[0] == ""
