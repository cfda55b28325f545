"""Work that is due later by a world's clock: bank debits, balance bookings, refunds, drafts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError
from plugins.stripe.sandbox.objects import attempts, charges, finalizations, invoices, refunds
from plugins.stripe.sandbox.store.worlds import World

if TYPE_CHECKING:
    from plugins.stripe.sandbox.sandbox import Sandbox

TICK_SECONDS = 0.2


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
        invoices.collect(call, invoice)
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
    while True:
        moment = world.clock.exact()
        due = sorted((j for j in world.jobs if j["due_at"] <= moment), key=lambda j: j["due_at"])
        if not due:
            return done
        job = due[0]
        world.jobs.remove(job)
        _WORK[job["kind"]](Call(sandbox, world), job["subject"])
        done += 1


async def keep_running(sandbox: Sandbox) -> None:
    """Run due work until cancelled."""
    while True:
        for world in list(sandbox.worlds.values()):
            run_due(sandbox, world)
        await asyncio.sleep(TICK_SECONDS)
