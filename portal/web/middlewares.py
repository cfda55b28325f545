"""What happens around every request: an id, our hosts alone, no foreign forms, no endless bodies."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from litestar.config.csrf import CSRFConfig
from litestar.connection import Request
from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.middleware.csrf import CSRFMiddleware

from portal.errors import Forbidden, NotFound, PortalError
from portal.security.headers import RouteClass, security_headers
from portal.security.redaction import request_id_now
from portal.settings import Settings
from portal.web.addresses import is_our_host, is_our_origin
from portal.web.guards import SAFE_METHODS
from portal.web.keysets import LARGEST_ID

if TYPE_CHECKING:
    from litestar.handlers import BaseRouteHandler
    from litestar.types import ASGIApp, Message, Receive, Scope, Send

BODY_SECONDS = 10.0
SMALL_BYTES = 1_000
ZIP_LEVEL = 5
REQUEST_ID = "portal_request_id"
PROBES = frozenset({"/health", "/ready", "/metrics"})
_numbers = itertools.count(secrets.randbits(64))
"""From a random place in each process: ids need to differ, not to be secret, and randomness is slow."""


class UnknownHost(PortalError):
    """The request names a host that is not ours."""

    code = "UNKNOWN_HOST"
    status_code = 400


class BodyTooSlow(PortalError):
    """The body did not arrive in time."""

    code = "BODY_TOO_SLOW"
    status_code = 408


class BodyBrokenOff(PortalError):
    """The body ended before it was complete: the visitor left, or what was sent is no HTTP."""

    code = "BODY_BROKEN_OFF"
    status_code = 400


class ForeignForm(Forbidden):
    """Another site sent this form."""

    code = "FOREIGN_FORM"


def request_id_of(scope: Scope) -> str:
    """The id of a request, made when first asked for. Error pages and log lines share it."""
    state = cast("dict[str, str]", scope.setdefault("state", {}))
    if (known := state.get(REQUEST_ID)) is None:
        known = state[REQUEST_ID] = f"{next(_numbers) % 2**64:016x}"
    return known


def route_class_of(scope: Scope) -> RouteClass:
    """Which rules the route falls under; what has no route falls under the strictest."""
    handler = cast("BaseRouteHandler | None", scope.get("route_handler"))
    access = handler.opt.get("access") if handler else None
    return RouteClass(access) if access else RouteClass.ADMIN


class RequestGate:
    """The first thing on every route: sets the request id, refuses foreign hosts, vast ids, slow bodies.

    Nor does a NUL go further, which no text of the database can hold: forms drop it as well.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        request_id_now.set(request_id_of(scope))
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        headers = Headers.from_scope(scope)
        if scope["path"] not in PROBES and not is_our_host(headers.get("host", ""), self.settings):
            raise UnknownHost(
                "This portal does not answer under that address.",
                hint=f"Use {self.settings.base_url}, or set PORTAL_BASE_URL to the address that people use.",
            )
        if _names_no_record(scope):
            raise NotFound("There is nothing at this address.", hint="No record has such a number or name.")
        # Taking it out could leave a new one behind: `%%0000`.
        scope["query_string"] = scope["query_string"].replace(b"%00", b"%20")
        await self.app(scope, _hurry(receive, has_body=scope["method"] not in SAFE_METHODS), send)


