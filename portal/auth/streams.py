"""Event streams end with the session that opened them, which is looked at before each word of theirs."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType

from portal.auth.sessions import is_still_open
from portal.errors import PortalError
from portal.queue.connections import DATABASE_FAILED
from portal.web.request import SignedIn, visitor_of

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("portal.auth")


class SessionStreams:
    """Guards ask once, when a stream begins; this asks on, for all streams of people who are signed in."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and end its stream in time."""
        person = visitor_of(scope) if scope["type"] == ScopeType.HTTP else None
        if person is not None:
            watch = _Watch(person, receive, send)
            receive, send = watch.receive, watch.send
        await self.app(scope, receive, send)


class _Watch:
    """One answer. When the session is over the browser sees a stream end, and its handler the browser go."""

    def __init__(self, person: SignedIn, receive: Receive, send: Send) -> None:
        self._person, self._receive, self._send = person, receive, send
        self._streaming = False
        self._over = asyncio.Event()

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, unless it is one of a stream that nobody may read any more."""
        if message["type"] == "http.response.start":
            kind = MutableScopeHeaders.from_message(message).get("content-type", "")
            self._streaming = kind.startswith("text/event-stream")
        elif self._over.is_set():
            return
        elif self._streaming and not await self._may_read_on():
            self._over.set()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    async def receive(self) -> Any:
        """What the browser sends; once the session is over, that it left."""
        if not self._streaming:
            return await self._receive()
        heard, over = asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait({heard, over}, return_when=asyncio.FIRST_COMPLETED)
            return {"type": "http.disconnect"} if self._over.is_set() else heard.result()
        finally:
            heard.cancel()
            over.cancel()

    async def _may_read_on(self) -> bool:
        try:
            return await is_still_open(self._person)
        except (PortalError, *DATABASE_FAILED) as error:
            logger.info("a stream ends, as its session cannot be looked at: %s", type(error).__name__)
            return False  # the browser asks again by itself
