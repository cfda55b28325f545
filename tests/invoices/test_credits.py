"""Credits: within what is owed, issued at once without a provider, and by the provider's word with one."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from portal.audit.services import SYSTEM
from portal.contract.facts import (
    CreditSeen,
    InvoiceClosed,
    InvoicePublished,
    Mode,
    PaymentProcessing,
    PaymentSucceeded,
)
from portal.customers.details import find_customer
from portal.dashboard.months import read_collected
from portal.dashboard.queries import Period, read_figures
from portal.errors import Conflict, InvalidInput
from portal.invoices.closing import mark_uncollectible
from portal.invoices.correspondence import sendable
from portal.invoices.credits import CreditRequest, request_credit
from portal.invoices.details import find_invoice
from portal.invoices.services import void
from portal.money import Money
from tests.builders import Connected, connect_account, make_invoice, make_organisation
from tests.exchange.facts import AT, apply, ledger, refund, rows, usd

WANTED = CreditRequest(usd(8_000), "order_change")


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


async def published(account: Connected) -> int:
    """An invoice of ours over $480.00 whose copy is open at the provider."""
    invoice_id = await make_invoice()
    await apply(account, _copy(invoice_id), invoice_id=invoice_id)
    return invoice_id


def _copy(invoice_id: int) -> InvoicePublished:
    return InvoicePublished(invoice_id, f"in_{invoice_id}", "X-1", "", AT, status="open")


def note(invoice_id: int, **other: Any) -> CreditSeen:
    """A credit note of $80.00 as the provider tells it."""
    seen = CreditSeen(invoice_id, "cn_1", "X-1-CN-01", usd(8_000), usd(8_000), "issued", AT)
    return replace(seen, **other)


async def stands(invoice_id: int) -> tuple[object, ...]:
    """Status, paid and returned."""
    query = "SELECT status, amount_paid_minor, amount_returned_minor FROM invoice WHERE id = $1"
    return (await rows(query, invoice_id))[0]


async def kept() -> list[tuple[object, ...]]:
    return await rows("SELECT status, amount_minor, coalesce(external_id, ''), requested_by FROM credit")


async def test_without_a_provider_a_credit_counts_at_once(database: None) -> None:
    await make_organisation()
    invoice_id = await make_invoice()
    credit_id = await request_credit(invoice_id, WANTED, actor=SYSTEM)
    assert await stands(invoice_id) == ("partly_paid", 8_000, 0)
    assert await ledger() == [("credit", f"credit:{credit_id}", 8_000)]
    ((method,),) = await rows("SELECT method FROM payment")
    assert method.startswith("Credit note ")
    assert await kept() == [("issued", 8_000, "", "Portal")]
    await request_credit(invoice_id, CreditRequest(usd(40_000)), actor=SYSTEM)
    assert await stands(invoice_id) == ("paid", 48_000, 0)


async def test_with_a_provider_a_credit_waits_for_its_word_and_counts_once(account: Connected) -> None:
    invoice_id = await published(account)
    credit_id = await request_credit(invoice_id, WANTED, actor=SYSTEM)
    assert (await stands(invoice_id), await ledger()) == (("open", 0, 0), [])
    assert await rows("SELECT subject_id FROM sync_task WHERE kind = 'send_credit'") == [(credit_id,)]
    for _ in range(2):
        await apply(account, note(invoice_id, credit_id=credit_id), invoice_id=invoice_id)
    assert await ledger() == [("credit", "cn_1", 8_000)]
    assert await kept() == [("issued", 8_000, "cn_1", "Portal")]


async def test_a_credit_made_at_the_provider_is_kept_until_it_is_voided_there(account: Connected) -> None:
    invoice_id = await published(account)
    await apply(account, note(invoice_id), invoice_id=invoice_id)
    assert await kept() == [("issued", 8_000, "cn_1", "")]
    for _ in range(2):
        await apply(account, note(invoice_id, status="void"), invoice_id=invoice_id)
    assert await kept() == [("void", 8_000, "cn_1", "")]
    assert await stands(invoice_id) == ("open", 0, 0)
    await apply(account, note(invoice_id), invoice_id=invoice_id)  # the past, told late
    assert await kept() == [("void", 8_000, "cn_1", "")]


async def test_what_is_void_is_owed_again_in_full(account: Connected) -> None:
    invoice_id = await published(account)
    await apply(account, note(invoice_id), invoice_id=invoice_id)
    await apply(account, note(invoice_id, status="void"), invoice_id=invoice_id)
    await request_credit(invoice_id, CreditRequest(usd(48_000)), actor=SYSTEM)


async def test_a_credit_on_what_was_paid_is_told_and_changes_no_sum(account: Connected) -> None:
    invoice_id = await published(account)
    await apply(account, PaymentSucceeded(invoice_id, "pi_1", usd(48_000), AT), invoice_id=invoice_id)
    aside = "$80.00 went to the customer's balance."
    seen = note(invoice_id, taken_off=usd(0), aside=aside)
    words = await apply(account, seen, invoice_id=invoice_id)
    assert words.endswith(aside)
    assert await apply(account, seen, invoice_id=invoice_id) == ""
    assert await stands(invoice_id) == ("paid", 48_000, 0)
    told = "SELECT count(*) FROM audit_entry WHERE action = 'invoice.credited'"
    assert await rows(told) == [(1,)]


@pytest.mark.parametrize("amount", [usd(48_001), usd(0), usd(-1), Money(100, "eur")])
async def test_what_cannot_be_a_credit_is_refused(account: Connected, amount: Money) -> None:
    invoice_id = await published(account)
    with pytest.raises(InvalidInput):
        await request_credit(invoice_id, CreditRequest(amount), actor=SYSTEM)
    assert await kept() == []


async def test_ten_credits_at_once_take_off_no_more_than_is_owed(account: Connected) -> None:
    invoice_id = await published(account)
    asked = [request_credit(invoice_id, CreditRequest(usd(16_000)), actor=SYSTEM) for _ in range(10)]
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(end, int) for end in ends) == 3
    assert await rows("SELECT sum(amount_minor)::bigint FROM credit") == [(48_000,)]


async def test_a_debt_that_was_given_up_can_be_credited(account: Connected) -> None:
    invoice_id = await published(account)
    await mark_uncollectible(invoice_id, actor=SYSTEM)
    await request_credit(invoice_id, WANTED, actor=SYSTEM)
    await apply(account, note(invoice_id), invoice_id=invoice_id)
    assert await stands(invoice_id) == ("uncollectible", 8_000, 0)


async def test_a_credit_does_not_keep_an_invoice_from_being_void(account: Connected) -> None:
    invoice_id = await published(account)
    await apply(account, note(invoice_id), invoice_id=invoice_id)
    assert await stands(invoice_id) == ("partly_paid", 8_000, 0)
    await apply(account, InvoiceClosed(invoice_id, "void", AT), invoice_id=invoice_id)
    assert await stands(invoice_id) == ("void", 8_000, 0)


async def test_what_was_credited_is_no_money_that_anybody_paid(account: Connected) -> None:
    invoice_id = await published(account)
    await apply(account, note(invoice_id), invoice_id=invoice_id)
    customer = (await rows("SELECT customer FROM invoice"))[0][0]
    invoice = await find_invoice(invoice_id, today=AT.date())
    assert (invoice.received, invoice.credited, invoice.amount_due) == (usd(0), usd(8_000), usd(40_000))
    assert "receipt" not in sendable(invoice, erased=False)
    assert (await find_customer(customer, today=AT.date(), mode=Mode.TEST)).paid == ()
    assert (await read_figures("test", Period(AT), currency="usd")).collected == (usd(0),)
    chart, *_ = await read_collected("test", AT.date(), zone="UTC", currency="usd")
    assert not any(minor for _, minor in chart.by_month)


async def test_all_the_money_that_came_beside_a_credit_goes_back_as_a_refund(account: Connected) -> None:
    invoice_id = await published(account)
    paid = PaymentSucceeded(invoice_id, "pi_1", usd(40_000), AT)
    await apply(account, note(invoice_id), paid, invoice_id=invoice_id)
    assert await stands(invoice_id) == ("paid", 48_000, 0)
    await apply(account, refund("succeeded", 40_000), invoice_id=invoice_id)
    assert await stands(invoice_id) == ("refunded", 8_000, 40_000)


async def test_an_invoice_that_is_paid_void_or_being_paid_takes_no_credit(account: Connected) -> None:
    paid, gone, busy = [await published(account) for _ in range(3)]
    await apply(account, PaymentSucceeded(paid, "pi_1", usd(48_000), AT), invoice_id=paid)
    await void(gone, actor=SYSTEM)
    await apply(account, PaymentProcessing(busy, "ch_1", usd(48_000), AT), invoice_id=busy)
    for invoice_id in (paid, gone, busy):
        with pytest.raises(Conflict):
            await request_credit(invoice_id, WANTED, actor=SYSTEM)
    assert await kept() == []


async def test_a_copy_that_is_on_its_way_comes_first(account: Connected) -> None:
    invoice_id = await make_invoice()
    with pytest.raises(Conflict, match="does not have this invoice yet"):
        await request_credit(invoice_id, WANTED, actor=SYSTEM)
