"""Work that is due later by a world's clock: bank debits, balance bookings, refunds, drafts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError
from plugins.stripe.sandbox.objects import attempts, charges, finalizations, invoice_steps, refunds
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
    if invoice is not None and invoice["status"] == "draft":
        finalizations.finalize(call, invoice)


def _collect_invoice(call: Call, invoice_id: str) -> None:
    invoice = call.world.find("invoice", invoice_id)
    if invoice is None or invoice["status"] != "open":
        return
    call.world.note(invoice_id)["automatic_attempt"] = True
    try:
        invoice_steps.collect(call, invoice)
    except ApiError:
        # The refusal is on record as events and on the invoice; nobody waits for this answer.
        return


_WORK: dict[str, Callable[[Call, str], None]] = {
    "book_charge": charges.book_planned,
    "collect_invoice": _collect_invoice,
    "end_refund": refunds.end_planned,
    "finalize_invoice": _finalize_invoice,
    "settle_debit": _settle_debit,
}


def run_due(sandbox: Sandbox, world: World) -> int:
    """Run everything that is due in a world, in order. Returns how much that was."""
    done = 0
    while due := [j for j in world.jobs if j["due_at"] <= world.clock.exact()]:
        first = min(due, key=lambda j: j["due_at"])
        world.jobs.remove(first)
        _WORK[first["kind"]](Call(sandbox, world), first["subject"])
        done += 1
    return done


async def keep_running(sandbox: Sandbox) -> None:
    """Run due work until cancelled."""
    while True:
        for world in list(sandbox.worlds.values()):
            try:
                run_due(sandbox, world)
            except Exception:  # process edge: one failed job must not end all the others
                log.exception("work that was due in world %s failed", world.keys.name)
        await asyncio.sleep(TICK_SECONDS)
