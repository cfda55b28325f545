"""From exceptions to answers: a page, a fragment or a short text, with words and a reference."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from asyncpg import UndefinedTableError
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

from portal.contract.help_pages import help_href
from portal.errors import PortalError
from portal.security.headers import RouteClass
from portal.security.redaction import redact, request_id_now
from portal.web.guards import SAFE_METHODS
from portal.web.middlewares import request_id_of, route_class_of
from portal.web.request import NotSignedIn, PortalRequest
from portal.web.responses import cookie_name, page, redirect
from portal.web.shells import ErrorView

logger = logging.getLogger("portal.web")

HTTP_WORDS = {
    400: ("This request cannot be read.", "Go back, load the page again and repeat what you did."),
    403: ("This form is no longer valid.", "Load the page again and send it once more."),
    404: ("There is nothing at this address.", "The link may be old, or the record may be gone."),
    405: ("This address does not take that kind of request.", "Use the links and buttons of the pages."),
    413: ("This is more than the portal accepts at once.", "Send less, or in smaller parts."),
}
BROKEN = "The portal could not finish this."
BROKEN_HINT = (
    "Nothing is shown that is not saved. If it happens again, give the reference to whoever runs the portal."
)
TEMPLATES = {403: "403", 404: "404", 409: "409", 429: "429"}
SIGN_IN = "/sign-in"


def exception_handlers() -> ExceptionHandlersMap:
    """What `create_app` registers: nothing escapes as a bare text or a traceback."""
    return {
        NotSignedIn: answer_not_signed_in,
        PortalError: answer_portal_error,
        HTTPException: answer_http_error,
        Exception: answer_unexpected,
    }


def answer_not_signed_in(request: Request[Any, Any, Any], error: NotSignedIn) -> Response[Any]:
    """To the sign-in page and back. htmx is told by a header, as it would swap a redirect's page in."""
    ours = _ours(request)
    wanted = ours.current_path if ours.by_htmx else _path_of(ours)
    target = f"{SIGN_IN}?next={quote(wanted, safe='/')}" if wanted not in ("", "/") else SIGN_IN
    answer = redirect(ours, target, notice=error.notice or None, tone="warn")
    if ours.by_htmx:
        answer.status_code = 401
    return answer


def answer_portal_error(request: Request[Any, Any, Any], error: PortalError) -> Response[Any]:
    """An error with its own words."""
    if error.status_code >= 500:
        _log(request, error)
    return _answer(request, error.status_code, ErrorView(error.message, error.hint, error.code))


def answer_http_error(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
    """Litestar's own refusals, in our words: its details may quote the request."""
    message, hint = HTTP_WORDS.get(error.status_code, HTTP_WORDS[400])
    if error.status_code >= 500:
        _log(request, error)
        message, hint = BROKEN, BROKEN_HINT
    return _answer(request, error.status_code, ErrorView(message, hint, f"HTTP_{error.status_code}"))


def answer_unexpected(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """A fault of ours: the page has a reference, the log has the rest."""
    _log(request, error)
    if isinstance(error, UndefinedTableError):
        words = ErrorView("The database has no tables yet.", "Run `portal migrate`.", "NOT_MIGRATED")
        return _answer(request, 503, words)
    return _answer(request, 500, ErrorView(BROKEN, BROKEN_HINT, "UNEXPECTED"))


def _answer(request: Request[Any, Any, Any], status: int, error: ErrorView) -> Response[Any]:
    if route_class_of(request.scope) is RouteClass.WEBHOOK:
        return Response(f"{status}\n".encode(), status_code=status, media_type="text/plain; charset=utf-8")
    ours = _ours(request)
    # At an unknown address nobody was looked up; the cookie tells well enough where the way back leads.
    known = ours.visitor or cookie_name("portal_session") in ours.cookies
    back = {} if known else {"back_href": SIGN_IN, "back_label": "Go to sign-in"}
    # Help pages are for the people of the portal; a customer on the pay page has other words.
    helped = {"help_href": help_href(error.code)} if ours.visitor else {}
    view = replace(error, reference=request_id_of(request.scope), **back, **helped)
    template = f"errors/{TEMPLATES.get(status, '500' if status >= 500 else '404')}.html"
    return page(ours, template, fragment="errors/_fragment.html", status=status, error=view)


def _log(request: Request[Any, Any, Any], error: Exception) -> None:
    # Outside the gate (an unknown address, say) the id is not in the context yet.
    request_id_now.set(request_id_of(request.scope))
    path = redact(request.scope.get("path_template") or request.scope["path"])
    logger.error("%s %s failed", request.scope["method"], path, exc_info=error)


def _ours(request: Request[Any, Any, Any]) -> PortalRequest:
    return request if isinstance(request, PortalRequest) else PortalRequest(request.scope)


def _path_of(request: PortalRequest) -> str:
    if request.method not in SAFE_METHODS:
        return ""
    query = request.scope["query_string"].decode("latin-1")
    return f"{request.scope['path']}?{query}" if query else request.scope["path"]
