"""Portal -> Stripe: what somebody wants of a subscription."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from plugins.stripe.domain.events import Follow
from plugins.stripe.gateway import changes, reads
from plugins.stripe.gateway.client import CallRefused, ObjectMissing
from plugins.stripe.services.turns import refresh_object, with_fresh_keys
from portal.sdk import (
    Account,
    ProviderError,
    Reading,
    SubscriptionWish,
    Task,
    current_settings,
    wished_change,
)

Raw = dict[str, Any]
ENDED = ("canceled", "incomplete_expired")
PRORATION_BEHAVIORS: Mapping[str, changes.ProrationBehavior] = {
    "next_invoice": "create_prorations",
    "at_once": "always_invoice",
    "not_at_all": "none",
}


@with_fresh_keys
async def change_subscription(account: Account, task: Task) -> Reading:
    """Bring about what is wished now, unless it is so already; then read what became of it."""
    wished = await wished_change(task.subject_id)
    if not wished.wish:
        return Reading(words="Nobody wants anything of it any more.")
    raw = await _now(account, wished.external_id)
    if _is_open(raw, wished):
        send = _send_of(raw, wished)
        try:
            await send(account, wished.external_id, f"{task.idempotency_key}:{wished.wish}")
        except (CallRefused, ObjectMissing):
            # Somebody may have been quicker: of one that has ended Stripe says that there is none.
            if _is_open(await _now(account, wished.external_id), wished):
                raise
    await refresh_object(account, Follow.SUBSCRIPTION, wished.external_id)
    return Reading()


async def _now(account: Account, subscription: str) -> Raw:
    return await reads.retrieve_subscription(account, current_settings(), subscription, with_products=False)


def _is_open(raw: Raw, wished: SubscriptionWish) -> bool:
    return raw["status"] not in ENDED and not _is_so(raw, wished)


def _is_so(raw: Raw, wished: SubscriptionWish) -> bool:
    if wished.wish == "change_plan":
        items = raw["items"]["data"]
        return len(items) == 1 and _is_item(items[0], wished)
    ends = bool(raw.get("cancel_at_period_end") or raw.get("cancel_at"))
    paused = raw["status"] == "paused" or raw.get("pause_collection") is not None
    return {
        "cancel_at_period_end": ends,
        "keep": not ends,
        "pause": paused,
        "resume": not paused,
    }.get(wished.wish, False)


def _is_item(item: Raw, wished: SubscriptionWish) -> bool:
    counted = wished.quantity in (0, item.get("quantity"))
    return bool(item["price"]["id"] == wished.plan_external_id and counted)


def _send_of(raw: Raw, wished: SubscriptionWish) -> Send:
    wish = wished.wish
    if wish == "change_plan":
        return partial(_change_plan, item=_only_item(raw), wished=wished)
    if wish == "resume" and raw["status"] == "paused":
        return _resume
    if wish == "keep" and not raw.get("cancel_at_period_end"):
        return _keep_beyond_day
    return _SENDS[wish]


def _only_item(raw: Raw) -> Raw:
    items: list[Raw] = raw["items"]["data"]
    if len(items) != 1:
        raise ProviderError("This subscription has several items: change it in Stripe.")
    return items[0]


async def _change_plan(
    account: Account, subscription: str, key: str, *, item: Raw, wished: SubscriptionWish
) -> None:
    same = item["price"]["id"] == wished.plan_external_id
    change = changes.ItemChange(
        str(item["id"]),
        # A price that is not sold any more can be kept, but not be chosen anew.
        None if same else wished.plan_external_id,
        wished.quantity or None,
        PRORATION_BEHAVIORS[wished.proration],
    )
    await changes.change_item(account, current_settings(), subscription=subscription, change=change, key=key)


async def _cancel(account: Account, subscription: str, key: str) -> None:
    await changes.cancel_subscription(account, current_settings(), subscription=subscription, key=key)


async def _end_later(account: Account, subscription: str, key: str) -> None:
    await changes.end_subscription_later(
        account, current_settings(), subscription=subscription, key=key, later=True
    )


async def _keep(account: Account, subscription: str, key: str) -> None:
    await changes.end_subscription_later(
        account, current_settings(), subscription=subscription, key=key, later=False
    )


async def _keep_beyond_day(account: Account, subscription: str, key: str) -> None:
    await changes.forget_last_day(account, current_settings(), subscription=subscription, key=key)


async def _pause(account: Account, subscription: str, key: str) -> None:
    await changes.pause_subscription(account, current_settings(), subscription=subscription, key=key)


async def _unpause(account: Account, subscription: str, key: str) -> None:
    await changes.unpause_subscription(account, current_settings(), subscription=subscription, key=key)


async def _resume(account: Account, subscription: str, key: str) -> None:
    await changes.resume_subscription(account, current_settings(), subscription=subscription, key=key)


Send = Callable[[Account, str, str], Awaitable[None]]
_SENDS: dict[str, Send] = {
    "cancel_now": _cancel,
    "cancel_at_period_end": _end_later,
    "keep": _keep,
    "pause": _pause,
    "resume": _unpause,
}
