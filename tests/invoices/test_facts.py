"""Facts of a provider change an invoice once, in whatever order and number they come."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import pytest

from portal.audit.services import Actor
from portal.audit.sources import Source
from portal.contract.errors import EventQuarantined
from portal.contract.facts import (
    AttemptsUnderWay,
    InvoiceClosed,
    InvoiceFact,
    Mode,
    PaymentFailed,
    PaymentProcessing,
    PaymentSucceeded,
)
from portal.database.transaction import transaction
from portal.invoices.facts import apply_invoice_facts
from portal.money import Money
from tests.builders import Connected, connect_account, make_invoice

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
FULL = Money(48_000, "usd")


async def apply(account: Connected, invoice_id: int, *facts: InvoiceFact) -> str:
    source = Source(account.id, account.mode, Actor("provider", "stripe", "Stripe"))
    async with transaction() as tx:
        said = await apply_invoice_facts(tx.connection, source, invoice_id, list(facts))
        await source.write(tx.connection)
        return said


async def standing(invoice_id: int) -> tuple[str, int, int]:
    """Status, amount paid and the number of ledger rows."""
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            SELECT status, amount_paid_minor, (SELECT count(*) FROM payment WHERE invoice = i.id) AS entries
            FROM invoice i WHERE id = $1
            """,
            invoice_id,
        )
    assert row is not None
    return (row["status"], row["amount_paid_minor"], row["entries"])


def succeeded(invoice_id: int, amount: Money = FULL, external_id: str = "pi_1") -> PaymentSucceeded:
    return PaymentSucceeded(invoice_id, external_id, amount, AT, attempt_id=f"ch_{external_id}")


