"""Browsers without a window: they keep cookies, fill in form tokens, and follow nothing by themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import httpx
from litestar import Litestar

from portal.auth.sessions import Browser, start_session
from portal.database.transaction import transaction
from portal.finance.services import found_organisation
from portal.security.passwords import DECOY
from portal.settings import current_settings
from portal.web.request import Role

PASSWORD = "plum river lantern 42"
HOME = "192.0.2.10"
TOKEN_COOKIE = "portal_csrf"
SESSION_COOKIE = "portal_session"
CSRF_IN_PAGE = re.compile(r'name="_csrf_token" value="([0-9a-f]+)"')


class Visitor:
    """One browser on the app."""

    def __init__(self, app: Litestar, *, address: str = HOME) -> None:
        # The two spell the ASGI types differently.
        transport = httpx.ASGITransport(app=cast("Any", app), client=(address, 50_000))
        self.http = httpx.AsyncClient(transport=transport, base_url=current_settings().base_url)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page; `hx_request="true"` sends the header HX-Request."""
        return await self.http.get(path, headers=_headers(headers))

    async def post(
        self, path: str, data: Mapping[str, object] | None = None, **headers: str
    ) -> httpx.Response:
        """Send a form with its token, like our own pages do."""
        fields = {"_csrf_token": await self.token(), **(data or {})}
        return await self.http.post(path, data=fields, headers=_headers(headers))

    async def upload(self, path: str, field: str, content: bytes) -> httpx.Response:
        """Send a form with one file in it."""
        fields = {"_csrf_token": await self.token()}
        return await self.http.post(path, data=fields, files={field: ("file", content)}, headers=_headers({}))

    async def token(self) -> str:
        """The form token of this browser."""
        if TOKEN_COOKIE not in self.http.cookies:
            await self.http.get("/sign-in")
        return self.http.cookies[TOKEN_COOKIE]

    @property
    def session(self) -> str | None:
        """The session cookie's value."""
        return self.http.cookies.get(SESSION_COOKIE)

    def use_session(self, token: str) -> None:
        """Put a session cookie into the browser."""
        self.http.cookies.set(SESSION_COOKIE, token, domain=current_settings().public_host)


async def add_person(
    *, role: Role = Role.OWNER, email: str = "ana@example.com", name: str = "Ana Duarte", hashed: str = DECOY
) -> int:
    """A person, and the organisation if there is none. Without `hashed` nobody knows the password."""
    async with transaction() as tx:
        if not await tx.connection.fetchval("SELECT EXISTS (SELECT 1 FROM organisation)"):
            await found_organisation(
                tx.connection,
                name="Northwind Studio",
                contact_email=email,
                currency="usd",
                time_zone="UTC",
            )
        person_id: int = await tx.connection.fetchval(
            "INSERT INTO person (name, email, password_hash, role, created_at) "
            "VALUES ($1, $2, $3, $4, $5) RETURNING id",
            name,
            email,
            hashed,
            role.value,
            datetime.now(UTC),
        )
    return person_id


async def sign_in_as(visitor: Visitor, person_id: int) -> str:
    """A session without the password's work; returns its token."""
    async with transaction() as tx:
        token = await start_session(tx.connection, person_id, kept=False, browser=Browser(HOME, "tests"))
    visitor.use_session(token)
    return token


def _headers(given: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in given.items()}
