"""Refunds, disputes and credit notes of an invoice, as they stand. Pure."""

from __future__ import annotations

from typing import Any

from portal.money import Money

Raw = dict[str, Any]
BOUNCED = frozenset(
    {"bank_cannot_process", "check_returned", "incorrect_account_details", "insufficient_funds"}
)
"""Reasons of disputes by which Stripe tells that a bank debit failed after it had succeeded."""
_FAILURES = {
    "charge_for_pending_refund_disputed": "The payment is disputed, which came before the refund.",
    "declined": "The customer's bank declined it.",
    "expired_or_canceled_card": "The card has expired or was cancelled.",
    "insufficient_funds": "The balance in Stripe is too low.",
    "lost_or_stolen_card": "The card was lost or stolen.",
    "merchant_request": "It was cancelled on request.",
}


def paid_by(raw: Raw) -> str:
    """The payment that a refund or dispute belongs to, as the ledger names it."""
    return _id(raw.get("payment_intent")) or _id(raw.get("charge"))


def describe_failure(refund: Raw) -> str:
    """Why a refund failed; empty when it did not."""
    code = refund.get("failure_reason")
    if not code:
        return ""
    return _FAILURES.get(str(code), "Stripe gives no reason.")


def describe_reason(raw: Raw) -> str:
    """Why it was asked for: `requested by customer`, `product not received`."""
    return str(raw.get("reason") or "").replace("_", " ")


def taken_off(note: Raw) -> int:
    """What a credit note took off the debt. What it gave back of a payment are refunds, or the balance."""
    return int(note.get("pre_payment_amount") or 0)


def describe_aside(note: Raw) -> str:
    """What became of the part of a credit note that was paid already; empty: there is none.

    Its refunds are told by themselves. The balance is the rest: Stripe does not name it.
    """
    currency, paid = str(note["currency"]), int(note.get("post_payment_amount") or 0)
    refunded = sum(int(refund.get("amount_refunded") or 0) for refund in note.get("refunds") or ())
    outside = int(note.get("out_of_band_amount") or 0)
    parts = (
        (refunded, "of it goes back as a refund."),
        (paid - refunded - outside, "of it went to the customer's balance in Stripe."),
        (outside, "of it was given back outside Stripe."),
    )
    return " ".join(f"{Money(amount, currency).format()} {words}" for amount, words in parts if amount > 0)


def is_withdrawn(dispute: Raw) -> bool:
    """Whether Stripe holds the money back now: it took it more often than it gave it back.

    The amounts are in the currency of Stripe's account, so both ways need not come to the same.
    """
    moved = [int(entry["amount"]) for entry in dispute.get("balance_transactions") or ()]
    return sum(amount < 0 for amount in moved) > sum(amount > 0 for amount in moved)


def is_bounced(dispute: Raw) -> bool:
    """Whether it is no claim of the customer: the bank found out late that it cannot pay."""
    return str(dispute.get("reason")) in BOUNCED


def lost_of_balance(dispute: Raw) -> Money | None:
    """What Stripe last took for it, in its account's currency and without the fee; None: nothing."""
    taken = [entry for entry in dispute.get("balance_transactions") or () if int(entry["amount"]) < 0]
    return Money(-int(taken[-1]["amount"]), str(taken[-1]["currency"])) if taken else None


def _id(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("id")
    return value if isinstance(value, str) else ""
