"""Answers to deliveries: a word, and the headers that every answer of the portal has."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from portal.security.headers import RouteClass, security_headers
from portal.settings import current_settings
from portal.web.middlewares import request_id_of

if TYPE_CHECKING:
    from litestar.types import Scope, Send


@dataclass(frozen=True, slots=True)
class Answer:
    """What a delivery is told: never more than a word."""

    status: int
    word: str
    header: tuple[str, str] | None = None
    """One more."""


FAULT = Answer(500, "try again")
"""To what made us stumble: the provider hears of it in a word, and delivers again."""


async def send_answer(answer: Answer, scope: Scope, send: Send) -> None:
    """Send it whole."""
    headers, body = _written(answer, secure=current_settings().secure)
    identified = [*headers, (b"x-request-id", request_id_of(scope).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": identified})
    await send({"type": "http.response.body", "body": body, "more_body": False})


@functools.lru_cache(maxsize=64)
def _written(answer: Answer, *, secure: bool) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body, made once for each kind of answer."""
    body = json.dumps({"status": answer.word}, separators=(",", ":")).encode()
    named = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        **security_headers(RouteClass.WEBHOOK, secure=secure),
        **dict([answer.header] if answer.header else []),
    }
    return [(name.encode(), value.encode()) for name, value in named.items()], body
