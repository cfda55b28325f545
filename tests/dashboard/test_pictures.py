"""What is drawn of subscriptions and of failed payments, from rows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from portal.contract.facts import Mode
from portal.dashboard.failures import read_failures
from portal.dashboard.recurring import read_recurring_charts
from portal.database.transaction import connection
from portal.money import Money
from tests.builders import connect_account, make_invoice
from tests.dashboard.test_page import pay
from tests.exchange.facts import apply, subscription, usd
from tests.visitors import Visitor

NOW = datetime.now(UTC)
THURSDAY = date(2026, 11, 26)
TUESDAY, WEDNESDAY = datetime(2026, 11, 24, 9, tzinfo=UTC), datetime(2026, 11, 25, 9, tzinfo=UTC)
LAST_WEEK = TUESDAY - timedelta(days=7)


async def fail(invoice_id: int, amount_minor: int, *, at: datetime, code: str = "card_declined") -> None:
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO payment_attempt (invoice, account, mode, external_id, state, amount_minor, currency,
                                         code, occurred_at, recorded_at)
            SELECT id, account, mode, gen_random_uuid()::text, 'failed', $2, currency, $3, $4, now()
            FROM invoice WHERE id = $1
            """,
            invoice_id,
            amount_minor,
            code,
            at,
        )


async def settle(invoice_id: int, amount_minor: int, *, at: datetime) -> None:
    """The rest arrives: the invoice is paid."""
    await pay(invoice_id, amount_minor, at=at)
    async with connection() as held:
        await held.execute("UPDATE invoice SET status = 'paid', paid_at = $2 WHERE id = $1", invoice_id, at)


async def weeks(mode: str = "test", zone: str = "UTC") -> dict[str, list[tuple[int, int]]]:
    """What failed and what was recovered last week and this, by currency."""
    found = await read_failures(mode, THURSDAY, zone=zone, currency="usd")
    return {each.currency: [(failed, back) for _, failed, back in each.by_week[-2:]] for each in found}


async def test_failure_counts_in_its_week_and_recovery_when_it_was_paid(database: None) -> None:
    await connect_account()
    invoice = await make_invoice(10_000)
    await fail(invoice, 10_000, at=LAST_WEEK)
    assert await weeks() == {"usd": [(10_000, 0), (0, 0)]}
    await settle(invoice, 10_000, at=TUESDAY)
    assert await weeks() == {"usd": [(10_000, 0), (0, 10_000)]}


async def test_invoice_that_is_tried_again_and_again_failed_once_a_week(database: None) -> None:
    await connect_account()
    invoice = await make_invoice(10_000)
    for at in (LAST_WEEK, TUESDAY, TUESDAY, WEDNESDAY):
        await fail(invoice, 10_000, at=at)
    assert await weeks() == {"usd": [(10_000, 0), (10_000, 0)]}


async def test_paid_without_a_failure_before_it_is_no_recovery(database: None) -> None:
    await connect_account()
    at_once, failed_later = await make_invoice(10_000), await make_invoice(300)
    await settle(at_once, 10_000, at=TUESDAY)
    await settle(failed_later, 300, at=TUESDAY)
    await fail(failed_later, 300, at=WEDNESDAY)
    await pay(failed_later, 300, at=WEDNESDAY)  # once too often
    assert await weeks() == {"usd": [(0, 0), (300, 0)]}


async def test_what_came_before_the_failure_or_in_part_alone_was_not_recovered(database: None) -> None:
    await connect_account()
    invoice = await make_invoice(10_000)
    await pay(invoice, 4_000, at=LAST_WEEK - timedelta(hours=1))
    await fail(invoice, 6_000, at=LAST_WEEK)
    await pay(invoice, 1_000, at=TUESDAY)
    assert await weeks() == {"usd": [(6_000, 0), (0, 0)]}
    await pay(invoice, 500, at=TUESDAY, kind="credit")
    await settle(invoice, 4_500, at=WEDNESDAY)
    assert await weeks() == {"usd": [(6_000, 0), (0, 5_500)]}


async def test_attempt_that_the_provider_replaced_did_not_fail(database: None) -> None:
    await connect_account()
    invoice = await make_invoice(10_000)
    await fail(invoice, 10_000, at=TUESDAY, code="superseded")
    await settle(invoice, 10_000, at=WEDNESDAY)
    assert await weeks() == {}


