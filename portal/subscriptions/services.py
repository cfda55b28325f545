"""What a person asks of a subscription. The provider decides; until it did, the wish is shown beside it."""

from __future__ import annotations

from dataclasses import dataclass

from asyncpg import Record

from portal.audit.services import Actor, record
from portal.contract.orders import SubscriptionWish
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.subscriptions.plan_offers import find_offer
from portal.subscriptions.plan_rules import MOST_QUANTITY, PRORATIONS, PlanChange
from portal.subscriptions.rules import ENDED, OPPOSITES, Shown, WishedPlan, is_granted
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
        row = await _locked(tx.connection, subscription_id)
        if wish not in WISHES:
            raise Conflict("That cannot be asked of a subscription.")
        _check(_shown(row), wish, asked=row["wish"])
        _check_turn(wish, under_way=row["under_way"])
        await _want(tx.connection, row, _Wish(wish, WISHES[wish]), actor=actor)


async def request_plan_change(subscription_id: int, wanted: PlanChange, *, actor: Actor) -> None:
    """Note which plan and quantity somebody wants, and queue it for the provider.

    Raises:
        NotFound: there is no such subscription.
        Conflict: it cannot be changed as it stands, or not to that plan.
    """
    async with transaction() as tx:
        row = await _locked(tx.connection, subscription_id)
        offer = await find_offer(tx.connection, subscription_id, wanted.plan_external_id)
        before = await find_offer(tx.connection, subscription_id, row["plan_external_id"])
        _check_plan(_shown(row), wanted, asked=row["wish"])
        _check_turn("change_plan", under_way=row["under_way"])
        if offer is None:
            raise Conflict("That plan cannot be chosen any more.", hint="Choose another one.")
        if wanted.quantity != 0 if offer.by_use else not 1 <= wanted.quantity <= MOST_QUANTITY:
            raise Conflict("That quantity cannot be ordered.")
        old = before.counted(row["quantity"]) if before else row["plan_external_id"]
        words = (
            f"Asked to change the plan from {old} to {offer.counted(wanted.quantity)}. "
            f"The rest of the period: {PRORATIONS[wanted.proration].lower()}."
        )
        await _want(tx.connection, row, _Wish("change_plan", words, wanted), actor=actor)


async def wished_change(subscription_id: int) -> SubscriptionWish:
    """What a task is to bring about, as it is wished now.

    Raises:
        NotFound: there is no such subscription.
    """
    async with connection() as held:
        row = await held.fetchrow(_WISHED, subscription_id)
    if row is None:
        raise NotFound("There is no such subscription.")
    return SubscriptionWish(*row)


_WISHED = """
SELECT external_id, wish, wish_plan_external_id, wish_quantity, wish_proration FROM subscription WHERE id = $1
"""
NO_PLAN_CHANGE = PlanChange("", 0, "")


@dataclass(frozen=True, slots=True)
class _Wish:
    wish: str
    words: str
    plan: PlanChange = NO_PLAN_CHANGE


async def _locked(held: Connection, subscription_id: int) -> Record:
    row: Record | None = await held.fetchrow(
        """
        SELECT id, account, mode, status, cancel_at, cancel_at_period_end, pause, wish, plan_external_id,
               quantity, CASE WHEN EXISTS (
                   SELECT FROM sync_task t WHERE t.account = s.account AND t.kind = 'change_subscription'
                          AND t.subject_id = s.id AND t.state IN ('waiting', 'sending', 'unknown')
               ) THEN wish ELSE '' END AS under_way
        FROM subscription s WHERE id = $1 FOR UPDATE OF s
        """,
        subscription_id,
    )
    if row is None:
        raise NotFound("There is no such subscription.")
    return row


def _shown(row: Record) -> Shown:
    later = row["cancel_at_period_end"] or row["cancel_at"] is not None
    return Shown(row["status"], later, row["pause"], row["plan_external_id"], row["quantity"])


async def _want(held: Connection, row: Record, wished: _Wish, *, actor: Actor) -> None:
    await held.execute(
        """
        UPDATE subscription SET wish = $2, wish_plan_external_id = $3, wish_quantity = $4, wish_proration = $5
        WHERE id = $1
        """,
        row["id"],
        wished.wish,
        wished.plan.plan_external_id,
        wished.plan.quantity,
        wished.plan.proration,
    )
    await record(
        held,
        actor=actor,
        action="subscription.change_asked",
        words=wished.words,
        subject=("subscription", str(row["id"])),
        mode=row["mode"],
    )
    await queue_task(held, account_id=row["account"], kind="change_subscription", subject_id=row["id"])
    await announce(held, f"subscription:{row['id']}")


def _check_turn(wish: str, *, under_way: str) -> None:
    """One wish at a time: another one would take its place before the provider has heard of it.

    Raises:
        Conflict: it is neither the same, nor what takes it back, nor the end of everything.
    """
    if under_way and wish not in (under_way, OPPOSITES.get(under_way), "cancel_now"):
        raise Conflict(
            "What was asked for before is not confirmed yet.", hint="Wait until it is, or take it back first."
        )


def _check_plan(shown: Shown, wanted: PlanChange, *, asked: str) -> None:
    _check(shown, "change_plan", asked=asked)
    if shown.status in ("incomplete", "paused") or shown.pause or shown.ends_later:
        raise Conflict("The plan cannot be changed now.", hint="Keep or resume it, or wait for its payment.")
    if wanted.proration not in PRORATIONS:
        raise Conflict("That is no way to count the rest of a period.")
    wished = WishedPlan(wanted.plan_external_id, wanted.quantity)
    if not asked and is_granted("change_plan", shown, wished):
        raise Conflict("It is that way already.")


def _check(shown: Shown, wish: str, *, asked: str) -> None:
    if shown.status in ENDED:
        raise Conflict("This subscription has ended.", hint="Start a new one instead.")
    if asked == "cancel_now" and wish != "cancel_now":
        raise Conflict("It is being cancelled.", hint="Start a new one when it has ended.")
    if wish != "change_plan" and not asked and is_granted(wish, shown):
        raise Conflict("It is that way already.")
