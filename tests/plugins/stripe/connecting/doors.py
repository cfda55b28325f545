"""A public address for the application in this process, with something in between that can get in the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, cast

import httpx
from litestar import Litestar

ANSWER_SECONDS = 10


@dataclass
class Door:
    """Passes requests on from a port of this machine. Tests change it."""

    port: int = 0
    app: Litestar | None = None
    answers: int | None = None
    """Answer this status itself, and pass nothing on."""
    drops: set[str] = field(default_factory=set)
    """Headers that do not get through, in lower case."""
    statuses: list[int] = field(default_factory=list)
    """What the application answered to deliveries."""

    @property
    def url(self) -> str:
        """The portal's address."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self) -> None:
        """Nothing in between any more."""
        self.answers = None
        self.drops.clear()
        self.statuses.clear()

    async def pass_on(self, path: str, body: bytes, headers: dict[str, str]) -> httpx.Response:
        """Ask the application."""
        if self.answers is not None:
            return httpx.Response(self.answers, content=b"nginx")
        kept = {name: value for name, value in headers.items() if name.lower() not in self.drops}
        # The two spell the ASGI types differently.
        transport = httpx.ASGITransport(app=cast("Any", self.app))
        async with httpx.AsyncClient(transport=transport, base_url=self.url) as http:
            answer = await http.post(path, content=body, headers=kept)
        if "portal-nonce" not in {name.lower() for name in kept}:
            self.statuses.append(answer.status_code)
        return answer


@asynccontextmanager
async def open_door() -> AsyncIterator[Door]:
    """Listen until the block ends. Give it the application before anything is delivered."""
    door, loop = Door(), asyncio.get_running_loop()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            asked = door.pass_on(self.path, body, dict(self.headers.items()))
            answer = asyncio.run_coroutine_threadsafe(asked, loop).result(ANSWER_SECONDS)
            self.send_response(answer.status_code)
            if proof := answer.headers.get("portal-answer"):
                self.send_header("portal-answer", proof)
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    door.port = server.server_address[1]
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield door
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        thread.join(5)