async def test_a_payment_marks_the_invoice_paid(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    assert "Received $480.00" in await apply(account, invoice_id, succeeded(invoice_id))
    assert await standing(invoice_id) == ("paid", 48_000, 1)


async def test_the_same_payment_twice_counts_once(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await apply(account, invoice_id, succeeded(invoice_id), succeeded(invoice_id))
    assert await apply(account, invoice_id, succeeded(invoice_id)) == ""
    assert await standing(invoice_id) == ("paid", 48_000, 1)


async def test_twenty_workers_with_one_payment_write_one_row(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await asyncio.gather(*(apply(account, invoice_id, succeeded(invoice_id)) for _ in range(20)))
    assert await standing(invoice_id) == ("paid", 48_000, 1)


async def test_a_part_payment_is_shown_as_such(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await apply(account, invoice_id, succeeded(invoice_id, Money(20_000, "usd")))
    assert await standing(invoice_id) == ("partly_paid", 20_000, 1)


async def test_every_order_of_the_same_facts_ends_the_same(database: None) -> None:
    account = await connect_account()
    for order in itertools.permutations(range(3)):
        invoice_id = await make_invoice()
        name = f"pi_{invoice_id}"
        facts: Sequence[InvoiceFact] = (
            PaymentFailed(invoice_id, f"ch_a_{invoice_id}", FULL, AT, code="x", reason="No."),
            PaymentProcessing(invoice_id, f"ch_{name}", FULL, AT),
            succeeded(invoice_id, external_id=name),
        )
        for position in order:
            await apply(account, invoice_id, facts[position])
        assert await standing(invoice_id) == ("paid", 48_000, 1), order


async def test_a_late_failure_reopens_the_invoice_with_its_reason(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await apply(account, invoice_id, PaymentProcessing(invoice_id, "ch_ach", FULL, AT))
    assert (await standing(invoice_id))[0] == "processing"
    failed = PaymentFailed(invoice_id, "ch_ach", FULL, AT, code="R01", reason="Not enough funds.")
    assert "Not enough funds." in await apply(account, invoice_id, failed)
    assert await standing(invoice_id) == ("open", 0, 0)
    assert await apply(account, invoice_id, PaymentProcessing(invoice_id, "ch_ach", FULL, AT)) == ""
    assert (await standing(invoice_id))[0] == "open", "what has failed is not under way again"


async def test_a_read_that_finds_nothing_under_way_ends_the_waiting(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await apply(account, invoice_id, PaymentProcessing(invoice_id, "ch_ach", FULL, AT))
    await apply(account, invoice_id, AttemptsUnderWay(invoice_id, frozenset()))
    assert (await standing(invoice_id))[0] == "open"


async def test_credit_that_a_void_gives_back_pays_nothing(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    used = PaymentSucceeded(
        invoice_id,
        "in_1:balance",
        Money(8_000, "usd"),
        AT,
        "Customer balance",
        offline=True,
        from_credit=True,
    )
    given_back = replace(used, amount=Money(0, "usd"))
    for _ in range(2):
        await apply(account, invoice_id, used)
        assert await standing(invoice_id) == ("partly_paid", 8_000, 1)
    for _ in range(2):
        await apply(account, invoice_id, given_back, InvoiceClosed(invoice_id, "void", AT))
        assert await standing(invoice_id) == ("void", 0, 2)
    never_used = await make_invoice()
    await apply(account, never_used, replace(given_back, external_id="in_2:balance", invoice_id=never_used))
    assert await standing(never_used) == ("open", 0, 0)


async def test_money_that_arrives_after_a_void_is_not_hidden(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await apply(account, invoice_id, InvoiceClosed(invoice_id, "void", AT))
    await apply(account, invoice_id, InvoiceClosed(invoice_id, "uncollectible", AT))
    assert (await standing(invoice_id))[0] == "void", "what is void stays so"
    await apply(account, invoice_id, succeeded(invoice_id))
    assert await standing(invoice_id) == ("paid", 48_000, 1)


async def test_another_currency_is_quarantined_and_pays_nothing(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    with pytest.raises(EventQuarantined, match="EUR"):
        await apply(account, invoice_id, succeeded(invoice_id, Money(48_000, "eur")))
    assert await standing(invoice_id) == ("open", 0, 0)


async def test_another_connection_cannot_pay_this_invoice(database: None) -> None:
    owner, invoice_id = await connect_account(), await make_invoice()
    stranger = await connect_account(external_id="acct_other")
    with pytest.raises(EventQuarantined):
        await apply(stranger, invoice_id, succeeded(invoice_id))
    assert await standing(invoice_id) == ("open", 0, 0)
    assert owner.id != stranger.id


async def test_a_live_row_cannot_refer_to_a_test_connection(database: None) -> None:
    account, invoice_id = await connect_account(mode=Mode.TEST), await make_invoice()
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with transaction() as tx:
            await tx.connection.execute(
                """
                INSERT INTO payment (invoice, account, mode, kind, external_id, amount_minor, currency,
                                     occurred_at, recorded_at)
                VALUES ($1, $2, 'live', 'payment', 'pi_x', 1, 'usd', now(), now())
                """,
                invoice_id,
                account.id,
            )


@pytest.mark.parametrize("change", ["UPDATE payment SET amount_minor = 1", "DELETE FROM payment"])
async def test_the_ledger_cannot_be_rewritten(database: None, change: str) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await apply(account, invoice_id, succeeded(invoice_id))
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        async with transaction() as tx:
            await tx.connection.execute(change)


async def test_of_two_debits_one_is_under_way_and_the_other_follows_when_it_ended(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    first, second = (PaymentProcessing(invoice_id, name, FULL, AT) for name in ("ch_1", "ch_2"))
    both = AttemptsUnderWay(invoice_id, frozenset({"ch_1", "ch_2"}))
    assert await apply(account, invoice_id, both, first, second) != ""
    assert await under_way(invoice_id) == ["ch_1"]
    assert (await standing(invoice_id))[0] == "processing"
    failed = PaymentFailed(invoice_id, "ch_1", FULL, AT, "no_account", "There is no such account.")
    await apply(account, invoice_id, failed, AttemptsUnderWay(invoice_id, frozenset({"ch_2"})), second)
    assert await under_way(invoice_id) == ["ch_2"]
    assert (await standing(invoice_id))[0] == "processing"


async def test_the_database_refuses_a_second_open_payment_of_an_invoice(database: None) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await apply(account, invoice_id, PaymentProcessing(invoice_id, "ch_1", FULL, AT))
    with pytest.raises(asyncpg.UniqueViolationError, match="payment_attempt_one_open"):
        async with transaction() as tx:
            await tx.connection.execute(
                """
                INSERT INTO payment_attempt
                    (invoice, account, mode, external_id, state, amount_minor, currency, occurred_at,
                     recorded_at)
                SELECT invoice, account, mode, 'ch_2', state, amount_minor, currency, occurred_at,
                       recorded_at
                FROM payment_attempt
                """
            )


async def under_way(invoice_id: int) -> list[str]:
    """The attempts that the invoice waits for."""
    async with transaction() as tx:
        rows = await tx.connection.fetch(
            "SELECT external_id FROM payment_attempt WHERE invoice = $1 AND state = 'processing'", invoice_id
        )
    return [row["external_id"] for row in rows]
