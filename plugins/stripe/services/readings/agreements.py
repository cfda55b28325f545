"""For which subscriptions a saved method was agreed to, as Stripe has it now."""

from __future__ import annotations

import json
from collections.abc import Sequence

from plugins.stripe.domain.agreements import METHOD_KEY, Agreement, agreement_in, newest
from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway.setups import setups_of
from plugins.stripe.rights import SETUP_FEATURE
from portal.sdk import Account, Fact, MethodAgreed, StoredEvent, connection, current_settings

SUCCEEDED = "setup_intent.succeeded"


async def agreements_about(account: Account, method: Raw, events: Sequence[StoredEvent]) -> list[Fact]:
    """What its customer agreed to. Stripe is asked when an event says so, or when somebody looks.

    An event's word decides whether to ask and nothing else: metadata may name the subscription of somebody
    else, so the setup intent, the method and the subscription must be of one customer.
    """
    if not (any(map(_tells, events)) or (not events and account.can(SETUP_FEATURE))):
        return []
    found = await setups_of(account, current_settings(), payment_method=str(method["id"]))
    holder = method.get("customer")
    words = newest(agreement_in(raw) for raw in found)
    theirs = [one for one in words.values() if one.customer == holder and one.method == method["id"]]
    return [
        MethodAgreed(one.subscription, one.method, one.agreed_at)
        for one in theirs
        if await _is_of_customer(account, one)
    ]


async def _is_of_customer(account: Account, word: Agreement) -> bool:
    async with connection() as held:
        return bool(
            await held.fetchval(
                """
                SELECT EXISTS (SELECT FROM subscription
                               WHERE account = $1 AND external_id = $2 AND customer_external_id = $3)
                """,
                account.id,
                word.subscription,
                word.customer,
            )
        )


def _tells(event: StoredEvent) -> bool:
    if event.type != SUCCEEDED or not event.body:
        return False
    told = json.loads(event.body)["data"]["object"].get("metadata") or {}
    return METHOD_KEY in told
