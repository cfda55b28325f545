"""What people do on the invoice's page: each acts once, within the rules, and for who may."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta

import pytest

from portal.audit.services import SYSTEM
from portal.contract.facts import InvoicePublished, Mode, PaymentProcessing, PaymentSucceeded
from portal.database.transaction import transaction
from portal.invoices.services import pay_link, void
from tests.builders import Connected, connect_account, make_invoice
from tests.exchange.facts import AT, apply, dispute, refund, rows, usd
from tests.visitors import Visitor

KEY = re.compile(r'name="form_key" value="([^"]+)"')
HTMX = {"hx_request": "true", "hx_request_type": "partial"}
TODAY = datetime.now(UTC).date().isoformat()
"""The organisation of these tests is in UTC."""
FORMS: dict[str, dict[str, str]] = {
    "record-payment": {"amount": "100", "received_on": TODAY, "method": "cash", "reference": "R-1"},
    "refund": {"payment": "pi_1", "amount": "100", "reason": "duplicate", "words": ""},
    "credit": {"amount": "100", "reason": "Late delivery"},
    "uncollectible": {},
    "new-link": {},
    "link-end": {"expires_on": "2199-01-01"},
}
CHECKS = ("record-payment", "refund", "credit")


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


async def published(account: Connected) -> int:
    """An invoice of ours over $480.00 whose copy is open at the provider."""
    invoice_id = await make_invoice()
    fact = InvoicePublished(invoice_id, f"in_{invoice_id}", "X-1", "", AT, status="open")
    await apply(account, fact, invoice_id=invoice_id)
    return invoice_id


async def paid(account: Connected, minor: int = 48_000, payment: str = "pi_1") -> int:
    invoice_id = await published(account)
    await pay(account, invoice_id, minor, payment)
    return invoice_id


async def pay(account: Connected, invoice_id: int, minor: int, payment: str) -> None:
    fact = PaymentSucceeded(invoice_id, payment, usd(minor), AT, "Visa ending 4242", attempt_id=payment)
    await apply(account, fact, invoice_id=invoice_id)


async def form_of(visitor: Visitor, invoice_id: int, path: str, **changes: str) -> dict[str, str]:
    """The form as it would be sent, with the key of its own page."""
    found = KEY.search((await visitor.get(f"/invoices/{invoice_id}/{path}")).text)
    assert found, path
    return {**FORMS[path], "form_key": found[1], **changes}


async def send(visitor: Visitor, invoice_id: int, path: str, **changes: str) -> str:
    """Fill in the form and press the button; returns the page that follows."""
    form = await form_of(visitor, invoice_id, path, **changes)
    answer = await visitor.post(f"/invoices/{invoice_id}/{path}", form)
    assert answer.headers.get("location") == f"/invoices/{invoice_id}", answer.text[:3_000]
    return (await visitor.get(answer.headers["location"])).text


async def counts() -> tuple[int, ...]:
    """Rows of the ledger, refunds, credits, and entries of the log that a person made."""
    found = await rows(
        """
        SELECT (SELECT count(*) FROM payment), (SELECT count(*) FROM refund), (SELECT count(*) FROM credit),
               (SELECT count(*) FROM audit_entry WHERE actor_kind = 'person' AND object_kind = 'invoice')
        """
    )
    return tuple(int(str(count)) for count in found[0])


async def test_a_recorded_payment_is_shown_with_what_is_still_due(owner: Visitor, account: Connected) -> None:
    invoice_id = await published(account)
    page = await send(owner, invoice_id, "record-payment", method="cheque", reference="No. 17")
    for words in (
        "Recorded $100.00.",
        "Recorded $100.00 by Cheque, No. 17.",
        "$380.00",
        "Partly paid: $100.00",
    ):
        assert words in page
    assert await rows("SELECT kind, amount_minor, method FROM payment") == [("offline", 10_000, "Cheque")]


async def test_the_form_begins_with_what_is_due_and_today(owner: Visitor, account: Connected) -> None:
    page = (await owner.get(f"/invoices/{await published(account)}/record-payment")).text
    assert 'value="480.00"' in page
    assert f'value="{TODAY}"' in page
    assert "Stripe is told of it" in page


async def test_a_day_counts_where_the_organisation_is(owner: Visitor, account: Connected) -> None:
    async with transaction() as tx:
        await tx.connection.execute("UPDATE organisation SET time_zone = 'Pacific/Kiritimati'")
    invoice_id = await published(account)
    await send(owner, invoice_id, "record-payment", received_on="2026-03-01")
    [(at,)] = await rows("SELECT occurred_at FROM payment")
    assert at == datetime(2026, 2, 28, 22, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"amount": "480.01"}, "Only $480.00 is owed."),
        ({"amount": "0"}, "Enter an amount above zero."),
        ({"amount": "-5"}, "Enter an amount above zero."),
        ({"amount": "ten"}, "Enter an amount in digits"),
        ({"received_on": "2199-01-01"}, "This day has not come yet."),
        ({"received_on": "soon"}, "Enter a day, as in"),
        ({"method": "gold"}, "Choose how the money came."),
        ({"reference": "x" * 101}, "Use at most 100 characters."),
    ],
)
async def test_a_payment_that_cannot_be_is_refused_and_stays_typed(
    owner: Visitor, account: Connected, changes: dict[str, str], words: str
) -> None:
    invoice_id = await published(account)
    form = await form_of(owner, invoice_id, "record-payment", **{"reference": "Kept", **changes})
    answer = await owner.post(f"/invoices/{invoice_id}/record-payment", form)
    assert answer.status_code == 422
    assert f'href="#{next(iter(changes))}"' in answer.text
    assert words in answer.text
    assert form["reference"] in answer.text
    assert await rows("SELECT FROM payment") == []


async def test_a_refund_goes_out_with_its_reason_and_is_listed(owner: Visitor, account: Connected) -> None:
    invoice_id = await paid(account)
    page = await send(owner, invoice_id, "refund", amount="80.50")
    assert "A refund of $80.50 is on its way." in page
    assert "Asked for by Ana Duarte" in page
    assert await rows("SELECT amount_minor, reason, status FROM refund") == [
        (8_050, "duplicate", "requested")
    ]
    again = (await owner.get(f"/invoices/{invoice_id}/refund")).text
    assert "$399.50 can be refunded." in again


async def test_what_went_back_stands_below_zero_on_one_line(owner: Visitor, account: Connected) -> None:
    invoice_id = await paid(account)
    await apply(account, refund("succeeded", 8_050, invoice_id=invoice_id), invoice_id=invoice_id)
    assert 'text-nowrap">−$80.50<' in (await owner.get(f"/invoices/{invoice_id}")).text


async def test_own_words_are_the_reason_when_none_of_the_providers_fits(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await paid(account)
    form = await form_of(owner, invoice_id, "refund", reason="other")
    refused = await owner.post(f"/invoices/{invoice_id}/refund", form)
    assert refused.status_code == 422
    assert "Say why in a few words" in refused.text
    assert "Broken VAT" in await send(owner, invoice_id, "refund", reason="other", words="broken VAT")


@pytest.mark.parametrize("amount", ["480.01", "0", "-1"])
async def test_more_than_was_paid_is_not_refunded(owner: Visitor, account: Connected, amount: str) -> None:
    invoice_id = await paid(account)
    form = await form_of(owner, invoice_id, "refund", amount=amount)
    assert (await owner.post(f"/invoices/{invoice_id}/refund", form)).status_code == 422
    assert await rows("SELECT FROM refund") == []


async def test_a_payment_of_another_invoice_cannot_be_refunded_here(
    owner: Visitor, account: Connected
) -> None:
    invoice_id, _ = await paid(account), await paid(account, payment="pi_2")
    page = await send(owner, invoice_id, "refund", payment="pi_2")
    assert "No provider holds this payment." in page
    assert await rows("SELECT FROM refund") == []


async def test_what_came_on_top_is_suggested_for_the_refund(owner: Visitor, account: Connected) -> None:
    invoice_id = await paid(account)
    await pay(account, invoice_id, 12_000, "pi_2")
    page = (await owner.get(f"/invoices/{invoice_id}/refund")).text
    assert "$120.00 more came than was asked for." in page
    assert 'value="120.00"' in page
    assert page.count("<option") == 6


async def test_what_a_bank_holds_in_a_dispute_cannot_be_refunded_too(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await paid(account)
    await apply(account, dispute("needs_response", withdrawn=True, amount=48_000), invoice_id=invoice_id)
    answer = await owner.get(f"/invoices/{invoice_id}/refund")
    assert answer.headers["location"] == f"/invoices/{invoice_id}"


async def test_a_refund_that_failed_says_why_and_can_be_asked_for_again(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await paid(account)
    failed = refund("failed", 48_000, failure="The card has expired or was cancelled.")
    await apply(account, failed, invoice_id=invoice_id)
    page = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "The card has expired or was cancelled." in page
    assert "$480.00 can be refunded." in (await owner.get(f"/invoices/{invoice_id}/refund")).text


async def test_a_credit_is_asked_for_and_lowers_what_else_can_be_credited(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await published(account)
    page = await send(owner, invoice_id, "credit")
    assert "Stripe issues a credit of $100.00." in page
    assert "Late delivery" in page
    assert "At most $380.00 can be credited" in (await owner.get(f"/invoices/{invoice_id}/credit")).text


async def test_without_a_provider_a_credit_counts_at_once(owner: Visitor) -> None:
    invoice_id = await make_invoice()
    page = await send(owner, invoice_id, "credit", amount="480")
    assert "Credited $480.00." in page
    assert 'id="invoice-status"' in page
    assert await rows("SELECT status FROM invoice") == [("paid",)]


async def test_a_debt_that_was_given_up_can_still_be_paid(owner: Visitor, account: Connected) -> None:
    invoice_id = await published(account)
    page = await send(owner, invoice_id, "uncollectible")
    assert "Marked as uncollectible." in page
    assert f'href="/invoices/{invoice_id}/record-payment"' in page
    assert f'href="/invoices/{invoice_id}/uncollectible"' not in page


async def test_a_new_link_stands_on_the_page_and_the_old_one_is_gone(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await make_invoice()
    old = await pay_link(invoice_id)
    page = await send(owner, invoice_id, "new-link")
    new = await pay_link(invoice_id)
    assert old
    assert new
    assert old not in page
    assert new in page
    assert (await owner.get(old)).status_code == 404


async def test_the_links_last_day_is_over_at_its_end(owner: Visitor, account: Connected) -> None:
    async with transaction() as tx:
        await tx.connection.execute("UPDATE organisation SET time_zone = 'America/New_York'")
    invoice_id = await make_invoice()
    day = datetime.now(UTC).date() + timedelta(days=40)
    await send(owner, invoice_id, "link-end", expires_on=day.isoformat())
    [(found,)] = await rows("SELECT (pay_link_expires_at AT TIME ZONE 'America/New_York')::text FROM invoice")
    assert found == f"{day} 23:59:59"


@pytest.mark.parametrize("day", ["2020-01-01", "2199-01-01", "soon", ""])
async def test_a_link_ends_neither_in_the_past_nor_never(
    owner: Visitor, account: Connected, day: str
) -> None:
    invoice_id = await make_invoice()
    form = await form_of(owner, invoice_id, "link-end", expires_on=day)
    answer = await owner.post(f"/invoices/{invoice_id}/link-end", form)
    assert answer.status_code == 422
    assert 'href="#expires_on"' in answer.text


async def test_an_expired_link_works_again_with_another_end(owner: Visitor, account: Connected) -> None:
    invoice_id = await make_invoice()
    async with transaction() as tx:
        await tx.connection.execute("UPDATE invoice SET pay_link_expires_at = now()")
    assert "The pay link has expired" in (await owner.get(f"/invoices/{invoice_id}")).text
    await send(owner, invoice_id, "link-end", expires_on=TODAY)
    assert await pay_link(invoice_id)


@pytest.mark.parametrize("path", FORMS)
async def test_two_presses_at_once_have_one_effect_and_the_same_answer(
    owner: Visitor, account: Connected, path: str
) -> None:
    invoice_id = await (paid(account) if path == "refund" else published(account))
    end = {"expires_on": TODAY} if path == "link-end" else {}
    form = await form_of(owner, invoice_id, path, **end)
    before = await counts()
    answers = await asyncio.gather(*(owner.post(f"/invoices/{invoice_id}/{path}", form) for _ in range(2)))
    assert {answer.status_code for answer in answers} == {303}
    after = await counts()
    first = await owner.get(f"/invoices/{invoice_id}")
    again = await owner.post(f"/invoices/{invoice_id}/{path}", form)
    assert again.status_code == 303
    assert await counts() == after
    assert sum(after) - sum(before) == (1 if path in ("uncollectible", "new-link", "link-end") else 2)
    assert first.status_code == 200


@pytest.mark.parametrize("path", CHECKS)
async def test_the_effect_is_said_while_the_amount_is_typed(
    owner: Visitor, account: Connected, path: str
) -> None:
    invoice_id = await (paid(account) if path == "refund" else published(account))
    for amount, words in (
        ("100", "$380.00"),
        ("480", "othing"),
        ("1000", "Only $480.00"),
        ("x", "in digits"),
    ):
        form = {**FORMS[path], "amount": amount}
        answer = await owner.post(f"/invoices/{invoice_id}/{path}/check", form, **HTMX)
        assert answer.status_code == 200
        assert words in answer.text
        assert "<html" not in answer.text
    assert await rows("SELECT FROM refund") == []


@pytest.mark.parametrize("path", FORMS)
async def test_htmx_gets_a_dialog_and_everybody_else_a_page(
    owner: Visitor, account: Connected, path: str
) -> None:
    invoice_id = await (paid(account) if path == "refund" else published(account))
    dialog = (await owner.get(f"/invoices/{invoice_id}/{path}", **HTMX)).text
    assert "<dialog" in dialog
    assert "data-open" in dialog
    assert "<html" not in dialog
    page = (await owner.get(f"/invoices/{invoice_id}/{path}")).text
    assert "<dialog" not in page
    assert "<h1" in page


@pytest.mark.parametrize("path", FORMS)
async def test_a_viewer_can_neither_ask_nor_act(
    viewer: Visitor, owner: Visitor, account: Connected, path: str
) -> None:
    invoice_id = await (paid(account) if path == "refund" else published(account))
    form = await form_of(owner, invoice_id, path)
    before = await counts()
    assert (await viewer.get(f"/invoices/{invoice_id}/{path}")).status_code == 403
    assert (await viewer.post(f"/invoices/{invoice_id}/{path}", form)).status_code == 403
    if path in CHECKS:
        checked = await viewer.post(f"/invoices/{invoice_id}/{path}/check", FORMS[path])
        assert checked.status_code == 403
    page = (await viewer.get(f"/invoices/{invoice_id}")).text
    assert f'href="/invoices/{invoice_id}/{path}"' not in page
    assert await counts() == before


@pytest.mark.parametrize("path", FORMS)
async def test_somebody_who_is_not_signed_in_is_sent_to_the_door(
    visitor: Visitor, database: None, path: str
) -> None:
    await connect_account()
    invoice_id = await make_invoice()
    for answer in (
        await visitor.get(f"/invoices/{invoice_id}/{path}"),
        await visitor.post(f"/invoices/{invoice_id}/{path}", {**FORMS[path], "form_key": "k" * 24}),
    ):
        assert answer.status_code in (303, 401)
        assert "/invoices/" not in answer.headers.get("location", "").split("?")[0]
    assert await rows("SELECT FROM payment") == []


@pytest.mark.parametrize("path", FORMS)
@pytest.mark.parametrize("state", ["draft", "void", "processing", "missing"])
async def test_what_does_not_apply_is_refused_with_the_reason(
    owner: Visitor, account: Connected, path: str, state: str
) -> None:
    invoice_id = await in_state(account, state)
    before = await counts()
    form = {**FORMS[path], "form_key": "k" * 24}
    answers = [
        await owner.get(f"/invoices/{invoice_id}/{path}"),
        await owner.post(f"/invoices/{invoice_id}/{path}", form),
    ]
    if state == "processing" and path in ("new-link", "link-end"):
        assert answers[0].status_code == 200
        return
    if state == "missing":
        assert [answer.status_code for answer in answers] == [404, 404]
        return
    for answer in answers:
        assert answer.headers["location"] == f"/invoices/{invoice_id}"
    assert "This is not possible now." in (await owner.get(f"/invoices/{invoice_id}")).text
    assert await counts() == before


async def in_state(account: Connected, state: str) -> int:
    if state == "missing":
        return 404_404
    if state == "draft":
        return await make_invoice(final=False)
    invoice_id = await published(account)
    if state == "void":
        await void(invoice_id, actor=SYSTEM)
    else:
        under_way = PaymentProcessing(invoice_id, "pi_9", usd(48_000), AT)
        await apply(account, under_way, invoice_id=invoice_id)
    return invoice_id


async def test_a_payment_under_way_leaves_no_action_about_money_and_says_why(
    owner: Visitor, account: Connected
) -> None:
    page = (await owner.get(f"/invoices/{await in_state(account, 'processing')}")).text
    assert "are not offered while a payment is under way" in page
    for path in ("void", "record-payment", "refund", "credit", "uncollectible"):
        assert f"/{path}" not in page


@pytest.mark.parametrize("path", ["refund", "credit"])
async def test_nothing_is_asked_of_a_provider_that_is_disconnected(
    owner: Visitor, account: Connected, path: str
) -> None:
    invoice_id = await (paid(account) if path == "refund" else published(account))
    form = await form_of(owner, invoice_id, path)
    async with transaction() as tx:
        await tx.connection.execute("UPDATE connected_account SET state = 'disconnected'")
    await owner.post(f"/invoices/{invoice_id}/{path}", form)
    assert "while Stripe is disconnected" in (await owner.get(f"/invoices/{invoice_id}")).text
    assert await rows("SELECT FROM sync_task WHERE kind LIKE 'send%'") == []


async def test_what_is_done_to_a_test_invoice_stays_in_test_mode(owner: Visitor, account: Connected) -> None:
    invoice_id = await published(account)
    await connect_account(mode=Mode.LIVE, external_id="acct_live")
    for path in ("record-payment", "credit"):
        await send(owner, invoice_id, path)
    await pay(account, invoice_id, 28_000, "pi_1")
    await send(owner, invoice_id, "refund")
    found = await rows(
        """
        SELECT mode FROM payment UNION SELECT mode FROM credit UNION SELECT mode FROM refund
        UNION SELECT mode FROM sync_task UNION SELECT mode FROM audit_entry WHERE object_kind = 'invoice'
        """
    )
    assert found == [("test",)]


async def test_a_form_without_a_key_of_ours_does_nothing(owner: Visitor, account: Connected) -> None:
    invoice_id = await published(account)
    answer = await owner.post(
        f"/invoices/{invoice_id}/record-payment", {**FORMS["record-payment"], "form_key": "x"}
    )
    assert answer.status_code == 400
    assert await rows("SELECT FROM payment") == []
