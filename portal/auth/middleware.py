"""Finds out who is asking, once a request, from the session cookie alone."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.middleware.authentication import AbstractAuthenticationMiddleware, AuthenticationResult

from portal.auth.sessions import find_visitor
from portal.web.request import Visit
from portal.web.responses import cookie_name

NO_SESSION = "no_session"
"""Handler option: nobody is looked up. Static files, probes, intake and pay pages have it."""
LONGEST_TOKEN = 100


class Sessions(AbstractAuthenticationMiddleware):
    """Puts the person (or None) and the visit on the connection. It refuses nobody; guards do."""

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        """Read the cookie; no header names anybody."""
        token = connection.cookies.get(session_cookie_name())
        if not token or len(token) > LONGEST_TOKEN:
            return AuthenticationResult(user=None, auth=Visit())
        person, visit = await find_visitor(token)
        return AuthenticationResult(user=person, auth=visit)


def session_cookie_name() -> str:
    """The cookie that holds the session's token."""
    return cookie_name("portal_session")
