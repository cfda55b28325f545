"""Invoices made at a provider look like what they are, and everything that happened to them shows."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portal.contract.facts import UNKNOWN_INVOICE, CollectionSeen, PaymentFailed
from portal.invoices.rules import dispute_stage
from portal.money import Money
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows, usd
from tests.visitors import Visitor

SOON = datetime.now(UTC) + timedelta(days=3)
FAILED = PaymentFailed(UNKNOWN_INVOICE, "ch_0", usd(12_000), AT, "insufficient_funds", "Not enough funds.")


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


async def shown(visitor: Visitor) -> str:
    (invoice_id,) = (await rows("SELECT max(id) FROM invoice"))[0]
    answer = await visitor.get(f"/invoices/{invoice_id}")
    assert answer.status_code == 200
    return answer.text


async def test_the_list_says_where_it_was_made_and_whom_it_is_for(owner: Visitor, account: Connected) -> None:
    await apply(account, make.invoice())
    page = (await owner.get("/invoices")).text
    assert "Made in Stripe" in page
    assert "Initech" in page
    assert "ABCD-0001" in (await owner.get("/invoices?q=abcd")).text


async def test_its_page_leads_to_where_it_is_paid_and_offers_what_can_be_done(
    owner: Visitor, account: Connected
) -> None:
    await apply(account, make.invoice(hosted_url="https://invoice.stripe.com/i/1"))
    page = await shown(owner)
    assert "<dt>Made in</dt><dd>Stripe</dd>" in page
    assert 'href="https://invoice.stripe.com/i/1"' in page
    assert 'id="void-link"' in page
    assert 'id="edit-link"' not in page
    (invoice_id,) = (await rows("SELECT id FROM invoice"))[0]
    assert (await owner.get(f"/invoices/{invoice_id}/edit")).status_code == 303


async def test_voiding_it_tells_the_provider(owner: Visitor, account: Connected) -> None:
    await apply(account, make.invoice())
    (invoice_id,) = (await rows("SELECT id FROM invoice"))[0]
    await owner.post(f"/invoices/{invoice_id}/void", {"confirmation": "ABCD-0001"})
    assert await rows("SELECT status FROM invoice") == [("void",)]
    assert await rows("SELECT kind, subject_id FROM sync_task") == [("void_invoice", invoice_id)]


async def test_a_failed_collection_is_past_due_with_attempt_reason_and_next_attempt(
    owner: Visitor, viewer: Visitor, account: Connected
) -> None:
    await apply(account, make.invoice(), FAILED, CollectionSeen(UNKNOWN_INVOICE, 2, SOON))
    page = await shown(owner)
    assert "Past due" in page
    assert "Attempt 2 to collect it failed: Not enough funds." in page
    assert f"{SOON:%-d %b %Y}" in page
    assert "Not enough funds" not in await shown(viewer)
    assert "ABCD-0001" in (await owner.get("/invoices?tab=past-due&mode=test")).text
    assert "ABCD-0001" not in (await owner.get("/invoices?tab=open&mode=test")).text
    assert "$120.00" in (await owner.get("/?mode=test")).text


@pytest.mark.parametrize(
    ("status", "withdrawn", "words"),
    [
        ("needs_response", True, "Disputed: $120.00. The bank holds the money."),
        ("under_review", True, "The bank holds the money until it decides."),
        ("lost", True, "was lost: the bank gave the money back to the customer."),
    ],
)
async def test_a_dispute_is_told_in_words(
    owner: Visitor, account: Connected, status: str, *, withdrawn: bool, words: str
) -> None:
    await apply(account, make.invoice(), make.payment(), make.dispute(status, withdrawn=withdrawn))
    page = await shown(owner)
    assert words in page
    assert ("Refunded" if status == "lost" else "Paid") in page
    assert "<dt>Disputed</dt><dd>$120.00</dd>" in page


async def test_too_much_is_said_until_the_difference_went_back(owner: Visitor, account: Connected) -> None:
    await apply(account, make.invoice(), make.payment(), make.payment(2, 3_000))
    page = await shown(owner)
    assert "Overpaid by $30.00." in page
    assert "Refund $30.00 of a payment" in page
    await apply(account, make.invoice(), make.refund("succeeded", 3_000, payment_external_id="pi_2"))
    assert "Overpaid" not in await shown(owner)


async def test_what_a_bank_did_not_pay_after_all_is_owed_again_with_the_reason_for_admins(
    owner: Visitor, viewer: Visitor, account: Connected
) -> None:
    late = replace(make.dispute("lost", withdrawn=True), reason="account closed", bounced=True)
    await apply(account, make.invoice(), make.payment(), late)
    assert await make.standing() == ("open", 0, 0)
    page = await shown(owner)
    assert "The bank did not pay $120.00 after all: account closed." in page
    assert "was lost" not in page
    assert "Payment came back" in page
    assert "account closed" not in await shown(viewer)
    await apply(account, make.invoice(), replace(late, status="won", withdrawn=False))
    assert await make.standing() == ("paid", 12_000, 0)


async def test_a_dispute_in_another_currency_is_shown_in_its_own(owner: Visitor, account: Connected) -> None:
    seen = replace(make.dispute("needs_response", withdrawn=True), amount=Money(10_500, "eur"))
    await apply(account, make.invoice(), make.payment(), seen)
    assert await make.standing() == ("paid", 12_000, 0)
    page = await shown(owner)
    assert "Disputed: €105.00. The bank holds the money." in page
    assert "What the dispute of €105.00 took in USD is not known: look in Stripe." in page
    await apply(account, make.invoice(), replace(seen, status="lost"))
    assert await make.standing() == ("paid", 12_000, 0)


async def test_what_the_balance_lost_counts_when_the_dispute_is_in_another_currency(
    owner: Visitor, account: Connected
) -> None:
    seen = replace(
        make.dispute("needs_response", withdrawn=True), amount=Money(10_500, "eur"), taken=usd(11_900)
    )
    await apply(account, make.invoice(), make.payment(), seen)
    assert await make.standing() == ("paid", 100, 11_900)
    await apply(account, make.invoice(), replace(seen, status="lost"))
    assert await make.standing() == ("paid", 100, 11_900)
    await apply(account, make.invoice(), replace(seen, status="won", withdrawn=False))
    assert await make.standing() == ("paid", 12_000, 0)


async def test_refunds_stand_among_the_payments_with_who_asked_and_why_they_failed(
    owner: Visitor, viewer: Visitor, account: Connected
) -> None:
    await apply(account, make.invoice(), make.payment(), make.refund("succeeded", 2_000))
    await apply(account, make.invoice(), make.refund("failed", 2_000, failure="The card is closed."))
    page = await shown(owner)
    assert "Started in Stripe" in page
    assert "The card is closed." in page
    assert "Refund came back" in page
    assert "The card is closed." not in await shown(viewer)


@pytest.mark.parametrize(
    ("status", "withdrawn", "stage"),
    [
        ("needs_response", False, "answer"),
        ("warning_needs_response", False, "answer"),
        ("appeal_needs_response", True, "answer"),
        ("under_review", True, "held"),
        ("won", True, "held"),
        ("won", False, ""),
        ("lost", True, "lost"),
        ("lost", False, ""),
        ("warning_under_review", False, "watch"),
        ("warning_closed", False, ""),
        ("prevented", False, ""),
    ],
)
def test_what_a_dispute_means_now(status: str, *, withdrawn: bool, stage: str) -> None:
    assert dispute_stage(status, withdrawn=withdrawn) == stage


async def test_another_attempt_is_offered_to_admins_after_one_failed_and_made_once_for_a_form(
    owner: Visitor, viewer: Visitor, account: Connected
) -> None:
    await apply(account, make.invoice())
    assert 'id="collect-link"' not in await shown(owner)
    await apply(account, make.invoice(), FAILED, CollectionSeen(UNKNOWN_INVOICE, 2, SOON))
    assert 'id="collect-link"' in await shown(owner)
    assert 'id="collect-link"' not in await shown(viewer)
    (invoice_id,) = (await rows("SELECT id FROM invoice"))[0]
    question = (await owner.get(f"/invoices/{invoice_id}/collect")).text
    assert "charges $120.00 to the payment method that the customer saved" in question
    form_key = question.partition('name="form_key" value="')[2].partition('"')[0]
    for _ in range(2):
        await owner.post(f"/invoices/{invoice_id}/collect", {"form_key": form_key})
    assert await rows("SELECT kind, subject_id, asked FROM sync_task") == [("collect_invoice", invoice_id, 1)]
    assert (await viewer.post(f"/invoices/{invoice_id}/collect", {"form_key": form_key})).status_code == 403
