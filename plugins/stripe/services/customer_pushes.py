"""Portal -> Stripe: a changed name or email address, never over a change that somebody made there."""

from __future__ import annotations

from plugins.stripe.domain.events import Follow
from plugins.stripe.gateway import changes
from plugins.stripe.gateway.client import ObjectMissing
from plugins.stripe.services.customers import forget_customer
from plugins.stripe.services.turns import refresh_object, with_fresh_keys
from portal.sdk import Account, Reading, Task, current_settings, customer_changes, note_sending


@with_fresh_keys
async def push_customer(account: Account, task: Task) -> Reading:
    """Bring Stripe's customer up to date, field by field.

    Stripe's values are read first: a field that was changed there, too, becomes a difference with a choice
    and is left alone. Stripe cannot be told to change a value only if it is still the old one, so a change
    made in the moment between the two calls is overwritten; its event is in the log.
    """
    known = await customer_changes(account.id, task.subject_id)
    if known is None:
        return Reading(words="Stripe does not have the customer.")
    await refresh_object(account, Follow.CUSTOMER, known.external_id)
    wanted = await customer_changes(account.id, task.subject_id)
    if wanted is None or not wanted.fields:
        return Reading()
    await note_sending(account.id, wanted)
    try:
        await changes.update_customer(
            account,
            current_settings(),
            customer=wanted.external_id,
            fields=wanted.fields,
            key=f"{task.idempotency_key}:update",
        )
    except ObjectMissing:
        await forget_customer(account, wanted.external_id)
        return Reading(words="The customer was deleted in Stripe.")
    await refresh_object(account, Follow.CUSTOMER, wanted.external_id)
    return Reading()
