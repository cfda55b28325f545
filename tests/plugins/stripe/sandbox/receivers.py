"""A webhook receiver that keeps what it gets and answers as told."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

WAIT_SECONDS = 10.0


@dataclass
class Receiver:
    """What arrived, in order. `statuses` are used up one by one, then it answers 200."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    pause_seconds: float = 0.0
    deliveries: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of all deliveries."""
        return [json.loads(body) for _, body in self.deliveries]

    @property
    def types(self) -> list[str]:
        """Their types."""
        return [event["type"] for event in self.events]

    def wait_for(self, condition: Callable[[Receiver], bool]) -> None:
        """Wait until this holds."""
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition(self):
            if time.monotonic() > deadline:
                raise AssertionError(f"it did not arrive; what did: {self.types}")
            time.sleep(0.01)


@contextlib.contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port."""
    inbox = Receiver()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            inbox.deliveries.append((self.headers["Stripe-Signature"], body))
            time.sleep(inbox.pause_seconds)
            self.send_response(inbox.statuses.pop(0) if inbox.statuses else 200)
            self.send_header("Content-Length", "0")
            self.send_header("Location", "/elsewhere")
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    inbox.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield inbox
    finally:
        server.shutdown()
        server.server_close()
