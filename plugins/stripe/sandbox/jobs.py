"""Work that is due later by a clock: bank debits, balance bookings, refunds, drafts, renewals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.objects import (
    attempts,
    charges,
    finalizations,
    invoice_steps,
    refunds,
    subscription_dunning,
    subscription_ends,
    subscription_pauses,
    subscription_renewals,
    subscription_schedules,
)
from plugins.stripe.sandbox.store.worlds import World

if TYPE_CHECKING:
    from plugins.stripe.sandbox.sandbox import Sandbox

TICK_SECONDS = 0.2

log = logging.getLogger(__name__)


def _settle_debit(call: Call, intent_id: str) -> None:
    intent = call.world.find("payment_intent", intent_id)
    if intent is not None:
        attempts.end_debit(call, intent)


def _finalize_invoice(call: Call, invoice_id: str) -> None:
    invoice = call.world.find("invoice", invoice_id)
    if invoice is None or invoice["status"] != "draft":
        return
    finalizations.finalize(call, invoice)
    if invoice["parent"] and invoice["collection_method"] == "send_invoice":
        call.emit("invoice.sent", invoice)


_WORK: dict[str, Callable[[Call, str], None]] = {
    "book_charge": charges.book_planned,
    "collect_invoice": invoice_steps.collect_automatically,
    "end_refund": refunds.end_planned,
    "end_retries": subscription_dunning.end_retries,
    "end_subscription": subscription_ends.end_planned,
    "expire_resumption": subscription_pauses.expire_resumption,
    "expire_subscription": subscription_renewals.expire,
    "finalize_invoice": _finalize_invoice,
    "note_overdue": subscription_dunning.note_overdue,
    "renew_subscription": subscription_renewals.renew,
    "resume_collection": subscription_renewals.collect_again,
    "settle_debit": _settle_debit,
    "tell_trial_end": subscription_schedules.tell_trial_end,
}


def run_due(sandbox: Sandbox, world: World) -> int:
    """Run everything that is due by a world's clock, in order, each at its own moment. Returns how much."""
    done = 0
    while job := _next_job(world, None, world.clock.exact()):
        with world.clock.standing_at(job["due_at"]):
            _WORK[job["kind"]](Call(sandbox, world), job["subject"])
        done += 1
    return done


def run_clock(sandbox: Sandbox, world: World, clock: Json, until: int) -> None:
    """Set a test clock on, stopping at all that is due on the way."""
    while job := _next_job(world, clock["id"], until):
        clock["frozen_time"] = max(int(job["due_at"]), clock["frozen_time"])
        _WORK[job["kind"]](Call(sandbox, world), job["subject"])
    clock["frozen_time"] = until


def _next_job(world: World, clock: str | None, until: float) -> Json | None:
    """Take the first job that is due by this clock off the list."""
    due = (j for j in world.jobs if j.get("clock") == clock and j["due_at"] <= until)
    first = min(due, key=lambda j: j["due_at"], default=None)
    if first is not None:
        world.jobs.remove(first)
    return first


async def keep_running(sandbox: Sandbox) -> None:
    """Run due work until cancelled."""
    while True:
        for world in list(sandbox.worlds.values()):
            try:
                run_due(sandbox, world)
            except Exception:  # process edge: one failed job must not end all the others
                log.exception("work that was due in world %s failed", world.keys.name)
        await asyncio.sleep(TICK_SECONDS)
