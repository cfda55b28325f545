"""What handling an event again would change: done in a transaction that is always rolled back."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from portal.accounts.services import load_account
from portal.contract.accounts import Account
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.contract.work import Reading, StoredEvent, Subject
from portal.database.transaction import Connection, transaction_on
from portal.errors import NotFound
from portal.exchange.applying import apply_reading
from portal.exchange.changes import Change, changes_between
from portal.exchange.failures import in_words
from portal.exchange.snapshots import concerned, take
from portal.webhooks.locks import object_lock
from portal.webhooks.processing import load_event

T = TypeVar("T")
ONE_SECONDS = 25.0
ALL_SECONDS = 45.0
AT_ONCE = 4
"""Of all who look in this process: more would take the pool's connections and the provider's calls from those
who work."""
NO_EFFECT = "It must have no effect here, so nothing was read."
NOT_REACHED = "There was no time left to look at this one."


@dataclass(frozen=True, slots=True)
class Preview:
    """What would happen. Without changes, `words` say why; `error`: it cannot be told, and why."""

    event_id: int
    changes: tuple[Change, ...] = ()
    words: str = ""
    error: str = ""
    subject: str = ""
    """`invoice:in_1`: those with the same subject share a read, and its changes."""


async def preview(event_id: int) -> Preview:
    """Read the object now and tell what applying that would change. Nothing is stored, rung or told."""
    return (await preview_many([event_id], seconds=ONE_SECONDS))[0]


async def preview_many(event_ids: Sequence[int], *, seconds: float = ALL_SECONDS) -> list[Preview]:
    """The same for many, in their order, with one read for each object. It takes no longer than `seconds`."""
    gate, found = _gate(), dict[int, Preview]()
    located = await _within(seconds / 3, [_locate(gate, event_id, found) for event_id in event_ids])
    groups: dict[tuple[int, str], list[_Located]] = {}
    for one in located:
        if one is not None:
            groups.setdefault((one.account.id, one.subject.key), []).append(one)
    await _within(seconds * 2 / 3, [_look(gate, group, found) for group in groups.values()])
    return [found.get(event_id, Preview(event_id, error=NOT_REACHED)) for event_id in event_ids]


_gates: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = weakref.WeakKeyDictionary()


def _gate() -> asyncio.Semaphore:
    return _gates.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(AT_ONCE))


@dataclass(frozen=True, slots=True)
class _Located:
    event: StoredEvent
    account: Account
    plugin: Plugin
    subject: Subject


async def _locate(gate: asyncio.Semaphore, event_id: int, found: dict[int, Preview]) -> _Located | None:
    try:
        async with gate:
            event = await _event(event_id)
            if event.state == "rejected":
                found[event_id] = Preview(event_id, words=NO_EFFECT)
                return None
            account, plugin = await load_account(event.account_id), _plugin_of(event)
            subject = await plugin.locate(account, event)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
        found[event_id] = Preview(event_id, error=in_words(error, f"preview of event {event_id}").message)
        return None
    if isinstance(subject, str):
        found[event_id] = Preview(event_id, words=subject)
        return None
    return _Located(event, account, plugin, subject)


async def _look(gate: asyncio.Semaphore, group: Sequence[_Located], found: dict[int, Preview]) -> None:
    first = group[0]
    try:
        async with gate:
            seen = await _dry_run(first, [one.event for one in group])
    except Exception as error:  # noqa: BLE001 - as above
        seen = Preview(0, error=in_words(error, f"preview of {first.subject.key}").message)
    for one in group:
        found[one.event.id] = replace(seen, event_id=one.event.id, subject=one.subject.key)


async def _dry_run(one: _Located, events: Sequence[StoredEvent]) -> Preview:
    async with object_lock(one.account.id, one.subject.key) as held:
        reading = await one.plugin.read(one.account, one.subject, events)
        if reading.ignored:
            return Preview(0, words=reading.words)
        return await _apply_and_undo(held, one, reading)


async def _apply_and_undo(held: Connection, one: _Located, reading: Reading) -> Preview:
    whose = concerned(one.account.id, one.subject, reading)
    async with transaction_on(held) as tx:
        try:
            before = await take(tx.connection, whose)
            said = await apply_reading(tx.connection, one.account, reading)
            changes = changes_between(before, await take(tx.connection, whose))
        finally:
            await tx.rollback()
    return Preview(0, changes, said or reading.words or "Nothing would change.")


async def _event(event_id: int) -> StoredEvent:
    event = await load_event(event_id)
    if event is None:
        raise NotFound("There is no such event.")
    return event


def _plugin_of(event: StoredEvent) -> Plugin:
    plugin = plugin_by_id(event.plugin)
    if plugin is None:
        raise NotFound(f"The plugin {event.plugin} is not loaded.")
    return plugin


async def _within(seconds: float, work: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """What came of those that were done in time; the others are ended."""
    tasks = [asyncio.ensure_future(one) for one in work]
    if not tasks:
        return []
    done, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return [task.result() for task in tasks if task in done]
