"""What one of Stripe's invoices says about money, read from the object as it is now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from portal.money import Money

Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Paid:
    """Money that Stripe holds for the invoice, once for each payment."""

    external_id: str
    amount: Money
    at: datetime
    attempt: str | None
    offline: bool
    method: str | None = None
    """Known without looking at the attempt."""
    from_credit: bool = False
    """Stripe used up credit of the customer, or put what was too little to charge on their next invoice."""


@dataclass(frozen=True, slots=True)
class Tried:
    """The attempt that the open payment is at: under way, or failed for a reason."""

    attempt: str
    amount: Money
    at: datetime
    failed: bool
    code: str = ""
    decline_code: str = ""
    advice_code: str = ""
    bank: bool = False


@dataclass(frozen=True, slots=True)
class Arriving:
    """An intent that succeeded, by an attempt, and whose money the invoice does not count yet."""

    intent: str
    attempt: str


@dataclass(frozen=True, slots=True)
class InvoiceReading:
    """The parts of an invoice that the portal acts on."""

    id: str
    status: str
    currency: str
    total: Money
    customer: str | None
    number: str | None
    hosted_url: str | None
    portal_key: str | None
    paid: tuple[Paid, ...]
    tried: tuple[Tried, ...]
    intents: tuple[str, ...]
    changed_at: datetime
    credited: int
    """What credit notes took off what is owed, in minor units; their own list says when and by which."""
    attempts: int
    next_attempt_at: datetime | None
    attempts_known: bool
    """Whether its open payments were read as well: else nothing is known of attempts that are under way."""
    failure: str
    """Why Stripe could not finalise it, in Stripe's words; empty: nothing is wrong."""

    arriving: tuple[Arriving, ...] = ()

    @property
    def under_way(self) -> frozenset[str]:
        """The attempts that Stripe is still working on, or that it is about to count."""
        arriving = {one.attempt for one in self.arriving}
        return frozenset(arriving | {tried.attempt for tried in self.tried if not tried.failed})

    @property
    def held(self) -> tuple[str, ...]:
        """The payments whose money Stripe has, also those that the invoice does not count yet."""
        counted = [paid.external_id for paid in self.paid if not paid.offline]
        return (*counted, *(one.intent for one in self.arriving))


def read_invoice(raw: Raw) -> InvoiceReading:
    """Read an invoice that was fetched with `payments.data.payment.payment_intent` expanded."""
    payments = list((raw.get("payments") or {}).get("data") or [])
    currency = str(raw["currency"])
    intents = [i for i in (_intent(payment) for payment in payments) if i is not None]
    paid = [_paid(payment, currency) for payment in payments if payment.get("status") == "paid"]
    offline = [*_paid_out_of_band(raw, currency, paid), *_paid_from_balance(raw, currency)]
    return InvoiceReading(
        id=str(raw["id"]),
        status=str(raw.get("status") or "draft"),
        currency=currency,
        total=Money(int(raw["total"]), currency),
        customer=_id(raw.get("customer")) or _id(raw.get("customer_account")),
        number=raw.get("number"),
        hosted_url=raw.get("hosted_invoice_url"),
        portal_key=(raw.get("metadata") or {}).get("portal_invoice"),
        paid=(*paid, *offline),
        tried=tuple(t for t in (_tried(i) for i in intents if isinstance(i, dict)) if t is not None),
        intents=tuple(str(_id(intent)) for intent in intents),
        changed_at=_changed_at(raw),
        credited=int(raw.get("pre_payment_credit_notes_amount") or 0),
        attempts=int(raw.get("attempt_count") or 0),
        next_attempt_at=_time(raw["next_payment_attempt"]) if raw.get("next_payment_attempt") else None,
        attempts_known="payments" in raw
        and not any(
            payment.get("status") == "open" and isinstance(_intent(payment), str) for payment in payments
        ),
        failure=_failure(raw.get("last_finalization_error")),
        arriving=tuple(
            Arriving(str(intent["id"]), _id(intent.get("latest_charge")) or str(intent["id"]))
            for intent in _behind(payments)
        ),
    )


