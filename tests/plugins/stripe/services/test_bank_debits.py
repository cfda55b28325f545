"""Bank debits: under way for days with a date, decided late, and sometimes taken back after that."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, cast

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.clearing import decided_by
from plugins.stripe.domain.invoices import read_invoice
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.payments import NothingToPay, refresh_payment, start_payment
from plugins.stripe.services.publishing import run_sync_task
from plugins.stripe.services.readings.invoices import invoice_facts
from portal.accounts.services import load_account
from portal.audit.services import SYSTEM
from portal.contract.facts import InvoiceFact
from portal.errors import InvalidInput
from portal.invoices.closing import OfflinePayment, RefundRequest, record_offline_payment, request_refund
from portal.invoices.credits import CreditRequest, request_credit
from portal.invoices.pay_history import pay_history
from portal.invoices.payable import payable_invoice
from portal.invoices.services import void
from portal.money import Money
from portal.settings import current_settings
from tests.builders import Connected, connect_account, make_invoice
from tests.invoices.test_facts import apply, standing
from tests.plugins.stripe.domain.test_invoices import intent, invoice, payment
from tests.plugins.stripe.services.stories import (
    intent_of,
    invoice_row,
    process_all,
    published_invoice,
    take_in,
    task_of,
    value,
)

TOTAL = 48_000
DAY = 86_400


@pytest.fixture
async def debited(account: Connected, stripe: stripe_sdk.V1Services) -> tuple[int, str]:
    """An open invoice: our id, and the id of its intent."""
    invoice_id, external_id = await published_invoice(TOTAL)
    return invoice_id, intent_of(stripe, external_id)


async def events(account: Connected, stripe: stripe_sdk.V1Services) -> None:
    """Everything that is new, newest first."""
    await process_all((await take_in(account, stripe))[::-1])


async def stands(invoice_id: int) -> tuple[Any, ...]:
    row = await invoice_row(invoice_id)
    return row["status"], row["amount_paid_minor"], row["amount_returned_minor"]


async def last_attempt() -> str:
    """State, code and reason."""
    return str(
        await value("SELECT concat_ws('; ', state, code, reason) FROM payment_attempt ORDER BY id DESC")
    )


async def test_a_debit_under_way_says_when_it_is_decided(
    debited: tuple[int, str], account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    invoice_id, intent = debited
    sandbox.advance(20 * DAY)  # the invoice lay for a while, and its intent with it
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    (charge,) = stripe.charges.list().data
    await events(account, stripe)
    began = await value("SELECT occurred_at FROM payment_attempt")
    assert abs(began.timestamp() - charge.created) < DAY  # the call may have crossed a second
    assert await value("SELECT expected_at FROM payment_attempt") == decided_by(began)
    assert await stands(invoice_id) == ("processing", 0, 0)
    sandbox.advance(4 * DAY + 10)
    await events(account, stripe)
    assert await stands(invoice_id) == ("paid", TOTAL, 0)


async def test_a_debit_that_fails_after_days_opens_the_invoice_with_the_reason(
    debited: tuple[int, str], account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    invoice_id, intent = debited
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_accountClosed"})
    await events(account, stripe)
    sandbox.advance(4 * DAY + 10)
    await events(account, stripe)
    assert await stands(invoice_id) == ("open", 0, 0)
    assert (await last_attempt()).startswith("failed; account_closed; ")
    words = await value("SELECT words FROM audit_entry WHERE action = 'payment.failed'")
    assert words.startswith("A payment of $480.00 failed: ")
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_card_visa"})
    await events(account, stripe)
    assert await stands(invoice_id) == ("paid", TOTAL, 0)


async def test_what_the_page_saw_of_a_debit_before_its_events_is_told_in_full_later(
    debited: tuple[int, str], account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    """Which of the two is first is for the machine to decide: the customer reads the same."""
    invoice_id, intent = debited
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    await refresh_payment(await load_account(account.id), invoice_id)
    assert await stands(invoice_id) == ("processing", 0, 0)
    assert await value("SELECT expected_at FROM payment_attempt") is None
    await events(account, stripe)
    assert await value("SELECT expected_at FROM payment_attempt") is not None


async def test_a_refusal_after_days_is_told_though_nobody_knew_the_day(
    debited: tuple[int, str], account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    invoice_id, intent = debited
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    portal_account = await load_account(account.id)
    await refresh_payment(portal_account, invoice_id)
    sandbox.control("POST", "/settle", {"payment_intent": intent, "outcome": "insufficient_funds"})
    await refresh_payment(portal_account, invoice_id)
    told = (await pay_history(invoice_id, "usd")).returned_by_bank
    assert told is not None
    assert (told.amount, told.code, told.was_paid) == (Money(TOTAL, "usd"), "insufficient_funds", False)


async def test_a_debit_that_a_bank_takes_back_after_success_is_owed_again(
    debited: tuple[int, str], account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    invoice_id, intent = debited
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    sandbox.advance(4 * DAY + 10)
    await events(account, stripe)
    assert await stands(invoice_id) == ("paid", TOTAL, 0)
    sandbox.control("POST", "/return", {"payment_intent": intent, "reason": "insufficient_funds"})
    for _ in range(2):
        await events(account, stripe)
    assert await stands(invoice_id) == ("open", 0, 0)
    assert (await last_attempt()).startswith("failed; insufficient_funds; ")
    assert await value("SELECT words FROM audit_entry WHERE action = 'payment.bounced'") == (
        "The bank did not pay $480.00 after all: insufficient funds. It is owed again."
    )
    told = (await pay_history(invoice_id, "usd")).returned_by_bank
    assert told is not None
    assert (told.amount, told.was_paid) == (Money(TOTAL, "usd"), True)
    with pytest.raises(NothingToPay, match="took this payment back"):
        await start_payment(
            await load_account(account.id), await payable_invoice(invoice_id), current_settings()
        )
    wanted = RefundRequest(intent, Money(1, "usd"))
    with pytest.raises(InvalidInput):
        await request_refund(invoice_id, wanted, actor=SYSTEM)
    other = OfflinePayment(Money(TOTAL, "usd"), "Cheque", "", datetime.now(UTC))
    await record_offline_payment(invoice_id, other, actor=SYSTEM)
    await events(account, stripe)
    assert await stands(invoice_id) == ("paid", TOTAL, 0)


async def test_what_a_bank_took_back_can_be_voided_and_stripe_is_asked_once(
    debited: tuple[int, str], account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    invoice_id, intent = debited
    await take_back(intent, account, stripe, sandbox)
    wanted = CreditRequest(Money(TOTAL, "usd"))
    credit = await request_credit(invoice_id, wanted, actor=SYSTEM)
    await run_sync_task(await task_of(credit, "send_credit"))
    assert await value("SELECT failure FROM credit") == (
        "Stripe's copy stays paid, though the bank took the payment back. "
        "Void the invoice here, and send a duplicate of it."
    )
    await void(invoice_id, actor=SYSTEM)
    task = await task_of(invoice_id, "void_invoice")
    await run_sync_task(task)
    assert await value("SELECT concat_ws(' ', state, asked) FROM sync_task WHERE id = $1", task) == "done 1"
    row = await invoice_row(invoice_id)
    assert (row["status"], row["sync_state"]) == ("void", "in_step")


async def take_back(
    intent: str, account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    """A debit succeeds, and its bank returns it days later."""
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_success"})
    sandbox.advance(4 * DAY + 10)
    await events(account, stripe)
    sandbox.control("POST", "/return", {"payment_intent": intent, "reason": "insufficient_funds"})
    await events(account, stripe)


async def test_a_debit_that_the_customer_calls_unauthorised_is_a_dispute_and_not_owed_again(
    debited: tuple[int, str], account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    invoice_id, intent = debited
    stripe.payment_intents.confirm(intent, {"payment_method": "pm_usBankAccount_dispute"})
    sandbox.advance(4 * DAY + 10)
    await events(account, stripe)
    assert await stands(invoice_id) == ("paid", 0, TOTAL)
    (dispute,) = stripe.disputes.list().data
    stripe.disputes.close(dispute.id)
    await events(account, stripe)
    assert await stands(invoice_id) == ("refunded", 0, TOTAL)


async def test_an_account_that_is_proved_by_small_deposits_is_debited_after_that(
    debited: tuple[int, str], account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    invoice_id, intent = debited
    typed: Any = {
        "type": "us_bank_account",
        "billing_details": {"name": "Ada", "email": "ada@example.com"},
        "us_bank_account": {
            "account_holder_type": "individual",
            "account_number": "000123456789",
            "routing_number": "110000000",
        },
    }
    asked = stripe.payment_intents.confirm(intent, {"payment_method_data": typed})
    assert asked.status == "requires_action"
    await events(account, stripe)
    assert await stands(invoice_id) == ("open", 0, 0)
    sandbox.advance(2 * DAY)
    stripe.payment_intents.verify_microdeposits(intent, {"amounts": [32, 45]})
    await events(account, stripe)
    assert await stands(invoice_id) == ("processing", 0, 0)
    assert await value("SELECT expected_at > occurred_at + interval '3 days' FROM payment_attempt")
    sandbox.settle(intent)
    await events(account, stripe)
    assert await stands(invoice_id) == ("paid", TOTAL, 0)


async def test_a_debit_that_succeeded_is_awaited_until_the_invoice_counts_it(database: None) -> None:
    """Stripe's intent may be ahead of its invoice: nobody is asked to pay again meanwhile."""
    account, invoice_id = await connect_account(), await make_invoice(2_500)
    done = intent(status="succeeded", latest_charge="ch_ach")
    for told, status in (
        (invoice(payment(intent(status="processing", latest_charge="ch_ach"))), "processing"),
        (invoice(payment(done)), "processing"),
        (invoice(payment(done, status="paid", amount_paid=2_500), status="paid", amount_paid=2_500), "paid"),
    ):
        facts = cast("Iterator[InvoiceFact]", invoice_facts(read_invoice(told), invoice_id))
        await apply(account, invoice_id, *facts)
        assert (await standing(invoice_id))[0] == status
    assert (await last_attempt()).startswith("succeeded")
