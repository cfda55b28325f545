"""Who changes an invoice and who ends a task of it wait for each other and never undo each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context

import pytest

from portal.contract.errors import ProviderUnavailable
from portal.database.transaction import transaction
from portal.errors import PortalError
from portal.sync.claiming import Task, claim_task
from portal.sync.ending import finish_task, give_back
from portal.sync.queueing import queue_task
from tests.builders import connect_account, make_invoice
from tests.exchange.facts import rows, somebody_waits


async def finish(task: Task) -> None:
    async with transaction() as tx:
        await finish_task(tx.connection, task)


ENDS: dict[str, Callable[[Task], Awaitable[None]]] = {
    "done": finish,
    "later": lambda task: give_back(task, ProviderUnavailable("Away.")),
    "failed": lambda task: give_back(task, PortalError("Refused.")),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_task_that_is_asked_for_again_while_it_ends_is_done_again(database: None, end: str) -> None:
    account, invoice_id = await connect_account(), await make_invoice()
    await rows("UPDATE invoice SET external_id = 'in_1'")
    task = await claim_task((await rows("SELECT id FROM sync_task"))[0][0])
    assert task is not None
    async with transaction() as tx:
        await tx.connection.execute("SELECT FROM invoice WHERE id = $1 FOR UPDATE", invoice_id)
        ending = asyncio.create_task(_run(ENDS[end], task), context=Context())
        await somebody_waits(tx.connection)
        await queue_task(tx.connection, account_id=account.id, kind="publish_invoice", subject_id=invoice_id)
    await ending
    assert await rows("SELECT state, asked FROM sync_task") == [("waiting", 2)]


async def _run(end: Callable[[Task], Awaitable[None]], task: Task) -> None:
    await end(task)
