"""What a person asks of a subscription. The provider decides; until it did, the wish is shown beside it."""

from __future__ import annotations

from portal.audit.services import Actor, record
from portal.contract.orders import SubscriptionWish
from portal.database.transaction import connection, transaction
from portal.errors import Conflict, NotFound
from portal.subscriptions.rules import ENDED, Shown, is_granted
from portal.sync.queueing import queue_task
from portal.web.live import announce

WISHES = {
    "cancel_now": "Asked to cancel it now.",
    "cancel_at_period_end": "Asked to cancel it at the end of the period.",
    "keep": "Asked to let it go on.",
    "pause": "Asked to pause it.",
    "resume": "Asked to resume it.",
}


async def request_change(subscription_id: int, wish: str, *, actor: Actor) -> None:
    """Note what somebody wants and queue it for the provider. The same wish twice is one.

    Raises:
        NotFound: there is no such subscription.
        Conflict: it has ended, it is that way already, or nobody knows such a wish.
    """
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            SELECT account, mode, status, cancel_at, cancel_at_period_end, pause, wish
            FROM subscription WHERE id = $1 FOR UPDATE
            """,
            subscription_id,
        )
        if row is None:
            raise NotFound("There is no such subscription.")
        shown = Shown(
            row["status"], row["cancel_at_period_end"] or row["cancel_at"] is not None, row["pause"]
        )
        _check(shown, wish, asked=row["wish"])
        await tx.connection.execute("UPDATE subscription SET wish = $2 WHERE id = $1", subscription_id, wish)
        await record(
            tx.connection,
            actor=actor,
            action="subscription.change_asked",
            words=WISHES[wish],
            subject=("subscription", str(subscription_id)),
            mode=row["mode"],
        )
        await queue_task(
            tx.connection, account_id=row["account"], kind="change_subscription", subject_id=subscription_id
        )
        await announce(tx.connection, f"subscription:{subscription_id}")


async def wished_change(subscription_id: int) -> SubscriptionWish:
    """What a task is to bring about, as it is wished now.

    Raises:
        NotFound: there is no such subscription.
    """
    async with connection() as held:
        row = await held.fetchrow("SELECT external_id, wish FROM subscription WHERE id = $1", subscription_id)
    if row is None:
        raise NotFound("There is no such subscription.")
    return SubscriptionWish(row["external_id"], row["wish"])


def _check(shown: Shown, wish: str, *, asked: str) -> None:
    if wish not in WISHES:
        raise Conflict("That cannot be asked of a subscription.")
    if shown.status in ENDED:
        raise Conflict("This subscription has ended.", hint="Start a new one instead.")
    if asked == "cancel_now" and wish != "cancel_now":
        raise Conflict("It is being cancelled.", hint="Start a new one when it has ended.")
    if not asked and is_granted(wish, shown):
        raise Conflict("It is that way already.")
