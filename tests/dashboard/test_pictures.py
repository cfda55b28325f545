"""What is drawn of subscriptions and of failed payments, from rows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

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


async def owe(amount_minor: int, *, currency: str = "usd", subscription_id: str = "sub_1") -> int:
    """An open invoice of a subscription."""
    invoice = await make_invoice(amount_minor, currency=currency)
    async with connection() as held:
        await held.execute(
            "UPDATE invoice SET subscription_external_id = $2 WHERE id = $1", invoice, subscription_id
        )
    return invoice


async def become(invoice_id: int, status: str) -> None:
    async with connection() as held:
        await held.execute("UPDATE invoice SET status = $2 WHERE id = $1", invoice_id, status)


Week = tuple[int, int, int]
"""Recovered, lost, still open."""
NOTHING: Week = (0, 0, 0)


async def weeks(mode: str = "test", zone: str = "UTC") -> dict[str, list[Week]]:
    """What became of what first failed last week and this, by currency."""
    found = await read_failures(mode, THURSDAY, zone=zone, currency="usd")
    return {each.currency: [(w.recovered, w.lost, w.open) for w in each.by_week[-2:]] for each in found}


@pytest.mark.parametrize(
    ("invoice", "standing", "fate"),
    [
        ("open", "active", (0, 0, 900)),
        ("open", "past_due", (0, 0, 900)),
        ("partly_paid", "past_due", (0, 0, 900)),
        ("processing", "past_due", (0, 0, 900)),
        ("processing", "canceled", (0, 0, 900)),
        ("open", "unpaid", (0, 900, 0)),
        ("open", "canceled", (0, 900, 0)),
        ("open", "incomplete_expired", (0, 900, 0)),
        ("partly_paid", "canceled", (0, 900, 0)),
        ("void", "active", (0, 900, 0)),
        ("uncollectible", "active", (0, 900, 0)),
        ("paid", "active", (900, 0, 0)),
        ("paid", "canceled", (900, 0, 0)),
        ("refunded", "canceled", (900, 0, 0)),
    ],
)
async def test_what_failed_is_recovered_lost_or_still_open(
    database: None, invoice: str, standing: str, fate: Week
) -> None:
    await apply(await connect_account(), subscription(standing))
    owed = await owe(900)
    await fail(owed, 900, at=LAST_WEEK)
    if invoice in ("paid", "refunded"):
        await settle(owed, 900, at=TUESDAY)
    await become(owed, invoice)
    assert await weeks() == {"usd": [fate, NOTHING]}


async def test_it_counts_once_in_the_week_of_its_first_failure_whatever_came_later(database: None) -> None:
    await connect_account()
    invoice = await owe(10_000)
    for at in (LAST_WEEK, TUESDAY, TUESDAY, WEDNESDAY):
        await fail(invoice, 10_000, at=at)
    assert await weeks() == {"usd": [(0, 0, 10_000), NOTHING]}
    await settle(invoice, 10_000, at=WEDNESDAY)
    assert await weeks() == {"usd": [(10_000, 0, 0), NOTHING]}


async def test_invoices_without_a_subscription_are_not_in_it(database: None) -> None:
    await connect_account()
    await fail(await make_invoice(10_000), 10_000, at=TUESDAY)
    assert await weeks() == {}


async def test_an_invoice_of_a_subscription_that_is_not_known_is_open(database: None) -> None:
    await connect_account()
    await fail(await owe(300, subscription_id="sub_of_old"), 300, at=TUESDAY)
    assert await weeks() == {"usd": [NOTHING, (0, 0, 300)]}


async def test_paid_before_an_attempt_failed_is_no_failure(database: None) -> None:
    await connect_account()
    invoice = await owe(300)
    await settle(invoice, 300, at=TUESDAY)
    await fail(invoice, 300, at=WEDNESDAY)
    assert await weeks() == {}


async def test_attempt_that_the_provider_replaced_did_not_fail(database: None) -> None:
    await connect_account()
    invoice = await owe(10_000)
    await fail(invoice, 10_000, at=TUESDAY, code="superseded")
    await settle(invoice, 10_000, at=WEDNESDAY)
    assert await weeks() == {}


async def test_failures_of_modes_and_currencies_stand_apart(database: None) -> None:
    await connect_account()
    dollars, yen = await owe(10_000), await owe(700, currency="jpy")
    await connect_account(mode=Mode.LIVE)
    real = await owe(50)
    for invoice, amount in ((dollars, 10_000), (yen, 700), (real, 50)):
        await fail(invoice, amount, at=LAST_WEEK)
    await settle(yen, 700, at=TUESDAY)
    assert await weeks() == {"usd": [(0, 0, 10_000), NOTHING], "jpy": [(700, 0, 0), NOTHING]}
    assert await weeks("live") == {"usd": [(0, 0, 50), NOTHING]}


async def test_weeks_begin_where_the_organisation_is(database: None) -> None:
    await connect_account()
    sunday = datetime(2026, 11, 22, 12, tzinfo=UTC)  # Monday in Auckland
    await fail(await owe(10_000), 10_000, at=sunday)
    assert await weeks() == {"usd": [(0, 0, 10_000), NOTHING]}
    assert await weeks(zone="Pacific/Auckland") == {"usd": [NOTHING, (0, 0, 10_000)]}


async def test_what_first_failed_outside_the_weeks_is_not_drawn(database: None) -> None:
    await connect_account()
    early, late = await owe(10_000), await owe(10_000)
    await fail(early, 10_000, at=TUESDAY - timedelta(weeks=12))
    await fail(early, 10_000, at=TUESDAY)
    await fail(late, 10_000, at=TUESDAY + timedelta(weeks=1))
    assert await weeks() == {}


async def test_the_picture_stacks_what_became_of_it_and_the_table_says_the_same(owner: Visitor) -> None:
    await connect_account()
    for amount, status in ((500, "paid"), (300, "void"), (100, "open")):
        invoice = await owe(amount)
        await fail(invoice, amount, at=LAST_WEEK)
        await become(invoice, status)
    (found,) = await read_failures("test", THURSDAY, zone="UTC", currency="usd")
    chart = found.chart()
    assert not chart.beside
    assert [series.name for series in chart.series] == ["Recovered", "Lost", "Still open"]
    assert chart.rows()[-2] == ("16 Nov", ["$5.00", "$3.00", "$1.00"])
    assert "$9.00 failed ($5.00 recovered, $3.00 lost, $1.00 still open) last week." in chart.summary
    assert chart.title == "Failed payments by week in USD"


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
    assert moved.rows()[-1][1][-1] == "−$20.00"


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
    assert "No payment of a subscription failed in the last 12 weeks." in page
    assert 'class="p-curve"' not in page


async def test_beside_live_money_test_pictures_are_on_their_own_tab(owner: Visitor) -> None:
    test, live = await connect_account(), await connect_account(mode=Mode.LIVE)
    await apply(test, subscription(amount=usd(77_700)))
    await apply(live, subscription(amount=usd(1_100)))
    shown, other = (await owner.get("/")).text, (await owner.get("/?mode=test")).text
    assert ("$11.00 a month now" in shown, "$777.00" in shown) == (True, False)
    assert ("$777.00 a month now" in other, "$11.00" in other) == (True, False)
