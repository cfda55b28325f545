"""What people do to an invoice: money from elsewhere, money back, credits, giving up, its pay link."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from portal.audit.services import person_actor
from portal.contract.descriptions import FieldFeedback
from portal.errors import InvalidInput
from portal.invoices.action_forms import (
    Clock,
    read_amount,
    read_credit,
    read_link_end,
    read_payment,
    read_refund,
)
from portal.invoices.action_pages import EFFECT, Question, Sent, act_once, ask, clock_of, read_sent
from portal.invoices.closing import mark_uncollectible, record_offline_payment, request_refund
from portal.invoices.collecting import request_collection
from portal.invoices.credits import request_credit
from portal.invoices.effects import credit_effect, payment_effect, refund_effect
from portal.invoices.links import RENEWED, change_link_end, regenerate_pay_link
from portal.invoices.views import Subject, read_subject
from portal.money import Money
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page


def _first_payment(subject: Subject, clock: Clock) -> dict[str, str]:
    due = subject.invoice.amount_due
    return {"amount": due.plain(), "received_on": clock.today.isoformat(), "method": "bank_transfer"}


def _first_refund(subject: Subject, _: Clock) -> dict[str, str]:
    """What came on top of the total, else all that is left of the newest payment."""
    payment = subject.around.refundable[0]
    over = subject.invoice.overpaid
    amount = over if 0 < over.amount_minor < payment.left.amount_minor else payment.left
    return {"payment": payment.external_id, "amount": amount.plain(), "reason": "requested_by_customer"}


def _first_credit(subject: Subject, _: Clock) -> dict[str, str]:
    return {"amount": subject.around.creditable(subject.invoice).plain()}


def _first_link_end(subject: Subject, clock: Clock) -> dict[str, str]:
    end = subject.invoice.pay_link_expires_at
    return {"expires_on": end.astimezone(clock.zone).date().isoformat() if end else ""}


RECORD = Question(
    "record",
    "record-payment",
    "Record payment",
    "invoices/actions/_record.html",
    ("amount", "received_on", "method", "reference"),
    _first_payment,
)
REFUND = Question(
    "refund",
    "refund",
    "Refund",
    "invoices/actions/_refund.html",
    ("payment", "amount", "reason", "words"),
    _first_refund,
)
CREDIT = Question(
    "credit", "credit", "Credit", "invoices/actions/_credit.html", ("amount", "reason"), _first_credit
)
UNCOLLECTIBLE = Question(
    "uncollectible", "uncollectible", "Mark as uncollectible", "invoices/actions/_uncollectible.html"
)
COLLECT = Question("collect", "collect", "Retry payment now", "invoices/actions/_collect.html")
FIRST_LINK = Question("link", "new-link", "Make pay link", "invoices/actions/_new_link.html")
NEW_LINK = Question("link", "new-link", "Regenerate pay link", "invoices/actions/_new_link.html")
LINK_END = Question(
    "link",
    "link-end",
    "Change expiry date",
    "invoices/actions/_link_end.html",
    ("expires_on",),
    _first_link_end,
)
ADMIN = [require_role("admin")]


@get("/invoices/{invoice_id:int}/record-payment", guards=ADMIN)
async def ask_payment(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The form for money that came without a provider."""
    return await ask(request, invoice_id, RECORD)


