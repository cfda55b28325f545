"""The outbox: a task is done, comes later, or failed. Its invoice says so, too."""

from __future__ import annotations

from portal.contract.errors import (
    AccountAuthFailed,
    AccountNotReady,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    SidesDiffer,
)
from portal.database.transaction import Connection, DatabaseBusy, transaction
from portal.errors import PortalError
from portal.queue.rings import ring
from portal.security.sealing import SealBroken
from portal.sync.claiming import Task
from portal.sync.counts import count_for
from portal.sync.differences import Difference, note_difference
from portal.sync.queueing import TOLD_ON_INVOICE
from portal.sync.rules import FIRST_DELAY_SECONDS, MAX_ATTEMPTS, retry_delay
from portal.web.live import announce

_ORDERED = {"send_refund": "refund", "send_credit": "credit"}
"""Kinds whose subject is a row of this table, which says how its task ended."""
_SHOWN_ON = {
    "change_subscription": "subscription",
    "use_method": "subscription",
    "push_customer": "customer",
}
"""Kinds whose subject's page says how its task stands."""


async def finish_task(held: Connection, task: Task) -> None:
    """Mark it done inside the transaction that stored what it brought; again, if it was asked for since."""
    await _hold_invoice(held, task)
    state = await held.fetchval(
        """
        UPDATE sync_task SET finished_at = now(), error = '', lease_until = NULL,
               state = CASE asked WHEN $2 THEN 'done' ELSE 'waiting' END,
               attempts = CASE asked WHEN $2 THEN attempts ELSE 0 END,
               key_generation = key_generation + CASE asked WHEN $2 THEN 0 ELSE 1 END
        WHERE id = $1 RETURNING state
        """,
        task.id,
        task.asked,
    )
    if state == "waiting":
        await ring(held, f"{task.plugin}.run_sync_task", task.id)
    elif task.kind in TOLD_ON_INVOICE:
        if task.kind == "void_invoice":
            await _end_what_failed(held, task.subject_id)
        await _tell_in_step(held, task.subject_id)


async def give_back(task: Task, error: PortalError) -> None:
    """Decide what an error means for the task: later, unknown, or failed with words. Work is kept.

    A task whose lease ended and that somebody else took meanwhile is left to them.
    """
    async with transaction() as tx:
        await _hold_invoice(tx.connection, task)
        if await tx.connection.fetchval(_STILL_OURS, task.id, task.attempts) is None:
            return
        if isinstance(error, _PASSING):
            await _postpone(tx.connection, task, error)
        else:
            await _fail(tx.connection, task, error)
        if task.kind in _SHOWN_ON:
            await announce(tx.connection, f"{_SHOWN_ON[task.kind]}:{task.subject_id}")


async def _hold_invoice(held: Connection, task: Task) -> None:
    """Lock the invoice before its task, as those do who queue one: two who lock crosswise undo each other."""
    if task.kind in TOLD_ON_INVOICE:
        await held.execute("SELECT FROM invoice WHERE id = $1 FOR NO KEY UPDATE", task.subject_id)


_STILL_OURS = "SELECT id FROM sync_task WHERE id = $1 AND state = 'sending' AND attempts = $2 FOR UPDATE"
"""Each claim counts as an attempt."""
_PASSING = (ProviderUnavailable, OutcomeUnknown, AccountAuthFailed, DatabaseBusy, SealBroken)
"""What trying again may help: the provider, the key or the database is away, or the key file is."""


async def _postpone(held: Connection, task: Task, error: PortalError) -> None:
    waits_for_account = isinstance(error, AccountAuthFailed | AccountNotReady | SealBroken)
    if task.attempts >= MAX_ATTEMPTS and not waits_for_account:
        await _fail(held, task, error)
        return
    asked = error.retry_after if isinstance(error, ProviderUnavailable) else None
    delay = retry_delay(task.attempts, asked=asked)
    await held.execute(
        """
        UPDATE sync_task SET state = $2, error = $3, lease_until = NULL,
               due_at = now() + make_interval(secs => $4)
        WHERE id = $1
        """,
        task.id,
        "unknown" if isinstance(error, OutcomeUnknown) else "waiting",
        error.message,
        delay,
    )
    await _tell(held, task, "waiting", error.message)
    await ring(held, f"{task.plugin}.run_sync_task", task.id, delay_ms=round(delay * 1000))


