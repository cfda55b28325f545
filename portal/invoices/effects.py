"""What an action will lead to, said before it is taken. Pure."""

from __future__ import annotations

from portal.contract.descriptions import FieldFeedback
from portal.money import Money


def payment_effect(amount: Money, due: Money) -> FieldFeedback:
    """What is owed once `amount` was recorded."""
    if amount.amount_minor > due.amount_minor:
        return FieldFeedback("bad", f"Only {due.format()} is owed.")
    left = due - amount
    if left.amount_minor:
        return FieldFeedback("mute", f"Then {left.format()} is still due.")
    return FieldFeedback("mute", "Then nothing is due, and the invoice is paid.")


def credit_effect(amount: Money, most: Money, due: Money) -> FieldFeedback:
    """What is owed once `amount` was credited. `most`: what can be credited at all."""
    if amount.amount_minor > most.amount_minor:
        return FieldFeedback("bad", f"Only {most.format()} can be credited.")
    left = due - amount
    if left.amount_minor:
        return FieldFeedback("mute", f"Then {left.format()} will be due instead of {due.format()}.")
    return FieldFeedback("mute", "Then nothing will be due, and the invoice counts as paid.")


def refund_effect(amount: Money, left: Money) -> FieldFeedback:
    """What stays of a payment once `amount` went back. `left`: what of it can still be refunded."""
    if amount.amount_minor > left.amount_minor:
        return FieldFeedback("bad", f"Only {left.format()} of this payment can be refunded.")
    stays = left - amount
    if stays.amount_minor:
        return FieldFeedback("mute", f"Then {stays.format()} of this payment stays with you.")
    return FieldFeedback("mute", "Then nothing of this payment is left to refund.")