@post("/invoices/{invoice_id:int}/record-payment")
async def record_payment(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Write it into the ledger."""
    sent = await read_sent(request, invoice_id, RECORD)

    async def act(subject: Subject) -> int:
        payment = read_payment(sent.form, subject.invoice.currency, clock_of(request))
        await record_offline_payment(invoice_id, payment, actor=person_actor(request))
        return payment.amount.amount_minor

    return await act_once(sent, act, done=_amount_done("Recorded {}."))


@post("/invoices/{invoice_id:int}/record-payment/check", status_code=200)
async def check_payment(request: PortalRequest, invoice_id: FromPath[int]) -> Response[str]:
    """What would still be due."""
    sent = await read_sent(request, invoice_id, RECORD)
    subject = await read_subject(request, invoice_id)
    return _effect(sent, subject, lambda amount: payment_effect(amount, subject.invoice.amount_due))


@get("/invoices/{invoice_id:int}/refund", guards=ADMIN)
async def ask_refund(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The form for money that goes back."""
    return await ask(request, invoice_id, REFUND)


@post("/invoices/{invoice_id:int}/refund")
async def refund(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Ask the provider for it."""
    sent = await read_sent(request, invoice_id, REFUND)

    async def act(subject: Subject) -> int:
        wanted = read_refund(sent.form, subject.invoice.currency)
        await request_refund(invoice_id, wanted, actor=person_actor(request))
        return wanted.amount.amount_minor

    done = _amount_done("A refund of {} is on its way.")
    return await act_once(sent, act, done=done)


@post("/invoices/{invoice_id:int}/refund/check", status_code=200)
async def check_refund(request: PortalRequest, invoice_id: FromPath[int]) -> Response[str]:
    """What would stay of the payment."""
    sent = await read_sent(request, invoice_id, REFUND)
    subject = await read_subject(request, invoice_id)
    payment = next((p for p in subject.around.refundable if p.external_id == sent.form.text("payment")), None)
    left = payment.left if payment else Money(0, subject.invoice.currency)
    return _effect(sent, subject, lambda amount: refund_effect(amount, left))


@get("/invoices/{invoice_id:int}/credit", guards=ADMIN)
async def ask_credit(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The form for what is not to be asked for any more."""
    return await ask(request, invoice_id, CREDIT)


@post("/invoices/{invoice_id:int}/credit")
async def credit(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Take it off, here or by the provider's credit note."""
    sent = await read_sent(request, invoice_id, CREDIT)

    async def act(subject: Subject) -> int:
        wanted = read_credit(sent.form, subject.invoice.currency)
        await request_credit(invoice_id, wanted, actor=person_actor(request))
        return wanted.amount.amount_minor

    def done(amount_minor: int, subject: Subject) -> str:
        amount = Money(amount_minor, subject.invoice.currency).format()
        provider = subject.invoice.provider
        return f"{provider} issues a credit of {amount}." if provider else f"Credited {amount}."

    return await act_once(sent, act, done=done)


@post("/invoices/{invoice_id:int}/credit/check", status_code=200)
async def check_credit(request: PortalRequest, invoice_id: FromPath[int]) -> Response[str]:
    """What would be due."""
    sent = await read_sent(request, invoice_id, CREDIT)
    subject = await read_subject(request, invoice_id)
    most, due = subject.around.creditable(subject.invoice), subject.invoice.amount_due
    return _effect(sent, subject, lambda amount: credit_effect(amount, most, due))


@get("/invoices/{invoice_id:int}/uncollectible", guards=ADMIN)
async def ask_uncollectible(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The question before a debt is given up."""
    return await ask(request, invoice_id, UNCOLLECTIBLE)


@post("/invoices/{invoice_id:int}/uncollectible")
async def give_up(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Give the debt up; it can still be paid."""
    sent = await read_sent(request, invoice_id, UNCOLLECTIBLE)

    async def act(_: Subject) -> int:
        await mark_uncollectible(invoice_id, actor=person_actor(request))
        return 0

    done = _done("Marked as uncollectible.")
    return await act_once(sent, act, done=done)


@get("/invoices/{invoice_id:int}/collect", guards=ADMIN)
async def ask_collect(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The question before the saved method is charged again."""
    return await ask(request, invoice_id, COLLECT)


@post("/invoices/{invoice_id:int}/collect")
async def collect(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Have the provider charge the saved method again."""
    sent = await read_sent(request, invoice_id, COLLECT)

    async def act(_: Subject) -> int:
        await request_collection(invoice_id, actor=person_actor(request))
        return 0

    return await act_once(sent, act, done=_done("Being tried now. The result appears here by itself."))


@get("/invoices/{invoice_id:int}/new-link", guards=ADMIN)
async def ask_new_link(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The question before the pay link is replaced, or made for what was made at the provider."""
    there = (await read_subject(request, invoice_id)).invoice.pay_link_expires_at
    return await ask(request, invoice_id, NEW_LINK if there else FIRST_LINK)


@post("/invoices/{invoice_id:int}/new-link")
async def renew_link(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Replace the pay link, or make the first one."""
    sent = await read_sent(request, invoice_id, NEW_LINK)

    async def act(subject: Subject) -> int:
        await regenerate_pay_link(invoice_id, person_actor(request))
        return int(subject.invoice.pay_link_expires_at is not None)

    return await act_once(sent, act, done=lambda replaced, _: RENEWED if replaced else "Pay link made.")


@get("/invoices/{invoice_id:int}/link-end", guards=ADMIN)
async def ask_link_end(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """The form for the day on which the pay link ends."""
    return await ask(request, invoice_id, LINK_END)


@post("/invoices/{invoice_id:int}/link-end")
async def end_link(request: PortalRequest, invoice_id: FromPath[int]) -> Response[Any]:
    """Let the pay link work until the end of that day."""
    sent = await read_sent(request, invoice_id, LINK_END)

    async def act(_: Subject) -> int:
        ends_at = read_link_end(sent.form, clock_of(request))
        await change_link_end(invoice_id, ends_at, actor=person_actor(request))
        return 0

    done = _done("The pay link has a new expiry date.")
    return await act_once(sent, act, done=done)


def _done(words: str) -> Callable[[int, Subject], str]:
    return lambda _, __: words


def _amount_done(words: str) -> Callable[[int, Subject], str]:
    """The notice that names the amount which the form gave when it was first sent."""
    return lambda amount_minor, subject: words.format(Money(amount_minor, subject.invoice.currency).format())


def _effect(sent: Sent, subject: Subject, effect: Callable[[Money], FieldFeedback]) -> Response[str]:
    """The words beside the amount while it is being typed."""
    try:
        amount = read_amount(sent.form, subject.invoice.currency) if sent.form.text("amount") else None
        found = effect(amount) if amount else None
    except InvalidInput as error:
        found = FieldFeedback("bad", error.fields["amount"])
    return page(sent.request, EFFECT, fragment=EFFECT, found=found)


routes = [
    ask_payment,
    record_payment,
    check_payment,
    ask_refund,
    refund,
    check_refund,
    ask_credit,
    credit,
    check_credit,
    ask_uncollectible,
    give_up,
    ask_collect,
    collect,
    ask_new_link,
    renew_link,
    ask_link_end,
    end_link,
]
