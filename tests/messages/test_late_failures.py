"""A bank that says no after days: the customer is told, once."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.audit.services import Actor
from portal.audit.sources import Source
from portal.contract.facts import (
    AttemptsUnderWay,
    InvoiceFact,
    Mode,
    PaymentFailed,
    PaymentProcessing,
    PaymentSucceeded,
)
from portal.database.transaction import transaction
from portal.invoices.facts import apply_invoice_facts
from portal.invoices.services import pay_link
from portal.money import Money
from tests.builders import Connected, connect_account, make_invoice
from tests.messages.letters import rows, send_all, text_of

AT = datetime(2026, 11, 23, 9, tzinfo=UTC)
FULL = Money(48_000, "usd")


@pytest.fixture
async def account(database: None) -> Connected:
    """A live connection."""
    return await connect_account(mode=Mode.LIVE)


async def apply(account: Connected, invoice_id: int, *facts: InvoiceFact) -> None:
    """As a worker does after reading the provider."""
    source = Source(account.id, account.mode, Actor("provider", "stripe", "Stripe"))
    async with transaction() as tx:
        await apply_invoice_facts(tx.connection, source, invoice_id, list(facts))
        await source.write(tx.connection)


def under_way(invoice_id: int, attempt: str = "py_1") -> PaymentProcessing:
    return PaymentProcessing(invoice_id, attempt, FULL, AT)


def failed(invoice_id: int, attempt: str = "py_1") -> PaymentFailed:
    return PaymentFailed(invoice_id, attempt, FULL, AT, code="R01", reason="Insufficient funds (R01).")


async def test_the_customer_is_told_once_and_where_to_pay(account: Connected) -> None:
    invoice_id = await make_invoice()
    await apply(account, invoice_id, under_way(invoice_id))
    for _ in range(3):
        await apply(account, invoice_id, failed(invoice_id), AttemptsUnderWay(invoice_id, frozenset()))
    (message,) = await send_all()
    assert message["Subject"] == "Your bank payment for invoice INV-0001 did not go through"
    text = text_of(message)
    assert str(await pay_link(invoice_id)) in text
    assert "R01" not in text, "reasons are for admins"


async def test_a_second_payment_that_fails_is_told_of_too(account: Connected) -> None:
    invoice_id = await make_invoice()
    for attempt in ("py_1", "py_2"):
        await apply(account, invoice_id, under_way(invoice_id, attempt))
        await apply(account, invoice_id, failed(invoice_id, attempt))
    assert len(await rows()) == 2


async def test_a_card_that_is_declined_at_once_makes_no_mail(account: Connected) -> None:
    invoice_id = await make_invoice()
    await apply(account, invoice_id, failed(invoice_id, "ch_1"))
    assert await rows() == []


async def test_an_old_failure_read_again_beside_one_that_was_called_off_makes_no_mail(
    account: Connected,
) -> None:
    invoice_id = await make_invoice()
    await apply(account, invoice_id, failed(invoice_id, "ch_old"))
    await apply(account, invoice_id, failed(invoice_id, "ch_old"), under_way(invoice_id, "py_2"))
    await apply(account, invoice_id, failed(invoice_id, "ch_old"), AttemptsUnderWay(invoice_id, frozenset()))
    assert await rows() == []


async def test_who_paid_otherwise_before_the_mail_went_out_gets_none(account: Connected) -> None:
    invoice_id = await make_invoice()
    await apply(account, invoice_id, under_way(invoice_id))
    await apply(account, invoice_id, failed(invoice_id))
    await apply(account, invoice_id, PaymentSucceeded(invoice_id, "pi_2", FULL, AT, attempt_id="ch_2"))
    assert await send_all() == []
    assert [row["state"] for row in await rows()] == ["dropped"]
