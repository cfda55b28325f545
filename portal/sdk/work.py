"""What a plugin's actors call: the portal locks, claims and applies; the plugin locates and reads."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg

from portal.accounts.services import (
    AccountDisconnected,
    load_account,
    mark_broken,
    mark_needs_attention,
    require_connected,
)
from portal.audit.services import Actor
from portal.contract.errors import (
    AccountAuthFailed,
    AccountNotReady,
    EventQuarantined,
    ProviderUnavailable,
    UnforeseenError,
)
from portal.contract.facts import CustomerSeen, Fact
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Account
from portal.customers.facts import apply_customer_seen
from portal.database.transaction import Connection, transaction
from portal.errors import PortalError
from portal.invoices.facts import Source, apply_invoice_facts
from portal.sync import services as outbox
from portal.webhooks import processing as inbox

logger = logging.getLogger("portal.work")
_PASSING = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
)
"""What a query raises when the database is away, busy, or undoes one of two that met."""
FINAL = frozenset({"processed", "ignored", "parked", "rejected"})


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that events are about. Everything with the same `key` is done one after the other."""

    key: str
    group_ids: tuple[str, ...]
    """The groups that its events may have arrived under: all of them share one read."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a fresh read brought. `invoice_id` None: nothing of ours is concerned.

    `save` runs in the same transaction as the facts, for the plugin's own tables.
    """

    facts: Sequence[Fact] = ()
    invoice_id: int | None = None
    words: str = ""
    """Shown on the event when the facts changed nothing."""
    ignored: bool = False
    save: Callable[[Connection], Awaitable[None]] | None = field(default=None, repr=False)


Locate = Callable[[Account, inbox.StoredEvent], Awaitable[Subject | str]]
"""Which object the event is about, or a sentence why none of ours."""
Read = Callable[[Account, Subject, Sequence[inbox.StoredEvent]], Awaitable[Reading]]
"""Read the object from the provider now. Called with the object's lock held and no transaction open."""
TaskHandler = Callable[[Account, outbox.Task], Awaitable[Reading]]


async def run_event(event_id: int, *, locate: Locate, read: Read) -> None:
    """Handle one event of the inbox, together with every other open event about the same object.

    May be called twice, late, or for an event that is long done: then it does nothing.
    """
    event = await inbox.load_event(event_id)
    if event is None or event.state in FINAL or event.leased:
        return  # who holds the lease ends it, or the sweeper rings when it has ended
    events: list[inbox.StoredEvent] = [event]
    account: Account | None = None
    try:
        account = await load_account(event.account_id)
        subject = await locate(account, event)
        if isinstance(subject, str):
            await _set_aside([event], subject)
            return
        async with inbox.object_lock(account.id, subject.key) as held:
            events = await inbox.claim_events(held, account.id, [event.group_id, *subject.group_ids])
            if events:
                await _finish(held, account, events, await read(account, subject, events))
    except Exception as error:  # noqa: BLE001 - the process's edge: what went wrong must be on the row
        await _give_back(account, events, _known(error, f"event {event_id}"))


async def run_task(task_id: int, handlers: Mapping[str, TaskHandler]) -> None:
    """Do one task of the outbox. May be called twice or late: a task is done once."""
    task = await outbox.claim_task(task_id)
    if task is None:
        return
    account: Account | None = None
    try:
        account = await load_account(task.account_id)
        reading = await handlers[task.kind](account, task)
        async with transaction() as tx:
            await apply_reading(tx.connection, account, reading)
            await outbox.finish_task(tx.connection, task)
    except Exception as error:  # noqa: BLE001 - the process's edge, as above
        known = _known(error, f"task {task_id}")
        await _mark_account(account, known)
        await outbox.give_back(task, known)


async def apply_reading(held: Connection, account: Account, reading: Reading) -> str:
    """Apply what was read inside the caller's transaction; returns what changed, as a sentence."""
    if reading.save is not None:
        await reading.save(held)
    source = Source(account.id, account.mode, _actor(account))
    said = [
        await apply_customer_seen(held, account.id, account.mode, fact)
        for fact in reading.facts
        if isinstance(fact, CustomerSeen)
    ]
    about_invoice = [fact for fact in reading.facts if not isinstance(fact, CustomerSeen)]
    if reading.invoice_id is not None and about_invoice:
        said.append(await apply_invoice_facts(held, source, reading.invoice_id, about_invoice))
    return " ".join(words for words in said if words)


async def _finish(
    held: Connection, account: Account, events: Sequence[inbox.StoredEvent], reading: Reading
) -> None:
    async with held.transaction():
        await require_connected(held, account.id)
        said = await apply_reading(held, account, reading)
        await inbox.finish_events(
            held,
            events,
            outcome=said or reading.words or "Nothing changed.",
            state="ignored" if reading.ignored else "processed",
        )


async def _set_aside(events: Sequence[inbox.StoredEvent], why: str) -> None:
    async with transaction() as tx:
        await inbox.finish_events(tx.connection, events, outcome=why, state="ignored")


async def _give_back(
    account: Account | None, events: Sequence[inbox.StoredEvent], error: PortalError
) -> None:
    if isinstance(error, EventQuarantined | AccountDisconnected):
        await _set_aside(events, error.message)
        return
    await _mark_account(account, error)
    async with transaction() as tx:
        await inbox.give_back(tx.connection, events, error)


async def _mark_account(account: Account | None, error: PortalError) -> None:
    """Show people that the connection needs them, when that is why the work could not be done."""
    if account is None:
        return  # it could not be loaded, so the provider was not asked
    if isinstance(error, AccountAuthFailed):
        await mark_broken(account.id, error.message, refused=account.credentials)
    elif isinstance(error, AccountNotReady):
        await mark_needs_attention(account.id, error.message)


def _known(error: Exception, what: str) -> PortalError:
    """The error in words. An unforeseen one gets a reference that the log has too, and is tried again.

    So does a constraint of the database that was broken: only what passes by itself counts as the database's.
    """
    if isinstance(error, PortalError):
        return error
    if isinstance(error, _PASSING):
        return ProviderUnavailable(f"The database did not take it ({type(error).__name__}).")
    reference = uuid.uuid4().hex[:8]
    logger.error("%s failed unexpectedly, reference %s", what, reference, exc_info=error)
    return UnforeseenError(f"An unexpected error, reference {reference}.", hint="The log has the details.")


def _actor(account: Account) -> Actor:
    plugin = plugin_by_id(account.plugin)
    return Actor(kind="provider", id=account.plugin, name=plugin.manifest.title if plugin else account.plugin)
