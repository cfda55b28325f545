"""What recurred when, and what moved it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import permutations
from typing import Any

import pytest

from portal.contract.facts import Mode, SubscriptionSeen
from portal.database.transaction import connection
from portal.money import Money
from portal.piccolo_migrations import portal_2026_11_27t03_31_00_recurring as migration
from portal.subscriptions.movements import KINDS, Moved, add_up, read_movements
from portal.subscriptions.recurring import read_recurring
from portal.subscriptions.rules import PARTS, Recurring, exact_recurring
from tests.builders import connect_account
from tests.exchange.facts import AT, apply, rows, subscription, usd

SEPTEMBER, OCTOBER, NOVEMBER = date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)
MONTHS = (SEPTEMBER, OCTOBER, NOVEMBER)
NOW = datetime.now(UTC)
LATER = AT + timedelta(days=2)


def about(status: str = "active", **other: Any) -> SubscriptionSeen:
    """A subscription in the period that runs now, by $20.00 a month."""
    running = {"period_start": NOW - timedelta(days=1), "period_end": NOW + timedelta(days=29)}
    return subscription(status, **(running | other))


async def history() -> list[tuple[str, Money, Money, datetime]]:
    """Kind, before, after and moment of each change, in the order in which they were noted."""
    found = await rows(
        "SELECT kind, currency, before_parts, after_parts, at FROM recurring_change ORDER BY id"
    )
    return [
        (kind, Money(round(before / PARTS), currency), Money(round(after / PARTS), currency), at)
        for kind, currency, before, after, at in found
    ]


async def kinds(*facts: SubscriptionSeen) -> list[str]:
    """What is noted when a new subscription goes through these states."""
    account = await connect_account()
    for fact in facts:
        await apply(account, fact)
    return [kind for kind, *_ in await history()]


@pytest.mark.parametrize(
    ("before", "after", "known", "kind"),
    [
        (0, 0, False, None),
        (5, 5, True, None),
        (0, 5, False, "new"),
        (0, 5, True, "reactivation"),
        (5, 6, True, "expansion"),
        (6, 5, True, "contraction"),
        (5, 0, True, "churn"),
    ],
)
async def test_change_is_called_by_what_it_does(
    database: None, before: int, after: int, kind: str | None, *, known: bool
) -> None:
    found = await rows("SELECT recurring_kind($1, $2, $3)", Decimal(before), Decimal(after), known)
    assert found == [(kind,)]


@pytest.mark.parametrize(
    ("interval", "count"),
    [
        *(("month", count) for count in (*range(1, 14), 18, 24, 36)),
        *(("week", count) for count in (*range(1, 14), 26, 52)),
        *(("year", count) for count in (1, 2, 3)),
        *(("day", count) for count in (1, 7, 14, 28, 30, 45, 90, 180, 365)),
    ],
)
async def test_change_is_kept_to_the_last_part_by_the_rule_of_the_figure(
    database: None, interval: str, count: int
) -> None:
    [(parts,)] = await rows("SELECT period_parts(2999, $1, $2)", interval, count)
    assert Fraction(int(parts), PARTS) == exact_recurring([Recurring("usd", interval, count, 2_999)])["usd"]


@pytest.mark.parametrize(
    "states",
    [
        [about("trialing")],
        [about("incomplete"), about("incomplete_expired")],
        [about("paused")],
        [about("unpaid")],
        [about(pause="keep_as_draft")],
        [about(amount=None)],
        [about(amount=usd(0))],
        [about("trialing"), about("canceled", trial_end=LATER, ended_at=AT)],
        [about("canceled", ended_at=AT)],
        [about("canceled", trial_end=LATER, ended_at=LATER)],
    ],
)
async def test_what_never_brought_anything_moves_nothing(
    database: None, states: list[SubscriptionSeen]
) -> None:
    assert await kinds(*states) == []


@pytest.mark.parametrize(
    ("then", "expected"),
    [
        (about(), []),
        (about("past_due"), []),
        (about(cancel_at_period_end=True), []),
        (about(amount=usd(3_000), quantity=2), ["expansion"]),
        (about(amount=usd(1_000)), ["contraction"]),
        (about(amount=usd(24_000), interval="year"), []),
        (about(amount=usd(24_000), interval="month", interval_count=6), ["expansion"]),
        (about("unpaid"), ["churn"]),
        (about("paused"), ["churn"]),
        (about(pause="void"), ["churn"]),
        (about(amount=None), ["churn"]),
        (about("canceled", ended_at=LATER), ["churn"]),
        (about(currency="eur", amount=Money(2_000, "eur")), ["churn", "reactivation"]),
    ],
)
async def test_what_a_running_subscription_does_next_is_noted_once(
    database: None, then: SubscriptionSeen, expected: list[str]
) -> None:
    assert await kinds(about(), then, then) == ["new", *expected]


async def test_pause_and_resume_is_not_a_new_subscription(database: None) -> None:
    seen = await kinds(about(), about(pause="void"), about(), about("unpaid"), about("canceled"))
    assert seen == ["new", "churn", "reactivation", "churn"]


async def test_subscription_of_the_past_counts_from_its_start(database: None) -> None:
    assert await kinds(about()) == ["new"]
    assert await history() == [("new", usd(0), usd(2_000), AT)]


async def test_subscription_that_ended_before_it_was_known_came_and_went(database: None) -> None:
    await kinds(about("canceled", ended_at=LATER))
    assert await history() == [("new", usd(0), usd(2_000), AT), ("churn", usd(2_000), usd(0), LATER)]


async def test_subscriptions_known_before_changes_were_noted_count_from_their_start(database: None) -> None:
    await kinds(about(), about(external_id="sub_2"), about("canceled", external_id="sub_3", ended_at=LATER))
    noted = await history()
    await rows("DELETE FROM recurring_change RETURNING id")
    await rows(migration.KNOWN)
    assert sorted(await history(), key=str) == sorted(noted, key=str), "in whichever order they are stored"


@pytest.mark.parametrize("known_before", [True, False])
async def test_trial_brings_something_from_its_end_on(database: None, *, known_before: bool) -> None:
    states = [about("trialing", trial_end=LATER)] * known_before
    await kinds(*states, about(trial_end=LATER))
    assert await history() == [("new", usd(0), usd(2_000), LATER)]


async def test_months_between_trial_and_end_count_though_nobody_saw_them(database: None) -> None:
    end = LATER + timedelta(days=1)
    await kinds(about("trialing", trial_end=LATER), about("canceled", trial_end=LATER, ended_at=end))
    assert [(kind, at) for kind, *_, at in await history()] == [("new", LATER), ("churn", end)]


async def test_change_with_a_new_period_took_effect_when_that_began(database: None) -> None:
    renewed = NOW - timedelta(hours=1)
    await kinds(about(), about(amount=usd(3_000), period_start=renewed))
    assert (await history())[-1] == ("expansion", usd(2_000), usd(3_000), renewed)


async def test_change_within_a_period_took_effect_when_it_was_seen(database: None) -> None:
    await kinds(about(), about(amount=usd(3_000)))
    assert (await history())[-1][-1] >= NOW


async def test_change_by_another_clock_took_effect_in_the_period_of_that_clock(database: None) -> None:
    first = subscription(period_start=AT - timedelta(days=60), period_end=AT - timedelta(days=30))
    await kinds(first, replace(first, amount=usd(3_000)))
    assert (await history())[-1][-1] == first.period_start


async def test_nothing_took_effect_after_it_was_seen(database: None) -> None:
    ahead = datetime.now(UTC) + timedelta(days=400)
    await kinds(about(started_at=ahead), about("canceled", started_at=ahead, ended_at=ahead))
    assert all(at <= datetime.now(UTC) for *_, at in await history())


async def test_older_state_after_the_end_leaves_one_end(database: None) -> None:
    ended = about("canceled", ended_at=LATER)
    assert await kinds(about(), ended, about(), ended) == ["new", "churn"]
    assert (await history())[-1] == ("churn", usd(2_000), usd(0), LATER)


@pytest.mark.parametrize(
    "states",
    list(
        permutations(
            [
                about("trialing"),
                about(),
                about(amount=usd(900)),
                about("unpaid"),
                about("canceled", ended_at=LATER),
            ]
        )
    ),
)
async def test_changes_add_up_to_what_recurs_whatever_the_order(
    database: None, states: Sequence[SubscriptionSeen]
) -> None:
    account = await connect_account()
    for fact in states:
        await apply(account, fact)
    [(moved,)] = await rows("SELECT sum(after_parts - before_parts) FROM recurring_change")
    [(stands,)] = await rows("SELECT recurring_parts(s) FROM subscription s")
    assert (moved or 0) == stands
    [(news,)] = await rows("SELECT count(*) FROM recurring_change WHERE kind = 'new'")
    assert news == 1


async def test_modes_and_currencies_are_never_added_up(database: None) -> None:
    test, live = await connect_account(), await connect_account(mode=Mode.LIVE)
    euros = about(external_id="sub_2", currency="eur", amount=Money(500, "eur"))
    await apply(test, about(started_at=datetime(2026, 9, 9, tzinfo=UTC)), euros)
    await apply(live, about(amount=usd(70)))
    found = {each.currency: each for each in await read_movements("test", MONTHS, zone="UTC")}
    assert found["usd"].recurring == (2_000, 2_000, 2_000)
    assert found["eur"].recurring == (0, 0, 500)
    assert [each.recurring for each in await read_movements("live", MONTHS, zone="UTC")] == [(0, 0, 70)]


async def test_months_begin_where_the_organisation_is(database: None) -> None:
    account = await connect_account()
    await apply(account, about(started_at=datetime(2026, 10, 31, 11, 30, tzinfo=UTC)))  # 1 November there
    [found] = await read_movements("test", MONTHS, zone="Pacific/Auckland")
    assert found.by_kind["new"] == (0, 0, 2_000)
    [found] = await read_movements("test", MONTHS, zone="UTC")
    assert found.by_kind["new"] == (0, 2_000, 0)


async def test_last_month_is_the_figure_of_the_dashboard_to_the_last_cent(database: None) -> None:
    account = await connect_account()
    sixths = [about(external_id=f"sub_{n}", amount=usd(1), interval="year") for n in range(6)]
    thirds = [about(external_id=f"sub_3{n}", amount=usd(100), interval_count=3) for n in range(3)]
    await apply(account, *sixths, *thirds)
    [found] = await read_movements("test", MONTHS, zone="UTC")
    assert (Money(found.recurring[-1], "usd"),) == await read_recurring("test") == (usd(101),)  # 100.5
    assert found.recurring[:-1] == (0, 0)
    assert found.by_kind["new"] == (0, 0, 101)


@pytest.mark.parametrize(
    ("now", "moved", "recurring"),
    [
        (0, [], (0, 0, 0)),
        (500, [], (500, 500, 500)),
        (500, [("new", NOVEMBER, 500)], (0, 0, 500)),
        (500, [("new", SEPTEMBER, 500)], (500, 500, 500)),
        (500, [("new", SEPTEMBER, 300), ("expansion", OCTOBER, 200)], (300, 500, 500)),
        (0, [("churn", OCTOBER, -500)], (500, 0, 0)),
        (
            100,
            [("churn", NOVEMBER, -500), ("new", NOVEMBER, 100), ("contraction", OCTOBER, -1)],
            (501, 500, 100),
        ),
    ],
)
def test_month_ended_with_what_recurs_now_less_what_came_after_it(
    now: int, moved: list[tuple[str, date, int]], recurring: tuple[int, ...]
) -> None:
    changes = [Moved(kind, month, minor * PARTS) for kind, month, minor in moved]
    found = add_up("usd", MONTHS, Fraction(now), changes)
    assert found.recurring == recurring
    assert list(found.by_kind) == list(KINDS)
    for kind, month, minor in moved:
        assert found.by_kind[kind][MONTHS.index(month)] == minor


def test_month_that_began_a_moment_ago_is_not_drawn_yet() -> None:
    found = add_up("usd", MONTHS, Fraction(500), [Moved("new", date(2026, 12, 1), 500 * PARTS)])
    assert (found.recurring[-1], found.by_kind["new"]) == (500, (0, 0, 0))


def test_months_in_use_are_those_with_anything_in_them() -> None:
    came_and_went = [Moved("new", OCTOBER, PARTS), Moved("churn", OCTOBER, -PARTS)]
    assert add_up("usd", MONTHS, Fraction(0), came_and_went).months_in_use == 1


async def test_wish_moves_nothing_before_the_provider_granted_it(database: None) -> None:
    await kinds(about())
    async with connection() as held:
        await held.execute("UPDATE subscription SET wish = 'pause', seen_at = now()")
    assert len(await history()) == 1
