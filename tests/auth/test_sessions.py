from __future__ import annotations

from datetime import timedelta

import pytest

from portal.auth.sessions import end_sessions_of, find_visitor, sessions_of
from portal.database.transaction import connection, transaction
from portal.security.passwords import hash_password
from portal.security.tokens import Purpose, hash_token
from tests.visitors import PASSWORD, SESSION_COOKIE, Visitor, add_person, sign_in_as


async def make_older(token: str, *, created: timedelta, seen: timedelta) -> None:
    async with connection() as held:
        await held.execute(
            "UPDATE person_session SET created_at = now() - $2::interval, "
            "last_seen_at = now() - $3::interval WHERE token_hash = $1",
            hash_token(token, Purpose.SESSION),
            created,
            seen,
        )


async def sign_in(visitor: Visitor, **fields: str) -> str:
    answer = await visitor.post("/sign-in", {"email": "ana@example.com", "password": PASSWORD, **fields})
    assert answer.status_code == 303, answer.text
    assert visitor.session is not None
    return visitor.session


@pytest.fixture
async def ana(visitor: Visitor) -> int:
    return await add_person(hashed=await hash_password(PASSWORD))


async def test_session_id_chosen_by_an_attacker_is_never_used(visitor: Visitor, ana: int) -> None:
    visitor.use_session("attacker-chosen-123")
    token = await sign_in(visitor)
    assert token != "attacker-chosen-123"
    assert (await find_visitor("attacker-chosen-123"))[0] is None


async def test_signing_in_again_ends_the_session_from_before(visitor: Visitor, ana: int) -> None:
    first = await sign_in(visitor)
    second = await sign_in(visitor)
    assert first != second
    assert (await find_visitor(first))[0] is None
    assert (await find_visitor(second))[0] is not None


async def test_session_shown_after_sign_out_opens_nothing(owner: Visitor) -> None:
    token = owner.session
    assert token
    assert (await owner.post("/sign-out")).status_code == 303
    owner.use_session(token)
    answer = await owner.get("/audit-log")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=/audit-log"


@pytest.mark.parametrize(
    ("created", "seen", "words"),
    [
        (timedelta(minutes=40), timedelta(minutes=31), "30 minutes without activity"),
        (timedelta(hours=12, minutes=1), timedelta(minutes=1), "12 hours"),
    ],
)
async def test_session_past_a_limit_asks_to_sign_in_and_says_why(
    owner: Visitor, created: timedelta, seen: timedelta, words: str
) -> None:
    assert owner.session
    await make_older(owner.session, created=created, seen=seen)
    answer = await owner.get("/audit-log")
    assert answer.headers["location"] == "/sign-in?next=/audit-log"
    assert f"You were signed out after {words}. Sign in to go on." in (await owner.get("/sign-in")).text


async def test_session_within_both_limits_goes_on(owner: Visitor) -> None:
    assert owner.session
    await make_older(owner.session, created=timedelta(hours=11), seen=timedelta(minutes=29))
    assert (await owner.get("/audit-log")).status_code == 200


async def test_a_page_notes_that_the_person_was_here(owner: Visitor) -> None:
    assert owner.session
    await make_older(owner.session, created=timedelta(hours=1), seen=timedelta(minutes=20))
    await owner.get("/audit-log")
    async with connection() as held:
        quiet = await held.fetchval("SELECT now() - last_seen_at FROM person_session")
    assert quiet < timedelta(minutes=1)


async def test_kept_session_outlives_the_usual_limits(visitor: Visitor, ana: int) -> None:
    token = await sign_in(visitor, keep="on")
    await make_older(token, created=timedelta(days=20), seen=timedelta(days=10))
    assert (await find_visitor(token))[0] is not None
    await make_older(token, created=timedelta(days=31), seen=timedelta(days=1))
    assert (await find_visitor(token))[0] is None


async def test_only_the_hash_of_the_token_is_stored(owner: Visitor) -> None:
    async with connection() as held:
        row = await held.fetchval("SELECT person_session::text FROM person_session")
    assert owner.session
    assert owner.session not in row


async def test_ending_all_sessions_but_one_leaves_that_one(visitor: Visitor, ana: int) -> None:
    first = await sign_in_as(visitor, ana)
    second = await sign_in_as(visitor, ana)
    person, _ = await find_visitor(second)
    assert person is not None
    async with transaction() as tx:
        await end_sessions_of(tx.connection, ana, but=person.session_id)
    assert (await find_visitor(first))[0] is None
    assert [row.id for row in await sessions_of(ana)] == [person.session_id]


async def test_disabled_person_is_out_at_once(owner: Visitor) -> None:
    async with connection() as held:
        await held.execute("UPDATE person SET disabled_at = now()")
    assert (await owner.get("/audit-log")).status_code == 303


async def test_session_cookie_is_out_of_reach_of_scripts(visitor: Visitor, ana: int) -> None:
    answer = await visitor.post("/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION_COOKIE))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Path=/" in cookie
    assert "Max-Age" not in cookie


@pytest.mark.parametrize(
    "header", ["X-User", "X-Forwarded-User", "X-Remote-User", "Remote-User", "Authorization"]
)
async def test_no_header_names_the_person(visitor: Visitor, ana: int, header: str) -> None:
    answer = await visitor.http.get("/audit-log", headers={header: "ana@example.com"})
    assert answer.status_code == 303
