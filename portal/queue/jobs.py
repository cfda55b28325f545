"""Jobs in PostgreSQL: how a message becomes a row, and a row a message."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy

from portal.errors import PortalError
from portal.queue import statements
from portal.queue.connections import Executor
from portal.queue.failures import NonIdArgument
from portal.queue.messages import refuse_other_than_ids

DEAD_DAYS = 7
"""How long dead letters are kept; the same with every broker."""


class UnreadableJob(PortalError):
    """A row that no enqueue of ours can have written."""

    code = "UNREADABLE_JOB"


class JobMessage(MessageProxy):
    """A message with the row it came from."""

    def __init__(self, message: dramatiq.Message[Any], job_id: int) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.retry_after_ms: int | None = None
        """Set when the message is to be retried, which acknowledging it then does."""

    @property
    def failure(self) -> BaseException | None:
        """What the actor raised, while the message is being settled."""
        return self._exception


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many jobs a queue holds. `behind_seconds`: how long the oldest ready one has waited."""

    queue_name: str
    ready: int
    delayed: int
    running: int
    behind_seconds: float


async def create_tables(connection: Executor) -> None:
    """Make the queue's tables and trigger; a second call changes nothing."""
    await connection.execute(statements.CREATE_TABLES)


async def enqueue_in(
    connection: Executor, *messages: dramatiq.Message[Any] | MessageProxy, delay_ms: int = 0
) -> None:
    """Enqueue in the caller's transaction: the jobs exist if and only if it commits, and workers wake then.

    Raises:
        NonIdArgument: a message carries something other than ids.
    """
    for message in messages:
        refuse_other_than_ids(message)
    if messages:
        await connection.execute(statements.ENQUEUE, *columns_of(messages), delay_ms)


async def read_counts(connection: Executor) -> list[QueueCounts]:
    """One entry for each queue that holds something."""
    rows = await connection.fetch(statements.COUNT)
    return [QueueCounts(r[0], r[1], r[2], r[3], max(0.0, r[4])) for r in rows]


async def count_dead(connection: Executor) -> int:
    """How many dead letters are kept."""
    return int(await connection.fetchval(statements.COUNT_DEAD))


async def purge_dead(connection: Executor, *, days: int = DEAD_DAYS) -> None:
    """Delete dead letters older than this."""
    await connection.execute(statements.PURGE_DEAD, days)


def columns_of(messages: Sequence[dramatiq.Message[Any] | MessageProxy]) -> tuple[list[str], ...]:
    """The first six arguments of `statements.ENQUEUE`: one list a column."""
    rows = [
        (m.queue_name, m.actor_name, m.message_id, _json(m.args), _json(m.kwargs), _json(m.options))
        for m in messages
    ]
    return tuple(list(column) for column in zip(*rows, strict=True))


def read_message(row: Any) -> dramatiq.Message[Any]:
    """The message of a row of portal_job.

    Raises:
        UnreadableJob: its JSON is no message of ours. Nothing is imported or called to find out.
    """
    try:
        message: dramatiq.Message[Any] = dramatiq.Message(
            queue_name=row["queue_name"],
            actor_name=row["actor_name"],
            args=tuple(json.loads(row["args"])),
            kwargs=_load_object(row["kwargs"]),
            options=_load_object(row["options"]),
            message_id=str(row["message_id"]),
            message_timestamp=int(row["enqueued_at"].timestamp() * 1000),
        )
        refuse_other_than_ids(message)
    # Deep nesting overflows the parser's stack; a number too long to convert is a ValueError.
    except (ValueError, TypeError, RecursionError, NonIdArgument) as error:
        raise UnreadableJob(type(error).__name__) from None
    return message


def _load_object(text: str) -> dict[str, Any]:
    return {} if text == "{}" else dict(json.loads(text))


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))
