"""Portal -> Stripe: what somebody wants of a subscription."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from plugins.stripe.domain.events import Follow
from plugins.stripe.gateway import changes, reads
from plugins.stripe.gateway.client import CallRefused, ObjectMissing
from plugins.stripe.services.turns import refresh_object, with_fresh_keys
from portal.sdk import Account, Reading, Task, current_settings, wished_change

Raw = dict[str, Any]
ENDED = ("canceled", "incomplete_expired")


@with_fresh_keys
async def change_subscription(account: Account, task: Task) -> Reading:
    """Bring about what is wished now, unless it is so already; then read what became of it."""
    wished = await wished_change(task.subject_id)
    if not wished.wish:
        return Reading(words="Nobody wants anything of it any more.")
    raw = await _now(account, wished.external_id)
    if _is_open(raw, wished.wish):
        send = _send_of(raw, wished.wish)
        try:
            await send(account, wished.external_id, f"{task.idempotency_key}:{wished.wish}")
        except (CallRefused, ObjectMissing):
            # Somebody may have been quicker: of one that has ended Stripe says that there is none.
            if _is_open(await _now(account, wished.external_id), wished.wish):
                raise
    await refresh_object(account, Follow.SUBSCRIPTION, wished.external_id)
    return Reading()


async def _now(account: Account, subscription: str) -> Raw:
    return await reads.retrieve_subscription(account, current_settings(), subscription, with_products=False)


def _is_open(raw: Raw, wish: str) -> bool:
    return raw["status"] not in ENDED and not _is_so(raw, wish)


def _is_so(raw: Raw, wish: str) -> bool:
    ends = bool(raw.get("cancel_at_period_end") or raw.get("cancel_at"))
    paused = raw["status"] == "paused" or raw.get("pause_collection") is not None
    return {
        "cancel_at_period_end": ends,
        "keep": not ends,
        "pause": paused,
        "resume": not paused,
    }.get(wish, False)


def _send_of(raw: Raw, wish: str) -> Send:
    if wish == "resume" and raw["status"] == "paused":
        return _resume
    if wish == "keep" and not raw.get("cancel_at_period_end"):
        return _keep_beyond_day
    return _SENDS[wish]


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
