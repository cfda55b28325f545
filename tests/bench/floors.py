"""What a receiver costs that does nothing but prove a delivery and commit it: the floor to compare with.

`FLOOR=single` commits each delivery by itself; `FLOOR=grouped` commits those that wait together at once.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg

from portal.database.engine import connection_options
from portal.settings import current_settings
from tests.builders import WEBHOOK_SECRET

TABLE = (
    "CREATE TABLE IF NOT EXISTS floor_event (id text PRIMARY KEY, type text NOT NULL, body bytea NOT NULL)"
)
_ONE = "INSERT INTO floor_event VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING"
_MANY = """
INSERT INTO floor_event SELECT * FROM unnest($1::text[], $2::text[], $3::bytea[]) ON CONFLICT (id) DO NOTHING
"""
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
_HEADERS = [(b"content-length", b"2")]


class Floor:
    """A bare ASGI application."""

    def __init__(self, *, grouped: bool) -> None:
        self._grouped = grouped
        self._waiting: list[tuple[tuple[str, str, bytes], asyncio.Future[None]]] = []
        self._wake = asyncio.Event()
        self._writer: asyncio.Task[None] | None = None
        self._pool: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 200 once the event is committed."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        signature = dict(scope["headers"]).get(b"stripe-signature", b"")
        status = 200 if _is_genuine(signature, body) else 400
        if status == 200:
            event = json.loads(body)
            await self._store((event["id"], event["type"], body))
        await send({"type": "http.response.start", "status": status, "headers": _HEADERS})
        await send({"type": "http.response.body", "body": b"ok"})

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._pool = await asyncpg.create_pool(
                    **connection_options(current_settings(), name="floor"), min_size=8, max_size=8
                )
                self._writer = asyncio.create_task(self._write())
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _store(self, row: tuple[str, str, bytes]) -> None:
        if not self._grouped:
            await self._pool.execute(_ONE, *row)
            return
        stored: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, stored))
        self._wake.set()
        await stored

    async def _write(self) -> None:
        async with self._pool.acquire() as held:
            while await self._wake.wait():
                self._wake.clear()
                taken, self._waiting = self._waiting[:100], self._waiting[100:]
                rows = [row for row, _ in taken]
                await held.execute(_MANY, *(list(column) for column in zip(*rows, strict=True)))
                for _, stored in taken:
                    if not stored.done():
                        stored.set_result(None)
                if self._waiting:
                    self._wake.set()


def _is_genuine(signature: bytes, body: bytes) -> bool:
    stamp, _, mark = signature.removeprefix(b"t=").partition(b",v1=")
    made = hmac.new(WEBHOOK_SECRET.encode(), stamp + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(made.encode(), mark)


app = Floor(grouped=os.environ.get("FLOOR") == "grouped")
