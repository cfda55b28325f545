"""Parts that were paid elsewhere, and credits: Stripe asks for exactly what is left, whoever began it."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Never

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway import settling
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.payments import NothingToPay, start_payment
from plugins.stripe.services.publishing import run_sync_task
from portal.accounts.services import load_account
from portal.audit.services import SYSTEM
from portal.errors import Conflict
from portal.invoices.closing import OfflinePayment, record_offline_payment
from portal.invoices.credits import CreditRequest, request_credit
from portal.invoices.payable import payable_invoice
from portal.invoices.services import retry_sync
from portal.invoices.sums import Discount, DraftLine
from portal.money import Money, step
from portal.settings import current_settings
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.errands import World
from tests.plugins.stripe.services.stories import (
    intent_of,
    invoice_row,
    process_all,
    published_invoice,
    retry_now,
    take_in,
    task_of,
    value,
)

TOTAL = 48_000


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture
def world(account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services) -> World:
    return World(account, sandbox, stripe)


async def part(invoice_id: int, amount: int = 8_000) -> None:
    """A part comes by bank transfer."""
    payment = OfflinePayment(Money(amount, "usd"), "Bank transfer", "RF18", datetime.now(UTC))
    await record_offline_payment(invoice_id, payment, actor=SYSTEM)


async def reported(world: World, invoice_id: int, amount: int = 8_000) -> int:
    """The same, and Stripe hears of it; the task."""
    await part(invoice_id, amount)
    task = await world.waiting("report_payments")
    await run_sync_task(task)
    return task


async def credit(world: World, invoice_id: int, amount: int = 8_000) -> int:
    """A credit is asked for; the task."""
    await request_credit(invoice_id, CreditRequest(Money(amount, "usd"), "order_change"), actor=SYSTEM)
    return await world.waiting("send_credit")


async def start(world: World, invoice_id: int) -> None:
    """The pay page asks for a payment."""
    await start_payment(
        await load_account(world.account.id), await payable_invoice(invoice_id), current_settings()
    )


async def stands(invoice_id: int) -> tuple[Any, ...]:
    row = await invoice_row(invoice_id)
    return row["status"], row["amount_paid_minor"], row["amount_returned_minor"], row["entries"]


async def events(world: World, *types: str) -> None:
    """Whatever Stripe tells arrives, newest first, twice."""
    ids = await take_in(world.account, world.stripe, *types)
    await process_all(ids[::-1])
    await process_all(ids)


async def test_after_a_part_was_paid_elsewhere_the_pay_page_takes_exactly_the_rest(world: World) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    intent = intent_of(world.stripe, external_id)
    await reported(world, invoice_id)
    await start(world, invoice_id)
    assert world.stripe.payment_intents.retrieve(intent).amount == TOTAL - 8_000
    world.stripe.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    await events(world)
    assert await stands(invoice_id) == ("paid", TOTAL, 0, 2)
    theirs = world.stripe.invoices.retrieve(external_id)
    assert (theirs.status, theirs.amount_paid, theirs.amount_overpaid) == ("paid", TOTAL, 0)
    (record,) = world.stripe.payment_records.list().data
    assert record.payment_method_details is not None
    assert record.payment_method_details.custom is not None
    assert record.payment_method_details.custom.display_name == "Bank transfer"
    assert record.metadata.to_dict()["portal_payment"].endswith(f":{await _payment_of(invoice_id)}")


@pytest.mark.parametrize(("currency", "unit"), [("jpy", 9_999), ("kwd", 33_330), ("isk", 99_900)])
async def test_a_discounted_total_paid_in_parts_comes_to_the_same_on_both_sides(
    world: World, currency: str, unit: int
) -> None:
    lines = (
        DraftLine("Desks", 3, Money(unit, currency), Decimal(19), "VAT"),
        DraftLine("Taken back", 1, Money(-step(currency) * 7, currency), Decimal(7), "Reduced"),
    )
    invoice_id = await make_invoice(
        currency=currency, lines=lines, discount=Discount(percent=Decimal("12.5"))
    )
    await run_sync_task(await task_of(invoice_id))
    row = await invoice_row(invoice_id)
    total, least = row["total_minor"], step(currency)
    intent = intent_of(world.stripe, row["external_id"])
    payment = OfflinePayment(Money(total // 3 // least * least, currency), "Cash", "", datetime.now(UTC))
    await record_offline_payment(invoice_id, payment, actor=SYSTEM)
    await run_sync_task(await world.waiting("report_payments"))
    await start(world, invoice_id)
    world.stripe.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    await events(world)
    theirs = world.stripe.invoices.retrieve(row["external_id"])
    assert (theirs.status, theirs.total, theirs.amount_paid, theirs.amount_overpaid) == (
        "paid",
        total,
        total,
        0,
    )
    assert await stands(invoice_id) == ("paid", total, 0, 2)


async def test_what_is_free_after_its_discount_is_paid_at_once_and_never_sent(world: World) -> None:
    invoice_id = await make_invoice(TOTAL, discount=Discount(percent=Decimal(100)))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["total_minor"], row["entries"]) == ("paid", 0, 0)
    assert await value("SELECT count(*) FROM sync_task WHERE subject_id = $1", invoice_id) == 0
    with pytest.raises(Conflict):
        await part(invoice_id, 1)
    assert world.stripe.invoices.list().data == []


async def _payment_of(invoice_id: int) -> int:
    return int(await value("SELECT min(id) FROM payment WHERE invoice = $1", invoice_id))


async def test_until_stripe_heard_of_it_nobody_pays_too_much(world: World) -> None:
    invoice_id, _ = await published_invoice(TOTAL)
    await part(invoice_id)
    with pytest.raises(NothingToPay):
        await start(world, invoice_id)


async def test_a_key_without_the_right_says_which_one_and_nobody_pays_until_it_is_there(world: World) -> None:
    invoice_id, _ = await published_invoice(TOTAL)
    world.sandbox.add_fault(
        match="POST /v1/payment_records/report_payment",
        status=403,
        message="Having the 'rak_payment_record_write' permission would allow this request to continue.",
        times=1,
    )
    task = await reported(world, invoice_id)
    row = await invoice_row(invoice_id)
    assert (row["status"], row["sync_state"]) == ("partly_paid", "failed")
    assert row["sync_error"] == (
        "Stripe still asks for all of $480.00: the key may not report what was paid elsewhere. Allow Payment "
        "Records: Write in Stripe (Stripe calls it rak_payment_record_write), then try again."
    )
    assert await value("SELECT state FROM connected_account") == "ready"
    with pytest.raises(NothingToPay):
        await start(world, invoice_id)
    await retry_sync(invoice_id, actor=SYSTEM)
    await run_sync_task(task)
    assert (await invoice_row(invoice_id))["sync_state"] == "in_step"
    await start(world, invoice_id)


async def test_a_worker_that_dies_between_the_two_steps_leaves_one_report(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    await part(invoice_id)
    task = await world.waiting("report_payments")

    async def dies(*_: Any, **__: Any) -> Never:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(settling, "attach_record", dies)
        with pytest.raises(Killed):
            await run_sync_task(task)
    assert world.stripe.invoices.retrieve(external_id).amount_paid == 0
    await value("UPDATE sync_task SET lease_until = now() - interval '1 s' WHERE id = $1", task)
    world.sandbox.advance(25 * 3600)  # the keys are forgotten as well
    await run_sync_task(task)
    assert world.stripe.invoices.retrieve(external_id).amount_paid == 8_000
    assert len(world.stripe.payment_records.list().data) == 1


async def test_a_part_that_came_before_the_copy_is_told_once_there_is_one(world: World) -> None:
    invoice_id = await make_invoice(TOTAL)
    await part(invoice_id)
    await run_sync_task(await task_of(invoice_id))
    await events(world)
    await run_sync_task(await world.waiting("report_payments"))
    await events(world)
    assert world.stripe.invoices.list().data[0].amount_remaining == TOTAL - 8_000
    assert await stands(invoice_id) == ("partly_paid", 8_000, 0, 1)
    assert await value("SELECT asked FROM sync_task WHERE kind = 'report_payments'") == 1


async def test_parts_and_then_the_rest_elsewhere_pay_both_sides_once(world: World) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    await reported(world, invoice_id)
    await reported(world, invoice_id, 2_000)
    await part(invoice_id, 38_000)
    await run_sync_task(await world.waiting("settle_invoice"))
    await events(world)
    theirs = world.stripe.invoices.retrieve(external_id)
    assert (theirs.status, theirs.amount_paid, theirs.amount_overpaid) == ("paid", TOTAL, 0)
    assert await stands(invoice_id) == ("paid", TOTAL, 0, 3)


async def test_a_part_that_somebody_reported_in_stripe_is_taken_over(world: World) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    made = world.stripe.payment_records.report_payment(
        {
            "amount_requested": {"currency": "usd", "value": 5_000},
            "initiated_at": 1_700_000_000,
            "outcome": "guaranteed",
            "guaranteed": {"guaranteed_at": 1_700_000_000},
            "payment_method_details": {"type": "custom", "custom": {"display_name": "Cheque"}},
        }
    )
    world.stripe.invoices.attach_payment(external_id, {"payment_record": made.id})
    await events(world, "invoice_payment.paid", "invoice.updated")
    assert await stands(invoice_id) == ("partly_paid", 5_000, 0, 1)
    await reported(world, invoice_id)
    await events(world)
    assert await stands(invoice_id) == ("partly_paid", 13_000, 0, 2)
    await start(world, invoice_id)


async def test_a_payment_that_was_quicker_shows_as_overpaid_on_both_sides(world: World) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    await part(invoice_id)
    world.stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await run_sync_task(await world.waiting("report_payments"))
    await events(world)
    assert await stands(invoice_id) == ("paid", TOTAL + 8_000, 0, 2)
    assert world.stripe.payment_records.list().data == []


async def test_a_debit_that_was_under_way_when_a_part_was_told_is_overpaid(world: World) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    intent = intent_of(world.stripe, external_id)
    await part(invoice_id)
    world.stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    await run_sync_task(await world.waiting("report_payments"))
    world.sandbox.control("POST", "/settle", {"payment_intent": intent, "outcome": "succeeded"})
    await events(world)
    assert world.stripe.invoices.retrieve(external_id).amount_overpaid == 8_000
    assert await stands(invoice_id) == ("paid", TOTAL + 8_000, 0, 2)


async def test_a_credit_from_here_lets_stripe_ask_for_less(world: World) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    await run_sync_task(await credit(world, invoice_id))
    await events(world)
    (note,) = world.stripe.credit_notes.list({"invoice": external_id}).data
    assert (note.amount, note.reason, note.memo) == (8_000, "order_change", None)
    assert await stands(invoice_id) == ("partly_paid", 8_000, 0, 1)
    assert await _credits() == f"issued 8000 {note.id} by Portal"
    await start(world, invoice_id)
    assert world.stripe.invoices.retrieve(external_id).amount_remaining == TOTAL - 8_000


async def _credits() -> str:
    query = "SELECT string_agg(concat_ws(' ', status, amount_minor, external_id, 'by', requested_by), ', ')"
    return str(await value(f"{query} FROM credit"))


async def test_a_credit_of_all_that_is_owed_ends_the_invoice_on_both_sides(world: World) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    await run_sync_task(await credit(world, invoice_id, TOTAL))
    await events(world)
    assert world.stripe.invoices.retrieve(external_id).status == "paid"
    assert await stands(invoice_id) == ("paid", TOTAL, 0, 1)


@pytest.mark.parametrize(
    ("meanwhile", "words"),
    [
        ("paid", "It was paid meanwhile. Refund the payment instead."),
        ("voided", "In Stripe the invoice is void by now."),
        ("credited", "Stripe asks for $70.00 only. Credit no more than that."),
    ],
)
async def test_a_credit_that_came_too_late_fails_in_words(world: World, meanwhile: str, words: str) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    task = await credit(world, invoice_id)
    if meanwhile == "paid":
        world.stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    elif meanwhile == "voided":
        world.stripe.invoices.void_invoice(external_id)
    else:
        world.stripe.credit_notes.create({"invoice": external_id, "amount": 41_000})
    await run_sync_task(task)
    assert await value("SELECT failure FROM credit WHERE status = 'failed'") == words
    assert await value("SELECT state FROM sync_task WHERE id = $1", task) == "failed"
    assert len(world.stripe.credit_notes.list().data) == (meanwhile == "credited")


async def test_a_payment_that_overtakes_a_credit_on_its_way_out_makes_it_fail(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    task = await credit(world, invoice_id)
    real = settling.create_credit_note

    async def paid_just_now(*arguments: Any, **named: Any) -> None:
        world.stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
        await real(*arguments, **named)

    monkeypatch.setattr(settling, "create_credit_note", paid_just_now)
    await run_sync_task(task)
    assert await value("SELECT failure FROM credit") == "It was paid meanwhile. Refund the payment instead."
    assert await stands(invoice_id) == ("paid", TOTAL, 0, 1)


async def test_a_credit_without_the_right_waits_for_it(world: World) -> None:
    invoice_id, _ = await published_invoice(TOTAL)
    task = await credit(world, invoice_id)
    world.sandbox.add_fault(match="POST /v1/credit_notes", status=403, times=1)
    await run_sync_task(task)
    assert await value("SELECT status FROM credit") == "requested"
    await retry_now(task)
    assert await value("SELECT status FROM credit") == "issued"


async def test_a_credit_that_is_voided_in_stripe_is_owed_again(world: World) -> None:
    invoice_id, _ = await published_invoice(TOTAL)
    await run_sync_task(await credit(world, invoice_id))
    (note,) = world.stripe.credit_notes.list().data
    world.stripe.credit_notes.void_credit_note(note.id)
    await events(world)
    assert await stands(invoice_id) == ("open", 0, 0, 2)
    assert await value("SELECT status FROM credit") == "void"
    await start(world, invoice_id)


async def test_a_credit_note_on_what_was_paid_is_told_and_its_refund_counts_once(world: World) -> None:
    invoice_id, external_id = await published_invoice(TOTAL)
    world.stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    await events(world)
    note = world.stripe.credit_notes.create(
        {
            "invoice": external_id,
            "amount": 6_000,
            "refund_amount": 3_000,
            "credit_amount": 2_000,
            "out_of_band_amount": 1_000,
        }
    )
    await events(world)
    assert await stands(invoice_id) == ("paid", TOTAL - 3_000, 3_000, 2)
    assert await value("SELECT words FROM audit_entry WHERE action = 'invoice.credited'") == (
        f"Credit note {note.number} of $60.00 was issued. $30.00 of it goes back as a refund. $20.00 of it "
        "went to the customer's balance in Stripe. $10.00 of it was given back outside Stripe."
    )
    assert await value("SELECT count(*) FROM audit_entry WHERE action = 'invoice.credited'") == 1
