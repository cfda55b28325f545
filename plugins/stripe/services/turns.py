"""After a change of ours the object is read in its turn, like after an event: nothing older is believed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from plugins.stripe.domain.events import Follow
from plugins.stripe.gateway.client import FailureReplayed
from plugins.stripe.services.links import linked_ids
from portal.sdk import Account, Reading, Subject, Task, refresh_subject, renew_key

Handler = Callable[[Account, Task], Awaitable[Reading]]


def with_fresh_keys(handler: Handler) -> Handler:
    """Try once more with keys of the next generation when Stripe holds a failure for the present ones.

    The second try counts as a repeated one: what the failure left behind is looked for first.
    """

    async def handle(account: Account, task: Task) -> Reading:
        try:
            return await handler(account, task)
        except FailureReplayed:
            return await handler(account, await renew_key(task))

    handle.__doc__ = handler.__doc__
    return handle


async def refresh_invoice_copy(account: Account, stripe_invoice: str) -> None:
    """Read and apply Stripe's copy of an invoice, with its payments and refunds."""
    groups = await linked_ids(account.id, stripe_invoice)
    await refresh_subject(account, Subject(f"{Follow.INVOICE}:{stripe_invoice}", groups))


async def refresh_object(account: Account, kind: Follow, external_id: str) -> None:
    """Read and apply a customer or a subscription."""
    await refresh_subject(account, Subject(f"{kind}:{external_id}", (external_id,)))
