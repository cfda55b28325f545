"""Days, weeks and months are the organisation's, whatever zone the machine and its database are in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from portal.contract.facts import UNKNOWN_INVOICE, CollectionSeen, Mode, PaymentProcessing, PaymentSucceeded
from portal.dashboard.failures import read_failures
from portal.dashboard.months import read_collected
from portal.dashboard.queries import Period
from portal.database.transaction import connection
from portal.invoices.action_forms import Clock, read_link_end
from portal.invoices.pay_views import days_until
from portal.invoices.payable import payable_invoice
from portal.invoices.rules import collection_words
from portal.messages.reminders import queue_reminders
from portal.messages.rules import due_words
from portal.money import Money
from portal.subscriptions.declines import dunning_steps
from portal.subscriptions.plan_rules import PlanOffer, effect_of
from portal.subscriptions.statuses import Price, Standing
from portal.web.formats import show_date, show_datetime
from portal.web.forms import Form
from portal.web.request import Visit
from tests.builders import connect_account, make_invoice
from tests.dashboard.test_page import pay
from tests.dashboard.test_pictures import fail, owe
from tests.exchange.facts import apply, invoice, rows, subscription
from tests.visitors import Visitor

ZONES = ("Pacific/Kiritimati", "America/St_Johns", "UTC")
AT = datetime(2026, 11, 30, 20, 30, tzinfo=UTC)
"""A Monday; on Kiritimati it is Tuesday, the first of December."""
TODAY = {
    "Pacific/Kiritimati": date(2026, 12, 1),
    "America/St_Johns": date(2026, 11, 30),
    "UTC": date(2026, 11, 30),
}
SUNDAY, MONDAY = AT - timedelta(days=1), datetime(2026, 11, 30, 1, tzinfo=UTC)
"""The first is Monday on Kiritimati, the second still Sunday in St John's."""


