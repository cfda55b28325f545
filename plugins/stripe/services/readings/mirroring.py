"""How the plugin keeps what was read, in the transaction of the facts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from plugins.stripe.domain.invoices import Raw
from plugins.stripe.services.links import last_known, save_mirror
from portal.sdk import Account, Connection, EventQuarantined, Fact, Reading, StoredEvent

GONE = "Stripe has no such object (any more)."


def reading_of(account: Account, raw: Raw, *facts: Fact) -> Reading:
    """Facts about an object that is no invoice, with its mirror."""

    async def save(held: Connection, _invoice_id: int | None) -> None:
        await save_mirror(held, account, raw)

    return Reading(facts=facts, save=save)


async def reading_of_gone(
    account: Account,
    kind: str,
    external_id: str,
    *,
    events: Sequence[StoredEvent],
    told: Callable[[Raw], Awaitable[Fact]],
) -> Reading:
    """The last that is known of an object that Stripe deleted, marked as deleted by `told`.

    Raises:
        EventQuarantined: what is known is the event's word alone, and that makes no sense.
    """
    raw = await last_known(account, kind, external_id, events)
    if raw is None:
        return Reading(words=GONE, ignored=True)
    try:
        fact = await told(raw)
    except (LookupError, TypeError, ValueError) as error:
        raise EventQuarantined(f"Stripe has no such {kind}, and the event does not describe one.") from error
    return reading_of(account, {**raw, "deleted": True}, fact)
