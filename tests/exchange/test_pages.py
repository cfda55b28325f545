"""A page writes what its readings would write one by one, counts truly, and stays within its connection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextvars import Context
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portal.accounts.services import load_account
from portal.audit.services import verify
from portal.contract.facts import (
    UNKNOWN_INVOICE,
    AttemptsUnderWay,
    CollectionSeen,
    Fact,
    Mode,
    PaymentProcessing,
)
from portal.contract.work import Reading, ReadingPage
from portal.database.transaction import Connection, transaction
from portal.exchange.applying import PageResult, apply_page, apply_reading
from portal.money import Money
from tests.builders import Connected, connect_account, make_customer
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows, somebody_waits, standing, usd

TABLES = {
    "customer_link": "external_id, name, email, deleted, customer IS NULL",
    "product": "external_id, name, active, deleted",
    "plan": "external_id, amount_minor, interval, words, active",
    "subscription": "external_id, status, quantity, plan_external_id",
    "invoice": "external_id, number, status, subtotal_minor, tax_minor, total_minor, amount_paid_minor,"
    " amount_returned_minor, due_date, attempts, next_attempt_at, paid_at, origin, sync_state, created_at",
    "payment": "kind, external_id, amount_minor, method, occurred_at",
    "payment_attempt": "external_id, state, method",
    "refund": "external_id, status, amount_minor",
}


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


def readings() -> dict[str, list[Fact]]:
    """A little of everything, by key."""
    nothing_under_way = AttemptsUnderWay(UNKNOWN_INVOICE, frozenset())
    return {
        "customer:cus_1": [make.customer()],
        "customer:cus_2": [make.customer("Umbrella", external_id="cus_2")],
        "product:prod_1": [make.product()],
        "price:price_1": [make.plan()],
        "subscription:sub_1": [make.subscription()],
        "invoice:in_1": [
            make.invoice(due_at=AT),
            make.payment(),
            nothing_under_way,
            CollectionSeen(UNKNOWN_INVOICE, 1, None),
        ],
        "invoice:in_2": [make.invoice(2, customer_external_id="cus_3", customer_name=""), nothing_under_way],
        "invoice:in_3": [make.invoice(3, status="void")],
        "invoice:in_4": [make.invoice(4), make.payment(4), make.refund("succeeded", 2_000)],
        "invoice:in_5": [make.invoice(5), PaymentProcessing(UNKNOWN_INVOICE, "ch_5", usd(12_000), AT)],
        "invoice:in_6": [make.invoice(6, total=usd(0), tax=usd(0), lines=())],
    }


async def take(
    account: Connected, told: Mapping[str, Sequence[Fact]], *, read_at: datetime | None = None
) -> tuple[PageResult, dict[str, int | None]]:
    """Apply them as one page; what it counted, and what the plugin was told of it."""
    saved: dict[str, int | None] = {}

    async def save(held: Connection, taken: Mapping[str, int | None]) -> None:
        saved.update(taken)

    page = ReadingPage([Reading(tuple(facts), key=key) for key, facts in told.items()], None, save=save)
    loaded = await load_account(account.id)
    async with transaction() as tx:
        now = await tx.connection.fetchval("SELECT clock_timestamp()")
        return await apply_page(tx.connection, loaded, page, read_at=read_at or now), saved


async def contents(account: Connected) -> dict[str, list[tuple[object, ...]]]:
    """Everything that a connection has, apart from ids and times of writing."""
    return {
        table: await rows(f"SELECT {columns} FROM {table} WHERE account = $1 ORDER BY 1, 2", account.id)  # noqa: S608 - names of ours
        for table, columns in TABLES.items()
    }


async def test_a_page_writes_what_its_readings_write_one_by_one(account: Connected) -> None:
    other = await connect_account(external_id="acct_other")
    result, saved = await take(account, readings())
    for facts in dict(sorted(readings().items())).values():
        await apply(other, *facts)
    assert await contents(account) == await contents(other)
    assert result == PageResult(created=len(readings()))
    ids = dict(await rows("SELECT 'invoice:' || external_id, id FROM invoice WHERE account = $1", account.id))
    assert saved == dict.fromkeys(readings()) | ids
    assert (await verify()).intact
    noted = await rows("SELECT action, count(*) FROM audit_entry GROUP BY 1 ORDER BY 1")
    assert all(count % 2 == 0 for _, count in noted), noted


async def test_the_same_page_again_changes_nothing_and_says_so(account: Connected) -> None:
    await take(account, readings())
    before, entries = await contents(account), await rows("SELECT count(*) FROM audit_entry")
    result, saved = await take(account, readings())
    assert result == PageResult(unchanged=len(readings()))
    assert saved.keys() == readings().keys()
    assert (await contents(account), await rows("SELECT count(*) FROM audit_entry")) == (before, entries)


async def test_it_counts_what_it_did(account: Connected) -> None:
    ours = await make_customer("Initech")
    await apply(account, make.customer(customer_id=ours))
    await take(account, readings())
    await rows("UPDATE customer SET name = 'Initech here' WHERE id = $1", ours)
    told = readings() | {
        "customer:cus_1": [make.customer("Initech there")],
        "subscription:sub_1": [make.subscription("past_due")],
        "invoice:in_2": [make.invoice(2, customer_external_id="cus_3", customer_name=""), make.payment(2)],
        "invoice:in_7": [make.invoice(7)],
        "invoice:in_8": [
            make.invoice(8),
            make.payment(8, amount=1),
            make.refund("failed", external_id="re_8"),
        ],
        "invoice:in_9": [make.invoice(9), replace(make.payment(9), amount=Money(1, "eur"))],
    }
    result, saved = await take(account, told)
    assert (result.created, result.updated, result.differing) == (2, 2, 1)
    assert result.unchanged == len(told) - 5
    assert result.refused == {"invoice:in_9": "A payment in EUR was reported for an invoice in USD."}
    assert "invoice:in_9" not in saved
    assert await rows("SELECT count(*) FROM invoice WHERE external_id = 'in_9'") == [(0,)]
    assert await rows("SELECT ours, theirs FROM sync_difference") == [("Initech here", "Initech there")]


async def test_newer_news_is_not_overtaken(account: Connected) -> None:
    before = datetime.now(UTC) - timedelta(minutes=1)
    await take(account, {"invoice:in_1": [make.invoice(), make.payment()]})
    result, saved = await take(
        account,
        {"invoice:in_1": [make.invoice(memo="Old")], "invoice:in_2": [make.invoice(2)]},
        read_at=before,
    )
    assert (result, list(saved)) == (PageResult(created=1, unchanged=1), ["invoice:in_2"])
    assert await standing() == ("paid", 12_000, 0)


async def test_pages_about_the_same_objects_at_once_write_them_once(account: Connected) -> None:
    now = datetime.now(UTC) + timedelta(seconds=1)
    told: dict[str, list[Fact]] = {f"invoice:in_{n}": [make.invoice(n), make.payment(n)] for n in range(30)}
    backwards = dict(reversed(told.items()))
    results = await asyncio.gather(*(take(account, each, read_at=now) for each in (told, backwards, told)))
    assert sum(result.created for result, _ in results) == 30
    assert await rows("SELECT count(*), sum(amount_paid_minor)::bigint FROM invoice") == [(30, 360_000)]
    assert await rows("SELECT count(*) FROM payment") == [(30,)]
    assert await rows("SELECT count(*) FROM customer") == [(1,)]


async def test_a_customer_whom_an_invoice_brought_meanwhile_is_called_as_the_page_says(
    account: Connected,
) -> None:
    async with transaction() as tx:
        loaded = await load_account(account.id)
        await apply_reading(tx.connection, loaded, Reading((make.invoice(customer_name="Initech Ltd"),)))
        told = {"customer:cus_1": [make.customer("Initech plc")]}
        taking = asyncio.create_task(take(account, told), context=Context())
        await somebody_waits(tx.connection)
    await taking
    assert await rows("SELECT name FROM customer_link") == [("Initech plc",)]
    assert await rows("SELECT name FROM customer") == [("Initech plc",)]


async def test_a_payment_that_paid_another_invoice_pays_no_second_one(account: Connected) -> None:
    await take(account, {"invoice:in_1": [make.invoice(), make.payment()]})
    await take(account, {"invoice:in_2": [make.invoice(2), make.payment()]})
    await take(account, {"invoice:in_3": [make.invoice(3, status="void"), make.payment()]})
    both: dict[str, list[Fact]] = {f"invoice:in_{n}": [make.invoice(n), make.payment(4)] for n in (4, 5)}
    await take(account, both)
    assert await rows(
        "SELECT external_id, status, paid_at IS NULL, amount_paid_minor FROM invoice ORDER BY 1"
    ) == [
        ("in_1", "paid", False, 12_000),
        ("in_2", "open", True, 0),
        ("in_3", "void", True, 0),
        ("in_4", "paid", False, 12_000),
        ("in_5", "open", True, 0),
    ]


async def test_the_same_page_on_two_connections_stays_apart(account: Connected) -> None:
    live = await connect_account(mode=Mode.LIVE)
    for one in (account, live):
        await take(one, readings())
    assert await contents(account) == await contents(live)
    for table in TABLES:
        modes = await rows(f"SELECT DISTINCT account, mode FROM {table} ORDER BY 1")  # noqa: S608 - names of ours
        assert modes == [(account.id, "test"), (live.id, "live")], table


async def test_what_the_database_cannot_hold_keeps_nothing_else_out(account: Connected) -> None:
    told = readings() | {
        "invoice:in_7": [make.invoice(7, memo="a\0b")],
        "invoice:in_8": [make.invoice(8, total=usd(2**70))],
    }
    result, saved = await take(account, told)
    assert result.created == len(readings())
    assert result.refused.keys() == {"invoice:in_7", "invoice:in_8"}
    assert saved.keys() == readings().keys()
    assert (await verify()).intact
