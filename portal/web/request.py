"""The request as our handlers see it: who is asking, and what htmx 4 says about the question."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Annotated, cast
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from litestar.datastructures import FormMultiDict
from litestar.exceptions import ClientException
from litestar.params import QueryParameter
from litestar.plugins.htmx import HTMXRequest

from portal.errors import PortalError
from portal.web.keysets import LARGEST_ID

RowId = Annotated[int, QueryParameter(ge=-LARGEST_ID, le=LARGEST_ID)]
"""A number in a query that a row can have; with any other the request is refused."""
PerhapsRowId = Annotated[int | None, QueryParameter(ge=-LARGEST_ID, le=LARGEST_ID)]
"""The same, or None where the query names none."""


class Role(StrEnum):
    """What a person may do. Each role may do all that the ones below it may."""

    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"

    def covers(self, needed: Role) -> bool:
        """Whether this role is enough where `needed` is asked for."""
        order = list(Role)
        return order.index(self) <= order.index(needed)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person behind a request."""

    person_id: int
    name: str
    email: str
    role: Role
    session_id: int


@dataclass(frozen=True, slots=True)
class Trouble:
    """A connection whose key is refused: a bar on every page until somebody enters a new one."""

    account_id: int
    plugin: str
    title: str
    mode: str
    reason: str

    @property
    def href(self) -> str:
        """Where a new key is entered."""
        return f"/settings/connected-accounts/{self.plugin}/keys?account={self.account_id}"


@dataclass(frozen=True, slots=True)
class Visit:
    """What the session's one query also learned, for the frame around the page."""

    organisation: str = "Portal"
    time_zone: str = "UTC"
    mode: str | None = None
    """`test` or `live` when an account is connected."""
    trouble: Trouble | None = None
    has_test: bool = False
    """Whether a test account is or was connected, so that there may be test records beside live ones."""
    parked: int = 0
    """Events that failed for good, of connections that still stand; counted up to 100."""
    parked_test: int = 0
    """How many of them are of test mode."""
    ended: str = ""
    """Why the session that the browser showed is over, as a sentence; empty when it is not."""

    @property
    def today(self) -> date:
        """The date where the organisation is: an invoice is past due when its day is over there."""
        return datetime.now(UTC).astimezone(ZoneInfo(self.time_zone)).date()


class NotSignedIn(PortalError):
    """The page needs a signed-in person."""

    code = "NOT_SIGNED_IN"
    status_code = 401

    def __init__(self, notice: str = "") -> None:
        super().__init__(notice or "Sign in to see this page.")
        self.notice = notice


class PortalRequest(HTMXRequest):
    """Adds our visitor and what htmx 4 sends. Headers decide how to answer, never who may."""

    @property
    def visitor(self) -> SignedIn | None:
        """Who is signed in, or None. Safe on every route."""
        return visitor_of(self)

    @property
    def user(self) -> SignedIn:
        """Who is signed in.

        Raises:
            NotSignedIn: nobody is.
        """
        if self.visitor is None:
            raise NotSignedIn
        return self.visitor

    @property
    def visit(self) -> Visit:
        """Organisation, mode and time zone for the frame around the page."""
        return visit_of(self)

    def shown_mode(self, wanted: str) -> str | None:
        """Which records a list or a figure shows: live ones by default, test ones when asked for.

        None while no live account is connected: then nothing is hidden.
        """
        if self.visit.mode != "live":
            return None
        return "test" if wanted == "test" and self.visit.has_test else "live"

    @property
    def wants_fragment(self) -> bool:
        """Whether htmx asks for a part of the page; a plain request gets the whole."""
        return self.headers.get("hx-request") == "true" and self.request_type != "full"

    @property
    def by_htmx(self) -> bool:
        """Whether htmx asks, for a part or the whole."""
        return self.headers.get("hx-request") == "true"

    @property
    def request_type(self) -> str:
        """`full` or `partial`; empty without htmx."""
        return self.headers.get("hx-request-type", "")

    @property
    def source(self) -> str:
        """The element that asked, as `tag#id`."""
        return self.headers.get("hx-source", "")

    @property
    def source_id(self) -> str:
        """The id of the element that asked, or nothing."""
        return self.source.partition("#")[2]

    @property
    def target_id(self) -> str:
        """The id of the element that will be replaced, or nothing."""
        return self.headers.get("hx-target", "").partition("#")[2]

    @property
    def current_path(self) -> str:
        """Path and query of the page in the browser, of whatever host: treat it as input."""
        try:
            parts = urlsplit(self.headers.get("hx-current-url", ""))
        except ValueError:  # no address at all
            return ""
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    async def form(self) -> FormMultiDict:
        """The form that was sent.

        Raises:
            ClientException: its text is not in the encoding that it says, or in none that there is.
        """
        try:
            return await super().form()
        except (LookupError, ValueError) as error:
            raise ClientException("This form cannot be read.") from error


def visitor_of(connection: object) -> SignedIn | None:
    """Who is signed in on a connection of any type, also where no session was looked up."""
    return cast("SignedIn | None", _scope(connection).get("user"))


def visit_of(connection: object) -> Visit:
    """The visit of a connection of any type, also where no session was looked up."""
    return cast("Visit | None", _scope(connection).get("auth")) or Visit()


def _scope(connection: object) -> dict[str, object]:
    return cast("dict[str, object]", getattr(connection, "scope", connection))
