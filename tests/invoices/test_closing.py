"""Giving a debt up, money that came elsewhere, money that goes back: within what is owed and what is left."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portal.audit.services import SYSTEM
from portal.contract.facts import InvoicePublished, PaymentProcessing, PaymentSucceeded
from portal.database.transaction import connection
from portal.errors import Conflict, InvalidInput
from portal.invoices.closing import (
    OfflinePayment,
    RefundRequest,
    mark_uncollectible,
    record_offline_payment,
    request_refund,
)
from portal.invoices.credits import CreditRequest, request_credit
from portal.invoices.services import void
from portal.money import Money
from portal.payments.refundable import refundable_payments
from tests.builders import Connected, connect_account, make_invoice, make_organisation
from tests.exchange.facts import AT, apply, dispute, refund, rows, usd

CASH = OfflinePayment(usd(48_000), "Bank transfer", "RF18", AT)
WANTED = RefundRequest("pi_1", usd(48_000), "requested_by_customer")


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


async def published(account: Connected) -> int:
    """An invoice of ours over $480.00 whose copy is open at the provider."""
    invoice_id = await make_invoice()
    await apply(account, copy(invoice_id), invoice_id=invoice_id)
    return invoice_id


def copy(invoice_id: int) -> InvoicePublished:
    return InvoicePublished(invoice_id, f"in_{invoice_id}", "X-1", "", AT, status="open")


async def tasks() -> list[str]:
    found = await rows("SELECT kind FROM sync_task WHERE kind <> 'publish_invoice' ORDER BY id")
    return [kind for (kind,) in found]


async def stands(invoice_id: int) -> tuple[object, ...]:
    return (await rows("SELECT status, amount_paid_minor FROM invoice WHERE id = $1", invoice_id))[0]


async def test_a_payment_in_full_settles_the_copy_too_and_comes_back_as_nothing_new(
    account: Connected,
) -> None:
    invoice_id = await published(account)
    await record_offline_payment(invoice_id, CASH, actor=SYSTEM)
    assert (await stands(invoice_id), await tasks()) == (("paid", 48_000), ["settle_invoice"])
    told_back = PaymentSucceeded(invoice_id, f"in_{invoice_id}:outside", usd(48_000), AT, offline=True)
    await apply(account, told_back, invoice_id=invoice_id)
    assert await stands(invoice_id) == ("paid", 48_000)
    assert await rows("SELECT account, kind, amount_minor FROM payment") == [(None, "offline", 48_000)]


async def test_a_part_is_recorded_as_such_and_told_to_the_provider(account: Connected) -> None:
    invoice_id = await published(account)
    await record_offline_payment(invoice_id, replace(CASH, amount=usd(10_000)), actor=SYSTEM)
    assert (await stands(invoice_id), await tasks()) == (("partly_paid", 10_000), ["report_payments"])


@pytest.mark.parametrize("reads", [(3,), (1, 2, 3)], ids=["at once", "one after the other"])
async def test_what_the_provider_tells_in_parts_is_what_was_told_and_the_rest(
    account: Connected, reads: tuple[int, ...]
) -> None:
    invoice_id = await published(account)
    await record_offline_payment(invoice_id, replace(CASH, amount=usd(8_000)), actor=SYSTEM)
    told = [
        PaymentSucceeded(invoice_id, name, usd(amount), AT, offline=True)
        for name, amount in (("pr_1", 5_000), ("pr_2", 10_000), ("in_1:outside", 33_000))
    ]
    for count in reads:
        await apply(account, *told[:count], invoice_id=invoice_id)
        await apply(account, *told[:count], invoice_id=invoice_id)
    assert await stands(invoice_id) == ("paid", 48_000)


async def test_a_means_of_the_providers_own_adds_to_what_people_recorded(account: Connected) -> None:
    invoice_id = await published(account)
    await record_offline_payment(invoice_id, replace(CASH, amount=usd(8_000)), actor=SYSTEM)
    balance = PaymentSucceeded(invoice_id, "in_1:balance", usd(5_000), AT, "Customer balance", offline=True)
    await apply(account, balance, invoice_id=invoice_id)
    assert await stands(invoice_id) == ("partly_paid", 13_000)


async def test_a_copy_that_came_after_the_payment_is_settled(account: Connected) -> None:
    invoice_id = await make_invoice()
    await record_offline_payment(invoice_id, CASH, actor=SYSTEM)
    assert await tasks() == []
    await apply(account, copy(invoice_id), invoice_id=invoice_id)
    assert await tasks() == ["settle_invoice"]


@pytest.mark.parametrize(
    "payment",
    [
        replace(CASH, amount=usd(48_001)),
        replace(CASH, amount=usd(0)),
        replace(CASH, amount=usd(-1)),
        replace(CASH, amount=Money(48_000, "eur")),
        replace(CASH, occurred_at=datetime.now(UTC) + timedelta(days=1)),
    ],
)
async def test_what_cannot_be_a_payment_of_it_is_refused(account: Connected, payment: OfflinePayment) -> None:
    invoice_id = await published(account)
    with pytest.raises(InvalidInput):
        await record_offline_payment(invoice_id, payment, actor=SYSTEM)
    assert await stands(invoice_id) == ("open", 0)


async def test_two_people_who_record_the_same_payment_do_not_over_pay(account: Connected) -> None:
    invoice_id = await published(account)
    recorded = [record_offline_payment(invoice_id, CASH, actor=SYSTEM) for _ in range(5)]
    ends = await asyncio.gather(*recorded, return_exceptions=True)
    assert sum(end is None for end in ends) == 1
    assert await stands(invoice_id) == ("paid", 48_000)


async def test_of_those_who_end_an_invoice_at_once_one_comes_first_and_the_others_are_told(
    database: None,
) -> None:
    await make_organisation()
    invoice_id = await make_invoice()
    ends = await asyncio.gather(
        void(invoice_id, actor=SYSTEM),
        record_offline_payment(invoice_id, CASH, actor=SYSTEM),
        request_credit(invoice_id, CreditRequest(usd(48_000)), actor=SYSTEM),
        mark_uncollectible(invoice_id, actor=SYSTEM),
        return_exceptions=True,
    )
    refused = [end for end in ends if isinstance(end, Conflict | InvalidInput)]
    assert len(refused) == sum(isinstance(end, BaseException) for end in ends) >= 2
    ((status, settled),) = await rows("SELECT status, amount_paid_minor FROM invoice")
    assert settled == (48_000 if status == "paid" else 0)
    assert await rows("SELECT coalesce(sum(amount_minor), 0)::bigint FROM payment") == [(settled,)]


async def test_a_payment_under_way_keeps_people_from_ending_it(account: Connected) -> None:
    invoice_id = await published(account)
    await apply(account, PaymentProcessing(invoice_id, "ch_1", usd(48_000), AT), invoice_id=invoice_id)
    with pytest.raises(Conflict):
        await record_offline_payment(invoice_id, CASH, actor=SYSTEM)
    with pytest.raises(Conflict):
        await mark_uncollectible(invoice_id, actor=SYSTEM)
    with pytest.raises(Conflict):
        await request_refund(invoice_id, WANTED, actor=SYSTEM)


async def test_a_debt_that_is_given_up_is_told_to_the_provider(account: Connected) -> None:
    invoice_id = await published(account)
    await mark_uncollectible(invoice_id, actor=SYSTEM)
    assert (await stands(invoice_id), await tasks()) == (("uncollectible", 0), ["uncollectible_invoice"])
    with pytest.raises(Conflict):
        await mark_uncollectible(invoice_id, actor=SYSTEM)


@pytest.mark.parametrize("state", ["waiting", "failed"])
async def test_what_the_provider_was_not_told_stays_shown_whatever_news_comes(
    account: Connected, state: str
) -> None:
    invoice_id = await published(account)
    await mark_uncollectible(invoice_id, actor=SYSTEM)
    await rows("UPDATE sync_task SET state = $1 WHERE kind = 'uncollectible_invoice'", state)
    await rows("UPDATE invoice SET sync_state = $1, sync_error = 'Refused.'", state)
    await apply(account, copy(invoice_id), invoice_id=invoice_id)
    assert await rows("SELECT sync_state, sync_error FROM invoice") == [(state, "Refused.")]
    await rows("UPDATE sync_task SET state = 'done'")
    await apply(account, replace(copy(invoice_id), status="uncollectible"), invoice_id=invoice_id)
    assert await rows("SELECT sync_state, sync_error FROM invoice") == [("in_step", "")]


async def test_ten_refunds_at_once_give_back_no_more_than_was_paid(account: Connected) -> None:
    invoice_id = await published(account)
    await apply(account, PaymentSucceeded(invoice_id, "pi_1", usd(48_000), AT), invoice_id=invoice_id)
    third = replace(WANTED, amount=usd(16_000))
    asked = [request_refund(invoice_id, third, actor=SYSTEM) for _ in range(10)]
    ends = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(end, int) for end in ends) == 3
    assert await rows("SELECT sum(amount_minor)::bigint FROM refund") == [(48_000,)]
    assert await tasks() == ["send_refund"] * 3
    assert await stands(invoice_id) == ("paid", 48_000)


async def test_what_is_on_its_way_back_or_a_bank_took_cannot_be_refunded_as_well(account: Connected) -> None:
    invoice_id = await published(account)
    paid = PaymentSucceeded(invoice_id, "pi_1", usd(48_000), AT)
    taken = dispute("needs_response", withdrawn=True, amount=40_000)
    await apply(account, paid, taken, refund("pending", 1_000), invoice_id=invoice_id)
    with pytest.raises(InvalidInput):
        await request_refund(invoice_id, replace(WANTED, amount=usd(7_001)), actor=SYSTEM)
    await request_refund(invoice_id, replace(WANTED, amount=usd(7_000)), actor=SYSTEM)
    with pytest.raises(InvalidInput):
        await request_refund(invoice_id, replace(WANTED, amount=usd(1)), actor=SYSTEM)


async def test_what_a_bank_returned_and_then_paid_after_all_is_refundable_once(account: Connected) -> None:
    invoice_id = await published(account)
    paid = PaymentSucceeded(invoice_id, "pi_1", usd(48_000), AT)
    for withdrawn in (True, False):
        returned = replace(dispute("needs_response", withdrawn=withdrawn, amount=48_000), bounced=True)
        await apply(account, paid, returned, invoice_id=invoice_id)
    assert await stands(invoice_id) == ("paid", 48_000)
    async with connection() as held:
        payments = await refundable_payments(held, invoice_id)
    assert [(payment.external_id, payment.left) for payment in payments] == [("pi_1", usd(48_000))]


async def test_a_refund_that_failed_can_be_asked_for_again(account: Connected) -> None:
    invoice_id = await published(account)
    await apply(account, PaymentSucceeded(invoice_id, "pi_1", usd(48_000), AT), invoice_id=invoice_id)
    refund_id = await request_refund(invoice_id, WANTED, actor=SYSTEM)
    with pytest.raises(InvalidInput, match="problem"):
        await request_refund(invoice_id, replace(WANTED, amount=usd(1)), actor=SYSTEM)
    failed = replace(refund("failed", 48_000), refund_id=refund_id)
    await apply(account, failed, invoice_id=invoice_id)
    assert await request_refund(invoice_id, WANTED, actor=SYSTEM) > refund_id


async def test_money_that_no_provider_holds_is_not_refunded_by_one(account: Connected) -> None:
    invoice_id = await published(account)
    await record_offline_payment(invoice_id, CASH, actor=SYSTEM)
    with pytest.raises(Conflict, match="No provider"):
        await request_refund(invoice_id, WANTED, actor=SYSTEM)
