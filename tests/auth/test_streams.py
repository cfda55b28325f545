"""A stream that was opened by right tells nothing once the right is gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest
from litestar import Litestar

from portal.database.transaction import connection
from portal.web.live import LiveHub
from tests.builders import connect_account, make_invoice
from tests.visitors import SESSION_COOKIE, Visitor, add_person, sign_in_as

DEADLINE = 20.0
ENDINGS = {
    "signed out": "UPDATE person_session SET ended_at = now()",
    "idle": "UPDATE person_session SET last_seen_at = now() - interval '31 minutes'",
    "too old": "UPDATE person_session SET created_at = now() - interval '13 hours'",
    "disabled": "UPDATE person SET disabled_at = now()",
    "another role": "UPDATE person SET role = 'viewer'",
}


class Listener:
    """A browser that reads a stream part by part, as long as it goes on."""

    def __init__(self, app: Litestar, path: str, token: str) -> None:
        self._app, self._parts = app, asyncio.Queue[Any]()
        self._scope: Any = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path.partition("?")[0],
            "raw_path": path.partition("?")[0].encode(),
            "query_string": path.partition("?")[2].encode(),
            "root_path": "",
            "headers": [(b"host", b"testserver.local"), (b"cookie", f"{SESSION_COOKIE}={token}".encode())],
            "client": ("192.0.2.10", 50_000),
            "server": ("testserver.local", 80),
        }
        self._asked = False

    async def listen(self) -> None:
        """Read until the portal ends it."""
        await self._app(self._scope, self._receive, cast("Any", self._parts.put))

    async def part(self) -> Any:
        """The next part: the start, or a piece of the body."""
        async with asyncio.timeout(DEADLINE):
            return await self._parts.get()

    async def _receive(self) -> Any:
        if self._asked:
            await asyncio.Event().wait()
        self._asked = True
        return {"type": "http.request", "body": b"", "more_body": False}


@asynccontextmanager
async def opened(app: Litestar, path: str) -> AsyncIterator[tuple[Listener, asyncio.Task[None]]]:
    """A stream of somebody who signed in for it; its start was read."""
    visitor = Visitor(app)
    async with connection() as held:
        person = await held.fetchval("SELECT id FROM person ORDER BY id LIMIT 1")
    listener = Listener(app, path, await sign_in_as(visitor, person or await add_person()))
    task = asyncio.create_task(listener.listen())
    try:
        start = await listener.part()
        assert start["status"] == 200, path
        yield listener, task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await visitor.http.aclose()


@pytest.mark.parametrize("ending", ENDINGS)
async def test_a_stream_tells_nothing_after_its_session(app: Litestar, database: None, ending: str) -> None:
    await connect_account()
    invoice_id = await make_invoice()
    hub: LiveHub = app.state.live
    async with opened(app, f"/invoices/{invoice_id}/live") as (listener, task):
        assert b"$480.00" in (await listener.part())["body"]
        async with connection() as held:
            await held.execute(ENDINGS[ending])
        hub._wake(f"invoice:{invoice_id}")  # as a commit does
        last = await listener.part()
        assert (last["body"], last["more_body"]) == (b"", False)
        async with asyncio.timeout(DEADLINE):
            await task
    assert not hub._waiting, "nothing is left of it"


async def test_a_stream_goes_on_with_its_session(app: Litestar, database: None) -> None:
    await connect_account()
    invoice_id = await make_invoice()
    async with opened(app, f"/invoices/{invoice_id}/live") as (listener, task):
        for _ in range(3):
            assert b"$480.00" in (await listener.part())["body"]
            app.state.live._wake(f"invoice:{invoice_id}")
        assert not task.done()


@pytest.mark.parametrize(
    "path",
    [
        "/customers/1/live",
        "/invoices/1/live",
        "/webhook-events/newer",
        "/settings/connected-accounts/stripe/sync/live",
    ],
)
async def test_every_stream_ends(app: Litestar, database: None, path: str) -> None:
    await connect_account()
    await make_invoice()
    async with opened(app, path) as (listener, task):
        async with connection() as held:
            await held.execute(ENDINGS["signed out"])
        app.state.live._wake_all()
        async with asyncio.timeout(DEADLINE):
            await task
        parts = [await listener.part()]
        while parts[-1]["more_body"]:
            parts.append(await listener.part())
        assert parts[-1]["body"] == b""
