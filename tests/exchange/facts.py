"""Facts as a plugin would tell them, and what the rows say afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from portal.accounts.services import load_account
from portal.contract.facts import (
    UNKNOWN_INVOICE,
    CustomerSeen,
    DisputeSeen,
    Fact,
    InvoiceSeen,
    PaymentSucceeded,
    PlanSeen,
    ProductSeen,
    RefundSeen,
    SeenLine,
    SubscriptionSeen,
)
from portal.contract.work import Reading
from portal.database.transaction import Connection, transaction
from portal.exchange.applying import apply_reading
from portal.money import Money
from tests.builders import Connected

AT = datetime(2026, 11, 20, 9, tzinfo=UTC)


def usd(minor: int) -> Money:
    return Money(minor, "usd")


def invoice(number: int = 1, **other: Any) -> InvoiceSeen:
    """An invoice over $120.00 that was made at the provider."""
    seen = InvoiceSeen(
        external_id=f"in_{number}",
        number=f"ABCD-{number:04}",
        status="open",
        total=usd(12_000),
        tax=usd(2_000),
        customer_external_id="cus_1",
        customer_name="Initech",
        customer_email="ap@initech.example",
        created_at=AT + timedelta(minutes=number),
        finalised_at=AT + timedelta(minutes=number),
        lines=(SeenLine("Seats", 4, usd(10_000)),),
    )
    return replace(seen, **other)


def about(facts: Sequence[Fact], name: str) -> list[Fact]:
    """The same facts about money of another name, so that many invoices fit into one test."""
    renamed: list[Fact] = []
    for fact in facts:
        names: dict[str, Any] = {
            f: f"{getattr(fact, f)}_{name}" for f in ("external_id", "attempt_id") if hasattr(fact, f)
        }
        renamed.append(replace(fact, **names))
    return renamed


def payment(number: int = 1, amount: int = 12_000, **other: Any) -> PaymentSucceeded:
    paid = PaymentSucceeded(
        UNKNOWN_INVOICE, f"pi_{number}", usd(amount), AT, method="Visa ending 4242", attempt_id=f"ch_{number}"
    )
    return replace(paid, **other)


def refund(status: str, amount: int = 12_000, **other: Any) -> RefundSeen:
    return replace(RefundSeen(UNKNOWN_INVOICE, "re_1", usd(amount), status, "pi_1", AT), **other)


def dispute(status: str, *, withdrawn: bool, amount: int = 12_000) -> DisputeSeen:
    return DisputeSeen(UNKNOWN_INVOICE, "dp_1", usd(amount), status, withdrawn, "pi_1", AT, "fraudulent")


def customer(name: str = "Initech", email: str = "ap@initech.example", **other: Any) -> CustomerSeen:
    return replace(CustomerSeen("cus_1", name, email, None, deleted=False, occurred_at=AT), **other)


def product(name: str = "Pro") -> ProductSeen:
    return ProductSeen("prod_1", name, active=True, deleted=False, occurred_at=AT)


def plan() -> PlanSeen:
    return PlanSeen(
        external_id="price_1",
        product_external_id="prod_1",
        amount=usd(2_000),
        currency="usd",
        interval="month",
        interval_count=1,
        words="$20.00 per month",
        active=True,
        deleted=False,
        occurred_at=AT,
    )


def subscription(status: str = "active", **other: Any) -> SubscriptionSeen:
    seen = SubscriptionSeen(
        external_id="sub_1",
        customer_external_id="cus_1",
        customer_name="Initech",
        customer_email="ap@initech.example",
        plan_external_id="price_1",
        quantity=1,
        status=status,
        amount=usd(2_000),
        currency="usd",
        interval="month",
        interval_count=1,
        started_at=AT,
        period_start=AT,
        period_end=AT + timedelta(days=30),
    )
    return replace(seen, **other)


async def apply(account: Connected, *facts: Fact, invoice_id: int | None = None) -> str:
    """Apply them as one reading; what changed."""
    loaded = await load_account(account.id)
    async with transaction() as tx:
        return await apply_reading(tx.connection, loaded, Reading(facts, invoice_id))


async def rows(query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """What a query finds."""
    async with transaction() as tx:
        return [tuple(row) for row in await tx.connection.fetch(query, *arguments)]


async def standing(external_id: str = "in_1") -> tuple[str, int, int]:
    """Status, amount paid and amount returned of an invoice, by the provider's id."""
    found: Sequence[tuple[Any, ...]] = await rows(
        "SELECT status, amount_paid_minor, amount_returned_minor FROM invoice WHERE external_id = $1",
        external_id,
    )
    status, paid, returned = found[0]
    return status, paid, returned


async def ledger() -> list[tuple[str, str, int]]:
    """Kind, name and amount of every row, oldest first."""
    return [
        (kind, name, amount)
        for kind, name, amount in await rows(
            "SELECT kind, external_id, amount_minor FROM payment ORDER BY id"
        )
    ]


async def somebody_waits(held: Connection) -> None:
    """Until another connection waits for a lock."""
    async with asyncio.timeout(10):
        while not await held.fetchval(
            "SELECT (SELECT count(*) FROM pg_locks WHERE NOT granted) FROM pg_sleep(0.01)"
        ):
            pass
