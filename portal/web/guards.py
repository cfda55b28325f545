"""Who may call a handler. The list a route sits in decides; a handler may ask for more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from portal.errors import Forbidden
from portal.web.request import NotSignedIn, Role, visit_of, visitor_of

AnyConnection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[AnyConnection, BaseRouteHandler], None]
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
VIEWER_MAY = "viewer_may"
"""Handler option: this POST changes nothing but the caller's own session or taste."""


def signed_in(connection: AnyConnection, _: BaseRouteHandler) -> None:
    """Anybody with a session. Every admin route has it; none can forget it."""
    if visitor_of(connection) is None:
        raise NotSignedIn(visit_of(connection).ended)


def may_write(connection: AnyConnection, handler: BaseRouteHandler) -> None:
    """Viewers read. Every admin route has this too."""
    method = str(connection.scope.get("method", ""))
    if method not in SAFE_METHODS and not handler.opt.get(VIEWER_MAY):
        _demand(connection, Role.ADMIN)


def require_role(role: str) -> Guard:
    """A guard for `guards=[require_role("admin")]`: this role or a higher one."""
    needed = Role(role)

    def has_role(connection: AnyConnection, _: BaseRouteHandler) -> None:
        _demand(connection, needed)

    return has_role


def _demand(connection: AnyConnection, needed: Role) -> None:
    person = visitor_of(connection)
    if person is None:
        raise NotSignedIn(visit_of(connection).ended)
    if not person.role.covers(needed):
        raise Forbidden(
            f"This needs the role {needed.value}. Yours is {person.role.value}.",
            hint="Ask an owner of this portal to change your role.",
        )
