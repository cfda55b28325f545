"""Sessions: a random token in the browser, its hash in the table, limits on both idleness and age."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from asyncpg import Record

from portal.auth.rules import why_over
from portal.database.transaction import Connection, connection
from portal.security.tokens import Purpose, hash_token, new_token
from portal.web.request import Role, SignedIn, Trouble, Visit

SEEN_EVERY_SECONDS = 60
LOOK_UP = """
SELECT s.id AS session_id, s.kept, s.created_at, s.last_seen_at, s.ended_at, p.id AS person_id, p.name,
       p.email, p.role, p.disabled_at, clock_timestamp() AS now, o.name AS organisation, o.time_zone,
       (SELECT min(mode) FROM connected_account WHERE state <> 'disconnected') AS mode,
       EXISTS (SELECT 1 FROM connected_account WHERE mode = 'test') AS has_test,
       b.id AS broken_id, b.plugin AS broken_plugin, b.title AS broken_title, b.mode AS broken_mode,
       b.health_reason AS broken_reason, w.parked, w.parked_test
  FROM person_session s JOIN person p ON p.id = s.person LEFT JOIN organisation o ON true
       LEFT JOIN LATERAL (SELECT * FROM connected_account WHERE state = 'broken'
                          ORDER BY mode, id LIMIT 1) b ON true
       CROSS JOIN LATERAL (
           SELECT count(*) AS parked, count(*) FILTER (WHERE failed.mode = 'test') AS parked_test
             FROM (SELECT a.mode FROM connected_account a JOIN webhook_event e ON e.account = a.id
                    WHERE a.state <> 'disconnected' AND e.state = 'parked' LIMIT 101) failed) w
 WHERE s.token_hash = $1
"""
STILL_OPEN = """
SELECT s.created_at, s.last_seen_at, s.kept, clock_timestamp() AS now
  FROM person_session s JOIN person p ON p.id = s.person
 WHERE s.id = $1 AND p.role = $2 AND s.ended_at IS NULL AND p.disabled_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a session begins: its address and the browser's own description."""

    address: str = ""
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its owner sees it in a list."""

    id: int
    created_at: datetime
    last_seen_at: datetime
    address: str
    user_agent: str


async def start_session(held: Connection, person_id: int, *, kept: bool, browser: Browser) -> str:
    """A new session in the caller's transaction. Returns its token, which is stored nowhere."""
    token, now = new_token(), datetime.now(UTC)
    await held.execute(
        "INSERT INTO person_session (person, token_hash, kept, created_at, last_seen_at, address, "
        "user_agent) VALUES ($1, $2, $3, $4, $4, $5, $6)",
        person_id,
        hash_token(token, Purpose.SESSION),
        kept,
        now,
        browser.address,
        browser.user_agent,
    )
    return token


async def end_session(held: Connection, token: str) -> None:
    """End the session with this token, if there is one: it can never be used again."""
    await held.execute(
        "UPDATE person_session SET ended_at = now() WHERE token_hash = $1 AND ended_at IS NULL",
        hash_token(token, Purpose.SESSION),
    )


async def end_sessions_of(held: Connection, person_id: int, *, but: int | None = None) -> None:
    """End all sessions of a person, perhaps but the one in hand: password changed, person disabled."""
    await held.execute(
        "UPDATE person_session SET ended_at = now() WHERE person = $1 AND ended_at IS NULL AND id <> $2",
        person_id,
        but or 0,
    )


async def sessions_of(person_id: int) -> list[SessionRow]:
    """A person's sessions that have not been ended, newest first."""
    async with connection() as held:
        rows = await held.fetch(
            "SELECT id, created_at, last_seen_at, address, user_agent FROM person_session "
            "WHERE person = $1 AND ended_at IS NULL ORDER BY last_seen_at DESC LIMIT 100",
            person_id,
        )
    return [SessionRow(**dict(row)) for row in rows]


async def find_visitor(token: str) -> tuple[SignedIn | None, Visit]:
    """Who shows this token. One query, and one more at most once a minute to note that they were here."""
    async with connection() as held:
        row = await held.fetchrow(LOOK_UP, hash_token(token, Purpose.SESSION))
        if row is None or row["ended_at"] is not None or row["disabled_at"] is not None:
            return None, Visit()
        over = why_over(
            created_at=row["created_at"], last_seen_at=row["last_seen_at"], kept=row["kept"], now=row["now"]
        )
        if over:
            return None, Visit(ended=f"You were signed out after {over}. Sign in to go on.")
        if (row["now"] - row["last_seen_at"]).total_seconds() > SEEN_EVERY_SECONDS:
            await held.execute(
                "UPDATE person_session SET last_seen_at = greatest(last_seen_at, $2) WHERE id = $1",
                row["session_id"],
                row["now"],
            )
    return _signed_in(row), _visit(row)


async def is_still_open(person: SignedIn) -> bool:
    """Whether the session lasts, for the same role. To ask is not to be there: it may go idle."""
    async with connection() as held:
        row = await held.fetchrow(STILL_OPEN, person.session_id, person.role.value)
    return row is not None and not why_over(**row)


def _signed_in(row: Record) -> SignedIn:
    return SignedIn(row["person_id"], row["name"], row["email"], Role(row["role"]), row["session_id"])


def _visit(row: Record) -> Visit:
    # The mode is the first by name of those connected: live where one is live, else test, else none.
    return Visit(
        row["organisation"] or "Portal",
        row["time_zone"] or "UTC",
        row["mode"],
        _trouble(row),
        row["has_test"],
        row["parked"],
        row["parked_test"],
    )


def _trouble(row: Record) -> Trouble | None:
    if row["broken_id"] is None:
        return None
    fields = ("id", "plugin", "title", "mode", "reason")
    return Trouble(*(row[f"broken_{field}"] for field in fields))
