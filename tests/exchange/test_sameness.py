"""However news of an object comes, alone or with a page of others, the rows end the same."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

from portal.accounts.services import load_account
from portal.contract.errors import EventQuarantined
from portal.contract.facts import (
    UNKNOWN_INVOICE,
    AttemptsUnderWay,
    CollectionSeen,
    Fact,
    InvoiceClosed,
    PaymentFailed,
    PaymentProcessing,
)
from portal.contract.work import Reading, ReadingPage
from portal.database.transaction import transaction
from portal.exchange.applying import apply_page
from portal.money import Money
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows, usd

Told = Mapping[str, Sequence[Fact]]
TABLES = ("customer_link", "invoice", "payment", "payment_attempt", "refund", "dispute")
OWN = "id account customer invoice seen_at synced_at recorded_at changed_at version".split()
"""Columns that tell of the writing, not of what was told."""
_LINES = """
SELECT concat_ws('|', i.external_id, l.position, l.description, l.quantity, l.amount_minor, c.name, c.email)
FROM invoice_line l JOIN invoice i ON i.id = l.invoice JOIN customer c ON c.id = i.customer
WHERE i.account = $1 ORDER BY 1
"""


async def test_a_page_ends_as_its_readings_would_one_by_one(database: None) -> None:
    """Three pages of sixty invoices, of which the provider may say anything at all."""
    one_by_one, in_pages = await connect_account(), await connect_account(external_id="acct_other")
    dice = random.Random(20)  # noqa: S311 - the same each time
    for _ in range(3):
        told = {f"invoice:in_{n}": said_of(n, dice) for n in sorted(dice.sample(range(100, 180), 60))}
        for facts in told.values():
            with suppress(EventQuarantined):
                await apply(one_by_one, *facts)
        await take(in_pages, told)
        expected = await contents(one_by_one)
        assert await contents(in_pages) == expected
        assert all(expected.values())
    assert await rows("SELECT count(DISTINCT status) FROM invoice") == [(7,)]


async def take(account: Connected, told: Told) -> None:
    """Apply all of it as one page."""
    loaded = await load_account(account.id)
    page = ReadingPage([Reading(tuple(facts), key=key) for key, facts in told.items()], None)
    async with transaction() as tx:
        now = await tx.connection.fetchval("SELECT clock_timestamp()")
        await apply_page(tx.connection, loaded, page, read_at=now)


async def contents(account: Connected) -> dict[str, list[tuple[object, ...]]]:
    """Every row of a connection."""
    found: dict[str, list[tuple[object, ...]]] = {
        table: await rows(
            f"SELECT (to_jsonb(t) - $2::text[])::text FROM {table} t WHERE account = $1 ORDER BY 1",  # noqa: S608 - names of ours
            account.id,
            OWN,
        )
        for table in TABLES
    }
    return {**found, "lines": await rows(_LINES, account.id)}


def said_of(number: int, dice: random.Random) -> list[Fact]:
    """Anything that a provider may say of an invoice, likely or not. Totals of nothing stay so."""
    status = dice.choice(["open", "open", "paid", "void", "uncollectible"])
    total = dice.choice([1, 12_000, 12_000, 99_999_999]) if number % 10 else 0
    seen = make.invoice(
        number,
        status=status,
        total=usd(total),
        tax=usd(dice.choice([0, total // 6])),
        customer_external_id=f"cus_{dice.randrange(4)}",
        due_at=dice.choice([None, AT]),
        memo=dice.choice(["", "Thanks"]),
        hosted_url="https://pay.example/1",
        subscription_external_id=dice.choice([None, "sub_1"]),
    )
    told = [fact for odds, fact in _money(number, total, dice) if dice.random() < odds]
    if status in ("void", "uncollectible") and dice.random() < 0.7:
        told.append(InvoiceClosed(UNKNOWN_INVOICE, status, AT + timedelta(days=1)))
    return [seen, *told]


def _money(number: int, total: int, dice: random.Random) -> list[tuple[float, Fact]]:
    """How likely, and what."""
    attempt, later = f"ch_{number}", AT + timedelta(hours=dice.randrange(5))
    paid = replace(
        make.payment(number),
        amount=dice.choice([usd(total), usd(total // 2), usd(1), Money(5, "eur")]),
        occurred_at=later,
        method=dice.choice([None, "Visa ending 4242"]),
        attempt_id=dice.choice([None, attempt]),
    )
    outside = replace(paid, external_id=f"in_{number}:outside", offline=True, attempt_id=None, method=None)
    credit = replace(
        outside,
        external_id=f"in_{number}:balance",
        amount=dice.choice([usd(total // 2), usd(0)]),
        method="Customer balance",
        from_credit=True,
    )
    tried: list[Fact] = [
        AttemptsUnderWay(UNKNOWN_INVOICE, frozenset()),
        PaymentProcessing(UNKNOWN_INVOICE, attempt, usd(total), AT),
        PaymentFailed(UNKNOWN_INVOICE, attempt, usd(total), AT, "declined", "No."),
    ]
    refund = make.refund(dice.choice(["pending", "succeeded", "failed"]), max(total // 3, 1))
    dispute = make.dispute(dice.choice(["needs_response", "lost", "won"]), withdrawn=dice.random() < 0.5)
    return [
        (0.5 if total else 0, dice.choice([paid, paid, outside])),
        (0.2, credit),
        (0.5, dice.choice(tried)),
        (0.6, CollectionSeen(UNKNOWN_INVOICE, dice.randrange(2), dice.choice([None, later]))),
        (0.15, replace(refund, external_id=f"re_{number}")),
        (0.1, replace(dispute, external_id=f"dp_{number}")),
    ]