@pytest.fixture(params=ZONES)
def machine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """This process as it is where the machine has that zone."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


def text(markup: str) -> str:
    return markup.partition(">")[2].partition("<")[0]


@pytest.mark.parametrize("zone", ZONES)
def test_days_on_pages_are_the_organisations(machine: str, zone: str) -> None:
    day = f"{TODAY[zone]:%-d %b %Y}"
    assert text(show_date(AT, zone)) == day
    assert text(show_datetime(AT, zone)).startswith(f"{day}, ")
    assert Visit(time_zone=zone).today == datetime.now(ZoneInfo(zone)).date()
    (_, planned) = dunning_steps(1, (), AT)
    assert planned.at
    assert text(show_date(planned.at, zone)) == day
    charge = Standing("active", period_end=AT).next_charge
    assert isinstance(charge, datetime)
    assert text(show_date(charge, zone)) == day
    offer = PlanOffer("price_1", "Pro", "", Money(100, "usd"), "month", 1)
    standing, now = Standing("active", period_end=AT), Price(Money(100, "usd"), "month")
    assert f"from {day} on" in effect_of(offer, 1, standing, now, zone=ZoneInfo(zone))


@pytest.mark.parametrize("zone", ZONES)
def test_days_in_sentences_about_collecting_are_the_organisations(machine: str, zone: str) -> None:
    said = collection_words(2, AT, "", zone=ZoneInfo(zone))
    assert said.endswith(f"the next attempt is due {TODAY[zone]:%-d %b %Y}.")


@pytest.mark.parametrize("zone", ZONES)
async def test_days_that_an_invoice_tells_of_its_payments_are_the_organisations(
    owner: Visitor, machine: str, zone: str
) -> None:
    account, day = await connect_account(), f"{TODAY[zone]:%-d %b %Y}"
    invoice_id = await make_invoice()
    async with connection() as held:
        await held.execute("UPDATE organisation SET time_zone = $1", zone)
    said = await apply(account, invoice(), CollectionSeen(UNKNOWN_INVOICE, 2, AT, "Declined."))
    assert f"the next attempt is due {day}." in said
    paid = [PaymentSucceeded(invoice_id, f"pi_{n}", Money(10, "usd"), AT, method="Visa") for n in (1, 2)]
    await apply(account, *paid, invoice_id=invoice_id)
    asked = (await owner.get(f"/invoices/{invoice_id}/refund")).text
    assert asked.count(f"$0.10 of $0.10, Visa, {day}</option>") == 2
    under_way = PaymentProcessing(invoice_id, "pi_3", Money(10, "usd"), AT, method="Bank", expected_at=AT)
    await apply(account, under_way, invoice_id=invoice_id)
    shown = (await owner.get(f"/invoices/{invoice_id}")).text
    assert f"are not offered while a payment is under way: expected {day}." in shown


@pytest.mark.parametrize(
    ("zone", "name"),
    [
        ("Pacific/Kiritimati", "Line Islands Time"),
        ("America/St_Johns", "Newfoundland Standard Time"),
        ("UTC", "Coordinated Universal Time"),
    ],
)
def test_a_time_of_day_names_its_zone(machine: str, zone: str, name: str) -> None:
    assert name in show_datetime(AT, zone)


@pytest.mark.parametrize("zone", ZONES)
def test_due_days_and_the_ends_of_pay_links_are_the_organisations(machine: str, zone: str) -> None:
    there, today = ZoneInfo(zone), TODAY[zone]
    clock = Clock(AT, there)
    assert clock.today == today
    end = read_link_end(Form({"expires_on": [today.isoformat()]}), clock)
    assert end.astimezone(there).date() == today
    assert (end + timedelta(seconds=1)).astimezone(there).date() == today + timedelta(days=1)
    for days in (-1, 0, 3):
        due = clock.end_of(today + timedelta(days=days))
        assert days_until(due, AT.astimezone(there)) == days
    assert due_words(today, clock.today) == "due today"
    assert Period(AT.astimezone(there)).start.date() == today.replace(day=1)


@pytest.mark.parametrize("zone", ZONES)
async def test_months_weeks_reminders_and_due_days_of_rows_are_the_organisations(
    database: None, machine: str, zone: str
) -> None:
    today = TODAY[zone]
    account = await connect_account(mode=Mode.LIVE)
    async with connection() as held:
        await held.execute(f"SET timezone TO '{machine}'")
        await held.execute("UPDATE organisation SET time_zone = $1", zone)
        await held.execute("UPDATE organisation SET reminders_on = true, reminder_days = '{0}'")
        due = await make_invoice()
        await held.execute(
            "UPDATE invoice SET due_date = $1, finalised_at = $2", today, AT - timedelta(days=30)
        )
        assert await queue_reminders(AT) == 1
        assert (await payable_invoice(due)).due_at == Clock(AT, ZoneInfo(zone)).end_of(today)

        await pay(due, 700, at=AT)
        (collected,) = await read_collected("live", date(2026, 12, 2), zone=zone, currency="usd")
        assert [month for month, amount in collected.by_month if amount] == [today.replace(day=1)]

        for at in (SUNDAY, MONDAY):
            await fail(await owe(300), 300, at=at)
        (failures,) = await read_failures("live", date(2026, 12, 2), zone=zone, currency="usd")
        monday = date(2026, 11, 30)
        weeks = [
            max(monday - timedelta(weeks=1), day - timedelta(days=day.weekday()))
            for day in (at.astimezone(ZoneInfo(zone)).date() for at in (SUNDAY, MONDAY))
        ]
        assert [each.week for each in failures.by_week if each.open] == sorted(set(weeks))

        await apply(account, subscription(started_at=AT, period_end=AT))
        await apply(account, subscription(started_at=AT, period_end=AT + timedelta(days=1)))
        said = await rows("SELECT words FROM audit_entry WHERE action LIKE 'subscription.%' ORDER BY id")
        assert [words for (words,) in said] == [
            f"price_1: active, since {today:%-d %b %Y}.",
            f"price_1: renewed until {today + timedelta(days=1):%-d %b %Y}.",
        ]