async def _fail(held: Connection, task: Task, error: PortalError) -> None:
    words = f"{error.message} {error.hint}".strip()
    state = await held.fetchval(
        """
        UPDATE sync_task SET error = $2, finished_at = now(), lease_until = NULL,
               state = CASE asked WHEN $3 THEN 'failed' ELSE 'waiting' END,
               attempts = CASE asked WHEN $3 THEN attempts ELSE 1 END,
               key_generation = key_generation + CASE asked WHEN $3 THEN 0 ELSE 1 END,
               due_at = now() + make_interval(secs => $4)
        WHERE id = $1 RETURNING state
        """,
        task.id,
        words,
        task.asked,
        FIRST_DELAY_SECONDS,
    )
    await _tell(held, task, state, words)
    count_for(task.account_id, "task_failed")
    refused = isinstance(error, ProviderError) and not isinstance(error, _PASSING)
    if task.kind in _ORDERED and state == "failed":
        await _tell_order(held, _ORDERED[task.kind], task.subject_id, words=words, refused=refused)
    if task.kind == "start_subscription" and state == "failed":
        await _tell_start(held, task.subject_id, words=words, refused=refused)
    if isinstance(error, SidesDiffer):
        await note_difference(held, _difference(task, error))
    if state == "waiting":  # something else was asked for meanwhile
        delay = round(FIRST_DELAY_SECONDS * 1000)
        await ring(held, f"{task.plugin}.run_sync_task", task.id, delay_ms=delay)


def _difference(task: Task, error: SidesDiffer) -> Difference:
    return Difference(
        account_id=task.account_id,
        mode=task.mode,
        subject_kind="invoice" if task.kind in TOLD_ON_INVOICE else task.kind.rpartition("_")[2],
        subject_id=task.subject_id,
        external_id=error.external_id,
        field=error.differing.field,
        ours=error.differing.ours,
        theirs=error.differing.theirs,
        kind="conflict",
        cause=error.message,
        rule="Nothing is sent until somebody chooses.",
        trusted="person",
        found_by="task",
    )


async def _tell(held: Connection, task: Task, sync_state: str, words: str) -> None:
    if task.kind not in TOLD_ON_INVOICE:
        return
    # The invoice's own columns repeat the state so that its page and the list need no second query.
    await held.execute(
        "UPDATE invoice SET sync_state = $2, sync_error = $3 WHERE id = $1",
        task.subject_id,
        sync_state,
        words,
    )
    await announce(held, f"invoice:{task.subject_id}")


async def _tell_order(held: Connection, table: str, order_id: int, *, words: str, refused: bool) -> None:
    """What was refused is over. An order of which nobody knows keeps its money until somebody looked."""
    invoice = await held.fetchval(
        f"""
        UPDATE {table} SET failure = $2, changed_at = now(),
               status = CASE WHEN $3 THEN 'failed' ELSE status END
        WHERE id = $1 AND external_id IS NULL AND status = 'requested' RETURNING invoice
        """,  # noqa: S608 - one of the two names above
        order_id,
        words,
        refused,
    )
    if invoice is not None:
        await announce(held, f"invoice:{invoice}")


async def _tell_start(held: Connection, order_id: int, *, words: str, refused: bool) -> None:
    """The same of a subscription that was to start. One of which nobody knows may be there all the same."""
    await held.execute(
        """
        UPDATE subscription_order SET refusal = $2, status = CASE WHEN $3 THEN 'refused' ELSE status END
        WHERE id = $1 AND status = 'asked'
        """,
        order_id,
        words,
        refused,
    )


async def _end_what_failed(held: Connection, invoice_id: int) -> None:
    """Of a void invoice nothing else is to be told: what could not be sent waits for nobody any more."""
    await held.execute(
        """
        UPDATE sync_task SET state = 'done'
        WHERE subject_id = $1 AND kind = ANY ($2::text[]) AND state = 'failed'
              AND EXISTS (SELECT FROM invoice WHERE id = $1 AND status = 'void')
        """,
        invoice_id,
        list(TOLD_ON_INVOICE),
    )


async def _tell_in_step(held: Connection, invoice_id: int) -> None:
    """Everything that the invoice waited for is done, unless another task of it is not."""
    told = await held.fetchval(
        """
        UPDATE invoice SET sync_state = 'in_step', sync_error = '', synced_at = now()
        WHERE id = $1 AND external_id IS NOT NULL AND sync_state <> 'in_step' AND NOT EXISTS (
            SELECT FROM sync_task WHERE subject_id = $1 AND kind = ANY ($2::text[]) AND state <> 'done')
        RETURNING id
        """,
        invoice_id,
        list(TOLD_ON_INVOICE),
    )
    if told is not None:
        await announce(held, f"invoice:{invoice_id}")
