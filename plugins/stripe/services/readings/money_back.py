"""Refunds, disputes and credit notes as facts about their invoice."""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from plugins.stripe.domain.declines import explain_decline
from plugins.stripe.domain.events import Follow, follow
from plugins.stripe.domain.invoices import InvoiceReading
from plugins.stripe.domain.money_back import (
    Raw,
    describe_aside,
    describe_failure,
    describe_reason,
    is_bounced,
    is_withdrawn,
    lost_of_balance,
    paid_by,
    taken_off,
)
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.client import PermissionMissing
from plugins.stripe.gateway.settling import CREDIT_KEY
from plugins.stripe.services.links import without_foreign
from portal.sdk import (
    Account,
    CreditSeen,
    DisputeSeen,
    Fact,
    Money,
    PaymentFailed,
    RefundSeen,
    Settings,
    StoredEvent,
)

CREDIT_FEATURE = "credit_notes"
REFUND_KEY = "portal_refund"
"""In the metadata of a refund that the portal asked for."""


_FEATURES = {Follow.REFUND: "refunds", Follow.DISPUTE: "disputes", Follow.CREDIT_NOTE: CREDIT_FEATURE}


@dataclass(frozen=True, slots=True)
class MoneyBack:
    """What was found, and what could not be looked up for want of a right."""

    found: list[Raw] = field(default_factory=list)
    missing: dict[Follow | None, PermissionMissing] = field(default_factory=dict)

    async def look(self, what: Follow, reads_of: Awaitable[list[Raw]]) -> None:
        """Add what a call brings."""
        try:
            self.found.extend(await reads_of)
        except PermissionMissing as missing:
            self.missing[what] = missing


async def money_back_of(
    account: Account,
    settings: Settings,
    invoice: InvoiceReading,
    *,
    events: Sequence[StoredEvent],
    whole: bool,
) -> MoneyBack:
    """The refunds, disputes and credit notes of an invoice, as far as it or the events tell of any.

    An ordinary invoice has none, and looking costs a call for each: without a word of them nobody looks. When
    the `whole` of it is wanted, all are looked up.
    """
    told = {follow(event.type) for event in events} | (_readable(account) if whole else set())
    back = MoneyBack()
    if Follow.CREDIT_NOTE in told:
        await back.look(Follow.CREDIT_NOTE, reads.credit_notes_of(account, settings, invoice.id))
    elif invoice.credited:
        with suppress(PermissionMissing):  # the feature needs more than to read them, so it does not tell
            back.found.extend(await reads.credit_notes_of(account, settings, invoice.id))
    for payment in invoice.held:
        if Follow.REFUND in told:
            await back.look(Follow.REFUND, reads.refunds_of(account, settings, payment))
        if Follow.DISPUTE in told:
            await back.look(Follow.DISPUTE, reads.disputes_of(account, settings, payment))
    return back


def _readable(account: Account) -> set[Follow | None]:
    """What the key may look up. An event of what it may not waits until somebody allows it."""
    return {what for what, feature in _FEATURES.items() if account.can(feature)}


async def facts_of_money_back(invoice_id: int, raws: Iterable[Raw]) -> list[Fact]:
    """What each refund, dispute and credit note means."""
    facts: list[Fact] = []
    for raw in raws:
        match raw["object"]:
            case "dispute":
                facts += dispute_facts(invoice_id, raw)
            case "credit_note":
                facts.append(await credit_seen(invoice_id, raw))
            case _:
                facts.append(await refund_seen(invoice_id, raw))
    return facts


async def credit_seen(invoice_id: int, raw: Raw) -> CreditSeen:
    """A credit note as it stands. What it took off the debt counts, and nothing else of it."""
    own = await without_foreign([raw], CREDIT_KEY)
    currency = str(raw["currency"])
    return CreditSeen(
        invoice_id=invoice_id,
        external_id=str(raw["id"]),
        number=str(raw["number"]),
        amount=Money(int(raw["amount"]), currency),
        taken_off=Money(taken_off(raw), currency),
        status="void" if raw.get("status") == "void" else "issued",
        occurred_at=_time(raw["created"]),
        reason=describe_reason(raw) or str(raw.get("memo") or ""),
        aside=describe_aside(raw),
        credit_id=own[0][1] if own else None,
    )


async def refund_seen(invoice_id: int, raw: Raw) -> RefundSeen:
    """A refund as it stands. Whoever asked for it, the money goes back: one of strangers counts as well."""
    own = await without_foreign([raw], REFUND_KEY)
    return RefundSeen(
        invoice_id=invoice_id,
        external_id=str(raw["id"]),
        amount=Money(int(raw["amount"]), str(raw["currency"])),
        status=str(raw.get("status") or "pending"),
        payment_external_id=paid_by(raw),
        occurred_at=_time(raw["created"]),
        reason=describe_reason(raw),
        failure=describe_failure(raw),
        refund_id=own[0][1] if own else None,
    )


def dispute_facts(invoice_id: int, raw: Raw) -> Iterator[Fact]:
    """The dispute; when the bank did not pay after all, also the attempt that failed so late."""
    seen = dispute_seen(invoice_id, raw)
    yield seen
    if seen.bounced and seen.withdrawn:
        code = str(raw["reason"])
        yield PaymentFailed(
            invoice_id=invoice_id,
            attempt_id=seen.external_id,
            amount=seen.amount,
            occurred_at=seen.occurred_at,
            code=code,
            reason=explain_decline(code, bank=True).admin,
        )


def dispute_seen(invoice_id: int, raw: Raw) -> DisputeSeen:
    """A dispute as it stands."""
    due = (raw.get("evidence_details") or {}).get("due_by")
    return DisputeSeen(
        invoice_id=invoice_id,
        external_id=str(raw["id"]),
        amount=Money(int(raw["amount"]), str(raw["currency"])),
        status=str(raw["status"]),
        withdrawn=is_withdrawn(raw),
        payment_external_id=paid_by(raw),
        occurred_at=_time(raw["created"]),
        reason=describe_reason(raw),
        respond_by=_time(due) if due else None,
        bounced=is_bounced(raw),
        taken=lost_of_balance(raw),
    )


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
