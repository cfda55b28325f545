"""Transactions that always give their connection back, and read-only connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal

from asyncpg.pool import PoolConnectionProxy
from piccolo.engine.postgres import PostgresEngine, PostgresTransaction

from portal.database.engine import current_engine
from portal.errors import PortalError

if TYPE_CHECKING:
    from types import TracebackType

    Connection = PoolConnectionProxy[Any]
else:
    Connection = PoolConnectionProxy  # generic in the stubs alone

_held: ContextVar[Connection | None] = ContextVar("portal_held_connection", default=None)
AfterCommit = Callable[[], Awaitable[None]]
ACQUIRE_SECONDS = 4.0
RELEASE_SECONDS = 1.0
"""A connection that cannot be reset in this time is closed."""


class DatabaseBusy(PortalError):
    """No connection became free in time."""

    code = "DATABASE_BUSY"
    status_code = 503


class Transaction(PostgresTransaction):
    """Piccolo's transaction with a deadline for its connection, which goes back even when COMMIT fails.

    Piccolo's own keeps the connection when COMMIT or ROLLBACK raises, so a few failed commits empty the pool.
    Nested use joins the outer transaction. Do not run queries of one transaction side by side.
    """

    connection: Connection

    def __init__(self, engine: PostgresEngine, given: Connection | None = None) -> None:
        super().__init__(engine)
        self._given = given
        self.committed: list[AfterCommit] = []

    async def __aenter__(self) -> Transaction:  # noqa: PYI034 - a nested one hands out its parent
        if self._parent is not None:
            if self._given not in (None, self._parent.connection):
                raise RuntimeError(
                    "a transaction is open on another connection: this one would not be part of it"
                )
            return self._parent  # type: ignore[return-value]  # parents are made by this class alone
        self.connection = self._given or await acquire()
        try:
            self.transaction = self.connection.transaction()
            await self.begin()  # type: ignore[no-untyped-call]  # Piccolo left it untyped
        except BaseException:
            await self._give_back()
            raise
        self.context = self.engine.current_transaction.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[False]:
        if self._parent is not None:
            return False
        try:
            if error is not None:
                await self._undo()
            elif not self._committed and not self._rolled_back:
                await self.commit()  # type: ignore[no-untyped-call]  # Piccolo left it untyped
        finally:
            self.engine.current_transaction.reset(self.context)
            await self._give_back()
        if self._committed:
            for call in self.committed:
                await call()
        return False

    async def _give_back(self) -> None:
        if self._given is None:
            await _release(self.connection)

    async def rollback(self) -> None:
        """Undo everything now; leaving the block then commits nothing."""
        await super().rollback()  # type: ignore[no-untyped-call]  # Piccolo left it untyped

    async def _undo(self) -> None:
        if not self._rolled_back and not self.connection.is_closed():
            await self.rollback()


async def after_commit(call: AfterCommit) -> None:
    """Run `call` when the running transaction has committed: now without one, never after a rollback."""
    running = current_engine().current_transaction.get()
    if isinstance(running, Transaction):
        running.committed.append(call)
    else:
        await call()


def transaction() -> Transaction:
    """One transaction for Piccolo queries and for raw ones on its `connection`."""
    return Transaction(current_engine())


def transaction_on(held: Connection) -> Transaction:
    """The same on a connection that the caller holds and keeps."""
    return Transaction(current_engine(), held)


@asynccontextmanager
async def connection() -> AsyncIterator[Connection]:
    """A pooled asyncpg connection, for hot reads and single statements.

    Inside another `connection()` of the same task it is that one: who holds a connection and waits for a
    second empties the pool together with others who do the same.
    """
    if (outer := _held.get()) is not None:
        yield outer
        return
    held = await acquire()
    token = _held.set(held)
    try:
        yield held
    finally:
        _held.reset(token)
        await _release(held)


async def acquire() -> Connection:
    """A connection of the pool within the deadline.

    Raises:
        DatabaseBusy: none became free, or the pool is not open.
    """
    pool = current_engine().pool
    if pool is None:
        raise DatabaseBusy("The database pool is not open.")
    try:
        held: Connection = await pool.acquire(timeout=ACQUIRE_SECONDS)
    except TimeoutError:
        raise DatabaseBusy("The database is busy.", hint="Try again in a moment.") from None
    return held


async def _release(held: Connection) -> None:
    pool = current_engine().pool
    if pool is not None:
        # Shielded: a cancelled request must still give its connection back.
        await asyncio.shield(pool.release(held, timeout=RELEASE_SECONDS))
