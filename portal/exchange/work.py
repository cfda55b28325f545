"""What a plugin's actors call: the portal locks, claims and applies; the plugin locates and reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from portal.accounts.services import (
    AccountDisconnected,
    load_account,
    mark_broken,
    mark_needs_attention,
    open_row,
)
from portal.contract.accounts import Account
from portal.contract.errors import (
    AccountAuthFailed,
    AccountNotReady,
    EventQuarantined,
    ProviderError,
)
from portal.contract.loading import plugin_by_id
from portal.contract.work import Reading, StoredEvent, Subject
from portal.database.engine import nothing_to_reset
from portal.database.transaction import Connection, connection, transaction, transaction_on
from portal.errors import NotFound, PortalError
from portal.exchange.applying import apply_opened, apply_reading
from portal.exchange.failures import ReadingOvertaken, in_words
from portal.exchange.fences import open_writing, pass_fence, reading_begins
from portal.failpoints import Failpoint, reach
from portal.sync import ending as outbox
from portal.sync.claiming import Task, claim_task
from portal.webhooks import processing as inbox
from portal.webhooks.locks import lock, turn

FINAL = frozenset({"processed", "ignored", "parked", "rejected"})
MOST_READS = 3
"""So often an object is read again because something newer was stored meanwhile."""


Locate = Callable[[Account, StoredEvent], Awaitable[Subject | str]]
"""Which object the event is about, or a sentence why none of ours."""
Read = Callable[[Account, Subject, Sequence[StoredEvent]], Awaitable[Reading]]
"""Read the object from the provider now. Called with the object's lock held and no transaction open."""
TaskHandler = Callable[[Account, Task], Awaitable[Reading]]


async def run_event(event_id: int, *, locate: Locate, read: Read) -> None:
    """Handle one event of the inbox, together with every other open event about the same object.

    May be called twice, late, or for an event that is long done: then it does nothing.
    """
    if inbox.ended_lately(event_id):
        return
    work = _Work([])
    try:
        await _handle(work, event_id, locate=locate, read=read)
    except Exception as error:  # noqa: BLE001 - the process's edge: what went wrong must be on the row
        await _give_back(work, in_words(error, f"event {event_id}"))


async def _handle(work: _Work, event_id: int, *, locate: Locate, read: Read) -> None:
    loaded = await inbox.load_with_account(event_id)
    if loaded is None:
        return
    event, row = loaded
    if event.state in FINAL or event.leased:
        return  # who holds the lease ends it, or the sweeper rings when it has ended
    work.events = [event]
    # Of those that arrive together one looks for the object, and most others find that they have ended.
    # Whoever waits holds no connection.
    async with turn(event.account_id, f"group {event.group_id}"):
        if inbox.ended_lately(event_id):
            return
        work.account = open_row(row)
        subject = await locate(work.account, event)
        if isinstance(subject, str):
            await _set_aside([event], subject)
            return
        groups = (event.group_id, *subject.group_ids)
        await _settle(work, Subject(subject.key, groups), read, for_event=event_id)


async def refresh_subject(account: Account, subject: Subject) -> str:
    """Read the object now, apply it and end its open events; returns what changed, as a sentence.

    For whoever cannot wait for an event: there is no other way to write what was read of an object.

    Raises:
        ProviderError: it could not be read.
        ObjectBusy: another worker had it for too long.
    """
    plugin = plugin_by_id(account.plugin)
    if plugin is None:
        raise NotFound(f"The plugin {account.plugin} is not loaded.")
    work = _Work([], account)
    try:
        return await _settle(work, replace(subject, whole=True), plugin.read)
    except Exception as error:
        await _give_back(work, in_words(error, f"refresh of {subject.key}"))
        raise


async def run_task(task_id: int, handlers: Mapping[str, TaskHandler]) -> None:
    """Do one task of the outbox. May be called twice or late: a task is done once."""
    task = await claim_task(task_id)
    if task is None:
        return
    reach(Failpoint.TASK_CLAIMED)
    account: Account | None = None
    try:
        account = await load_account(task.account_id)
        async with connection() as held:
            began = await reading_begins(held)
        reading = await _handler_of(handlers, task)(account, task)
        reach(Failpoint.TASK_ANSWERED)
        if not await _finish_task(task, account, reading, began=began):
            await refresh_subject(account, Subject(reading.key, (reading.key.partition(":")[2],)))
            await _finish_task(task, account, Reading(), began=began)
        reach(Failpoint.TASK_FINISHED)
    except Exception as error:  # noqa: BLE001 - the process's edge, as above
        known = in_words(error, f"task {task_id}")
        await _mark_account(account, known)
        await outbox.give_back(task, known)