class Zip:
    """Compresses complete pages. Streams and static files (compressed once, at the start) pass through."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold a page's start back until its one body is compressed."""
        if scope["type"] != ScopeType.HTTP or "gzip" not in Headers.from_scope(scope).get(
            "accept-encoding", ""
        ):
            await self.app(scope, receive, send)
            return
        held: list[Message] = []

        async def zipping_send(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_page(message):
                held.append(message)
                return
            if held:
                await send(_zip(held.pop(), message))
            await send(message)

        await self.app(scope, receive, zipping_send)


class OriginGate:
    """Refuses unsafe requests that a browser says come from another site.

    Clients that send neither header (scripts, old browsers) are left to the form token alone.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        if (
            scope["type"] == ScopeType.HTTP
            and scope["method"] not in SAFE_METHODS
            and route_class_of(scope) is not RouteClass.WEBHOOK
            and not self._ours(Headers.from_scope(scope))
        ):
            raise ForeignForm("Another site sent this form.", hint="Open the page here and send it again.")
        await self.app(scope, receive, send)

    def _ours(self, headers: Headers) -> bool:
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site not in ("same-origin", "none"):
            return False
        if origin is None or (origin == "null" and site == "same-origin"):
            # A page with Referrer-Policy no-referrer sends "null" with its own forms.
            return True
        return is_our_origin(origin, headers.get("host", ""), self.settings)


class FormTokenGate(CSRFMiddleware):
    """Litestar's signed double-submit token, which must not trip over letters outside ASCII."""

    def __init__(self, app: ASGIApp, config: CSRFConfig) -> None:
        super().__init__(app, config)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Drop a token cookie that is not ours, so that the next page sets a good one."""
        if scope["type"] == ScopeType.HTTP and _needs_no_token(scope):
            await self.app(scope, receive, send)
            return
        if scope["type"] == ScopeType.HTTP:
            _forget_cookie(scope, self.config.cookie_name, unless=self._is_ours)
        await super().__call__(scope, receive, send)

    def _is_ours(self, token: str) -> bool:
        return token.isascii() and self._decode_csrf_token(token) is not None

    def _csrf_tokens_match(self, request_csrf_token: str, cookie_csrf_token: str) -> bool:
        sent: object = request_csrf_token  # a file, when somebody plays with the form
        if not isinstance(sent, str) or not self._is_ours(sent):
            return False
        return super()._csrf_tokens_match(sent, cookie_csrf_token)


def header_hook(settings: Settings) -> Callable[[Message, Scope], Awaitable[None]]:
    """A `before_send` hook that adds the security headers to every response, 404s included."""
    by_class = {kind: security_headers(kind, secure=settings.secure) for kind in RouteClass}

    async def add_headers(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            headers = MutableScopeHeaders.from_message(message)
            for name, value in by_class[route_class_of(scope)].items():
                headers.setdefault(name, value)
            headers.setdefault("x-request-id", request_id_of(scope))

    return add_headers


def _names_no_record(scope: Scope) -> bool:
    """Whether the path holds what no record can have: a number beyond the database's, or a NUL."""
    parts = cast("dict[str, object]", scope["path_params"]).values()
    return "\0" in scope["path"] or any(isinstance(part, int) and abs(part) > LARGEST_ID for part in parts)


def _needs_no_token(scope: Scope) -> bool:
    # Files are kept by shared caches and probes by nobody: neither may carry a cookie.
    plain = route_class_of(scope) is RouteClass.STATIC or scope["path"] in PROBES
    return plain and scope.get("method") in SAFE_METHODS


def _hurry(receive: Receive, *, has_body: bool) -> Receive:
    """A `receive` that gives the whole body ten seconds; waiting for a disconnect afterwards has no limit.

    A disconnect within the body is refused here, for Litestar would call it a fault of the server.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + BODY_SECONDS
    complete = False

    async def hurried() -> Any:
        nonlocal complete
        if complete:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(deadline - loop.time(), 0.001))
        except TimeoutError:
            raise BodyTooSlow("The request did not arrive in time.", hint="Send it again.") from None
        if has_body and message["type"] == "http.disconnect":
            raise BodyBrokenOff("The request did not arrive in full.", hint="Send it again.")
        complete = message["type"] != "http.request" or not message.get("more_body", False)
        return message

    return hurried


def _forget_cookie(scope: Scope, name: str, *, unless: Callable[[str], bool]) -> None:
    cookies = Request[Any, Any, Any](scope).cookies  # one dictionary, shared by all who look at this request
    value = cookies.get(name)
    if value is not None and not unless(value):
        del cookies[name]


def _is_page(start: Message) -> bool:
    headers = MutableScopeHeaders.from_message(start)
    return headers.get("content-type", "").startswith("text/html") and "content-encoding" not in headers


def _zip(start: Message, body: Message) -> Message:
    """Compress the body in place and return the start that fits it."""
    if body["type"] != "http.response.body" or body.get("more_body") or len(body["body"]) < SMALL_BYTES:
        return start
    body["body"] = gzip.compress(body["body"], ZIP_LEVEL, mtime=0)
    headers = MutableScopeHeaders.from_message(start)
    headers["content-encoding"] = "gzip"
    headers["content-length"] = str(len(body["body"]))
    headers.extend_header_value("vary", "Accept-Encoding")
    return start