def _intent(payment: Raw) -> Raw | str | None:
    found: Raw | str | None = (payment.get("payment") or {}).get("payment_intent")
    return found


def _paid(payment: Raw, currency: str) -> Paid:
    inner = payment.get("payment") or {}
    intent = inner.get("payment_intent")
    external = (
        _id(intent) or _id(inner.get("charge")) or _id(inner.get("payment_record")) or str(payment["id"])
    )
    times = payment.get("status_transitions") or {}
    return Paid(
        external_id=external,
        amount=Money(int(payment.get("amount_paid") or 0), currency),
        at=_time(times.get("paid_at") or payment.get("created")),
        attempt=_id(intent.get("latest_charge")) if isinstance(intent, dict) else None,
        offline=inner.get("type") == "payment_record",
    )


def _paid_out_of_band(raw: Raw, currency: str, paid: list[Paid]) -> list[Paid]:
    """What was marked as paid outside Stripe: the invoice is paid, and its payments do not explain it."""
    if raw.get("status") != "paid" or not _tells_all(raw.get("payments") or {"has_more": True}):
        return []
    rest = int(raw.get("amount_paid") or 0) - sum(entry.amount.amount_minor for entry in paid)
    if rest <= 0:
        return []
    at = _time((raw.get("status_transitions") or {}).get("paid_at"))
    return [Paid(f"{raw['id']}:outside", Money(rest, currency), at, None, offline=True)]


def _tells_all(payments: Raw) -> bool:
    """Whether all payments are told, and none is behind the intent that brought its money."""
    return not payments.get("has_more") and not any(_behind(payments.get("data") or ()))


def _behind(payments: Iterable[Raw]) -> Iterator[Raw]:
    """The intents that brought money which their payments do not tell of yet."""
    intents = (_intent(payment) for payment in payments if payment.get("status") == "open")
    yield from (i for i in intents if isinstance(i, dict) and i.get("status") == "succeeded")


def _paid_from_balance(raw: Raw, currency: str) -> list[Paid]:
    """What the customer's balance settled when Stripe finalised the invoice; nothing once that is void.

    A balance above zero is what the customer owes from before: a paid invoice has collected it, too. What is
    too little to charge is owed like that from then on.
    """
    start, end = (int(raw.get(f"{name}_balance") or 0) for name in ("starting", "ending"))
    status = raw.get("status")
    used = 0 if status == "void" else end - start
    if status == "draft" or (not used and status != "void") or (used < 0 and status != "paid"):
        return []
    at = _time((raw.get("status_transitions") or {}).get("finalized_at"))
    name, settled = f"{raw['id']}:balance", Money(used, currency)
    return [Paid(name, settled, at, None, offline=True, method="Customer balance", from_credit=True)]


def _tried(intent: Raw) -> Tried | None:
    amount = Money(int(intent["amount"]), str(intent["currency"]))
    if intent.get("status") == "processing":
        attempt = _id(intent.get("latest_charge")) or str(intent["id"])
        return Tried(attempt, amount, _time(intent.get("created")), failed=False)
    error = intent.get("last_payment_error")
    if not error or intent.get("status") in ("succeeded", "canceled"):
        return None
    method = (error.get("payment_method") or {}).get("type")
    return Tried(
        attempt=_id(error.get("charge")) or f"{intent['id']}:{error.get('code')}",
        amount=amount,
        at=_time(intent.get("created")),
        failed=True,
        code=str(error.get("code") or ""),
        decline_code=str(error.get("decline_code") or ""),
        advice_code=str(error.get("advice_code") or ""),
        bank=method == "us_bank_account",
    )


def _failure(error: Raw | None) -> str:
    if not error:
        return ""
    return str(error.get("message") or error.get("code") or "Stripe gave no reason.")


def _changed_at(raw: Raw) -> datetime:
    times = [t for t in (raw.get("status_transitions") or {}).values() if t]
    return _time(max(times, default=raw.get("created")))


def _time(seconds: int | None) -> datetime:
    return datetime.fromtimestamp(seconds or 0, UTC)


def _id(value: object) -> str | None:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) and value else None