def _handler_of(handlers: Mapping[str, TaskHandler], task: Task) -> TaskHandler:
    handler = handlers.get(task.kind)
    if handler is None:
        raise ProviderError("This provider cannot be told of this.", hint="Change it there by hand.")
    return handler


async def _finish_task(task: Task, account: Account, reading: Reading, *, began: datetime) -> bool:
    """Store the answer and the end of its task together; False: something newer is stored by now.

    A reading with a key claims to tell how its object stands; one without is believed at any time.
    """
    async with transaction() as tx:
        held = tx.connection
        if reading.key and not await pass_fence(held, account, reading.key, began=began):
            return False
        await apply_reading(held, account, reading)
        await outbox.finish_task(held, task)
        reach(Failpoint.TASK_APPLIED)
    return True


@dataclass(slots=True)
class _Work:
    """What must be given back when the work fails."""

    events: list[StoredEvent]
    account: Account | None = None

    @property
    def loaded(self) -> Account:
        """The account, where it is known to be there."""
        assert self.account is not None  # noqa: S101 - loaded before anything else; tells the type checker
        return self.account


async def _settle(work: _Work, subject: Subject, read: Read, *, for_event: int | None = None) -> str:
    """Lock the object, claim its open events, read it and apply that; returns what changed."""
    account = work.loaded
    async with turn(account.id, subject.key):
        if for_event is not None and inbox.ended_lately(for_event):
            return ""  # somebody ended it while this one waited
        async with lock(partial(_claim, account, subject)) as (held, claimed):
            work.events = claimed.events
            if for_event is not None and not work.events:
                return ""  # the same in another process
            return await _read_and_finish(held, work, subject, read=read, began=claimed.since)


async def _claim(account: Account, subject: Subject, held: Connection) -> inbox.Claimed:
    return await inbox.claim_events(held, account.id, subject.key, subject.group_ids)


async def _read_and_finish(
    held: Connection, work: _Work, subject: Subject, *, read: Read, began: datetime
) -> str:
    reach(Failpoint.EVENT_CLAIMED)
    for _ in range(MOST_READS):
        reading = await read(work.loaded, subject, work.events)
        reach(Failpoint.EVENT_READ)
        said = await _finish(held, work, key=subject.key, began=began, reading=reading)
        if said is not None:
            return said
        began = await reading_begins(held)
    raise ReadingOvertaken("Newer news of the object was stored while it was read.", retry_after=1)


async def _finish(
    held: Connection, work: _Work, *, key: str, began: datetime, reading: Reading
) -> str | None:
    """Store what was read and the end of its events together; None: something newer is stored by now."""
    account = work.loaded
    left = {event.id for event in reading.left}
    done = [event for event in work.events if event.id not in left]
    async with transaction_on(held):
        if not await open_writing(held, account, key, began=began, invoice_id=reading.invoice_id):
            return None
        said = await apply_opened(held, account, reading, key=key)
        await inbox.finish_events(
            held,
            done,
            outcome=said or reading.words or "Nothing changed.",
            state="ignored" if reading.ignored else "processed",
        )
        reach(Failpoint.EVENT_APPLIED)
    nothing_to_reset(held)  # the object's lock has ended with the transaction
    inbox.note_ended(done)
    reach(Failpoint.EVENT_FINISHED)
    if reading.trouble is not None:
        await _give_back(_Work(list(reading.left), account), reading.trouble)
    return said


async def _set_aside(events: Sequence[StoredEvent], why: str) -> None:
    async with connection() as held, transaction_on(held):
        await inbox.finish_events(held, events, outcome=why, state="ignored")
    inbox.note_ended(events)


async def _give_back(work: _Work, error: PortalError) -> None:
    if isinstance(error, EventQuarantined | AccountDisconnected):
        await _set_aside(work.events, error.message)
        return
    await _mark_account(work.account, error)
    async with transaction() as tx:
        await inbox.give_back(tx.connection, work.events, error)


async def _mark_account(account: Account | None, error: PortalError) -> None:
    """Show people that the connection needs them, when that is why the work could not be done."""
    if account is None:
        return  # it could not be loaded, so the provider was not asked
    if isinstance(error, AccountAuthFailed):
        await mark_broken(account.id, error.message, refused=account.credentials)
    elif isinstance(error, AccountNotReady):
        await mark_needs_attention(account.id, error.message)
