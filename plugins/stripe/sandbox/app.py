"""The ASGI application: `/v1`, `/_sandbox` and the browser's cross-origin questions."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from plugins.stripe.sandbox.api import Answer, Request, answer
from plugins.stripe.sandbox.authenticate import authenticate_intent
from plugins.stripe.sandbox.browser_files import browser_file
from plugins.stripe.sandbox.control import steer
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.pages import form_fields, show
from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.spec.routes import match
from plugins.stripe.sandbox.wire import encode_json

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 1_000_000
_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-allow-methods", b"GET, POST, DELETE, OPTIONS"),
    (b"access-control-expose-headers", b"request-id, stripe-version, idempotent-replayed"),
    (b"access-control-max-age", b"300"),
]
_JSON = (b"content-type", b"application/json")
_HTML = (b"content-type", b"text/html; charset=utf-8")

log = logging.getLogger(__name__)


def create_app(sandbox: Sandbox) -> Application:
    """The application that serves a sandbox."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _body(receive)
        result = await _respond(sandbox, scope, body)
        await _send(send, result)

    return app


async def _body(receive: Receive) -> bytes:
    parts = b""
    while True:
        message = await receive()
        parts += message.get("body", b"")
        if not message.get("more_body") or len(parts) > MAX_BODY:
            return bytes(parts)


async def _respond(sandbox: Sandbox, scope: Scope, body: bytes) -> Answer:
    method, path = scope["method"], scope["path"]
    if len(body) > MAX_BODY:
        return _plain(413, b"too large")
    if method == "OPTIONS":
        return Answer(204, b"", [])
    try:
        if path.startswith("/v1/"):
            return await _api(sandbox, scope, body)
        if path.startswith("/_sandbox/"):
            return _steer(sandbox, scope, path.removeprefix("/_sandbox"), body)
    except Exception:  # process edge: a bug must show as a 500 that names it in the log
        log.exception("%s %s failed", method, path)
        return _error(ApiError(500, "The sandbox failed; its log says how.", kind="api_error"))
    return _error(ApiError(404, f"Unrecognized request URL ({method}: {path})."))


async def _api(sandbox: Sandbox, scope: Scope, body: bytes) -> Answer:
    request = Request(
        scope["method"],
        scope["path"],
        scope["query_string"].decode("latin-1"),
        body,
        dict(scope["headers"]),
    )
    if request.path.endswith("/_sandbox_authenticate"):
        return authenticate_intent(sandbox, request)
    result = await answer(sandbox, request)
    _note_call(sandbox, request, result)
    return result


def _note_call(sandbox: Sandbox, request: Request, result: Answer) -> None:
    found = match(request.method, request.path)
    name = found.route.key if found else f"{request.method} {request.path}"
    sandbox.calls[name] += 1
    sandbox.recent_calls.append(
        {
            "at": time.time(),
            "call": name,
            "path": request.path,
            "status": result.status,
            "request_id": request.id,
            "idempotency_key": request.header(b"idempotency-key"),
        }
    )


def _steer(sandbox: Sandbox, scope: Scope, path: str, body: bytes) -> Answer:
    method, query = scope["method"], scope["query_string"].decode("latin-1")
    if (file := browser_file(path)) is not None:
        return Answer(200, file[0], [(b"content-type", file[1]), (b"cache-control", b"no-cache")])
    if (page := show(sandbox, method, path, form_fields(query, body))) is not None:
        headers = [_HTML] + ([(b"location", page.location.encode())] if page.location else [])
        return Answer(page.status, page.html.encode(), headers)
    try:
        given = _control_body(body) | {k: v[-1] for k, v in parse_qs(query).items()}
        return Answer(200, encode_json(steer(sandbox, method, path, given)), [_JSON])
    except ApiError as error:
        return _error(error)


def _control_body(body: bytes) -> Json:
    if not body:
        return {}
    try:
        given = json.loads(body)
    except ValueError:
        raise ApiError(400, "The body of a control call is JSON.") from None
    if not isinstance(given, dict):
        raise ApiError(400, "The body of a control call is a JSON object.")
    return given


def _error(error: ApiError) -> Answer:
    return Answer(error.status, encode_json(error.body("")), [_JSON])


def _plain(status: int, text: bytes) -> Answer:
    return Answer(status, text, [(b"content-type", b"text/plain")])


async def _send(send: Send, result: Answer) -> None:
    headers = result.headers + _CORS
    if result.dropped:
        # A length that is never reached makes the server break the connection off.
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]}
        )
        await send({"type": "http.response.body", "body": b"{", "more_body": True})
        await asyncio.sleep(0)
        raise ConnectionAbortedError("dropped on purpose")
    await send({"type": "http.response.start", "status": result.status, "headers": headers})
    await send({"type": "http.response.body", "body": result.body})
