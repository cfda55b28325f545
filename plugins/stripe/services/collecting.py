"""Portal -> Stripe: an open invoice is charged to the saved method now, instead of at the next planned time.

What is paid once cannot be paid twice: Stripe refuses it. An attempt that was refused would be another one on
the customer's card, so it is made once for each time somebody asks, and never again after a lost answer.
"""

from __future__ import annotations

from plugins.stripe.gateway import changes, reads
from plugins.stripe.gateway.client import CardDeclined, FailureReplayed, ObjectMissing
from plugins.stripe.services.turns import refresh_invoice_copy
from portal.sdk import (
    Account,
    AccountAuthFailed,
    ProviderError,
    ProviderUnavailable,
    Reading,
    Task,
    current_settings,
    payable_invoice,
)


class NotCharged(ProviderError):
    """Stripe was asked in vain, so no attempt was made: whoever wanted one asks again."""

    code = "STRIPE_NOT_CHARGED"


NOT_OWED = "Nothing is owed in Stripe any more."
NOT_AGAIN = "An earlier attempt may have reached Stripe: its copy says what came of it."
DECLINED = "The charge was declined."


async def collect_invoice(account: Account, task: Task) -> Reading:
    """Let Stripe charge what is open, unless it was paid or closed meanwhile; then read what came of it."""
    invoice = await payable_invoice(task.subject_id)
    if invoice.external_id is None:
        return Reading(words=NOT_OWED)
    words = await _charge(account, task, invoice.external_id)
    await refresh_invoice_copy(account, invoice.external_id)
    return Reading(words=words)


async def _charge(account: Account, task: Task, invoice: str) -> str:
    """Empty: it was charged."""
    if not task.first:
        return NOT_AGAIN
    try:
        raw = await reads.retrieve_invoice(account, current_settings(), invoice)
        if raw["status"] != "open":
            return NOT_OWED
        key = f"{task.idempotency_key}:collect"
        await changes.collect_invoice(account, current_settings(), invoice=invoice, key=key)
    except CardDeclined:
        return DECLINED
    except FailureReplayed:
        return NOT_AGAIN
    except ObjectMissing:
        return NOT_OWED
    except (ProviderUnavailable, AccountAuthFailed) as error:
        # A second attempt of the task could not tell whether there was a first charge.
        raise NotCharged(f"{error.message} Nothing was charged.", hint="Retry the payment.") from None
    return ""