async def test_failures_of_modes_and_currencies_stand_apart(database: None) -> None:
    await connect_account()
    dollars, yen = await make_invoice(10_000), await make_invoice(700, currency="jpy")
    await connect_account(mode=Mode.LIVE)
    real = await make_invoice(50)
    for invoice, amount in ((dollars, 10_000), (yen, 700), (real, 50)):
        await fail(invoice, amount, at=LAST_WEEK)
        await settle(invoice, amount, at=TUESDAY)
    assert await weeks() == {"usd": [(10_000, 0), (0, 10_000)], "jpy": [(700, 0), (0, 700)]}
    assert await weeks("live") == {"usd": [(50, 0), (0, 50)]}


async def test_weeks_begin_where_the_organisation_is(database: None) -> None:
    await connect_account()
    invoice = await make_invoice(10_000)
    sunday = datetime(2026, 11, 22, 12, tzinfo=UTC)  # Monday in Auckland
    await fail(invoice, 10_000, at=sunday - timedelta(hours=2))
    await settle(invoice, 10_000, at=sunday)
    assert await weeks() == {"usd": [(10_000, 10_000), (0, 0)]}
    assert await weeks(zone="Pacific/Auckland") == {"usd": [(10_000, 0), (0, 10_000)]}


async def test_what_lies_outside_the_weeks_is_not_drawn(database: None) -> None:
    await connect_account()
    early, late = await make_invoice(10_000), await make_invoice(10_000)
    await fail(early, 10_000, at=TUESDAY - timedelta(weeks=12))
    await fail(late, 10_000, at=TUESDAY + timedelta(weeks=1))
    assert await weeks() == {}
    await settle(early, 10_000, at=TUESDAY)
    assert await weeks() == {"usd": [(0, 0), (0, 10_000)]}


async def test_each_currency_has_two_pictures_of_what_recurs(database: None) -> None:
    account = await connect_account()
    euros = subscription(external_id="sub_2", currency="eur", amount=Money(900, "eur"))
    await apply(account, subscription(), euros)
    drawn = await read_recurring_charts("test", NOW.date(), zone="UTC", currency="usd")
    assert [chart.id for chart in drawn] == ["recurring-usd", "moved-usd", "recurring-eur", "moved-eur"]
    assert [chart.drawn for chart in drawn] == ["line", "bar"] * 2
    assert drawn[2].rows()[-1] == (drawn[2].labels[-1], ["€9.00"])
    assert await read_recurring_charts("live", NOW.date(), zone="UTC", currency="usd") == ()


async def test_what_is_lost_hangs_below_the_axis_and_is_said_in_the_table(database: None) -> None:
    account = await connect_account()
    await apply(account, subscription(), subscription("canceled", ended_at=NOW))
    _, moved = await read_recurring_charts("test", NOW.date(), zone="UTC", currency="usd")
    assert moved.bottom < 0
    assert [series.name for series in moved.series] == [
        "New",
        "Expansion",
        "Reactivation",
        "Contraction",
        "Churn",
    ]
    assert moved.rows()[-1][1][-1] == "-$20.00"


async def test_page_shows_what_recurs_as_the_figure_says_it(owner: Visitor) -> None:
    account = await connect_account()
    yearly = subscription(external_id="sub_2", amount=usd(10_000), interval="year")  # 8.333… a month
    await apply(account, subscription(), yearly)
    page = (await owner.get("/")).text
    assert 'aria-label="Monthly recurring: $28.33"' in page
    assert "$28.33 a month now" in page
    assert page.count('class="p-curve"') == 1
    assert "No subscriptions yet." not in page


async def test_page_says_in_words_that_there_is_nothing_to_draw(owner: Visitor) -> None:
    page = (await owner.get("/")).text
    assert "No subscriptions yet." in page
    assert "No payment failed in the last 12 weeks." in page
    assert 'class="p-curve"' not in page


async def test_beside_live_money_test_pictures_are_on_their_own_tab(owner: Visitor) -> None:
    test, live = await connect_account(), await connect_account(mode=Mode.LIVE)
    await apply(test, subscription(amount=usd(77_700)))
    await apply(live, subscription(amount=usd(1_100)))
    shown, other = (await owner.get("/")).text, (await owner.get("/?mode=test")).text
    assert ("$11.00 a month now" in shown, "$777.00" in shown) == (True, False)
    assert ("$777.00 a month now" in other, "$11.00" in other) == (True, False)
