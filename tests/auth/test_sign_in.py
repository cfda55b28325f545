from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher
from litestar import Litestar

from portal.auth.limits import TooManyAttempts, admit, forget_old_attempts, forgive
from portal.database.transaction import connection
from portal.security import passwords
from portal.security.passwords import hash_password
from tests.visitors import HOME, PASSWORD, Visitor, add_person

REFUSED = "That email and password do not match."
WRONG = {"email": "ana@example.com", "password": "not the right one"}


@pytest.fixture
async def ana(visitor: Visitor) -> int:
    return await add_person(hashed=await hash_password(PASSWORD))


async def test_every_failure_reads_the_same(visitor: Visitor, ana: int) -> None:
    await add_person(email="off@example.com", hashed=await hash_password(PASSWORD))
    async with connection() as held:
        await held.execute("UPDATE person SET disabled_at = now() WHERE email = 'off@example.com'")
    for email, password in (
        ("ana@example.com", "not the right one"),
        ("nobody@example.com", PASSWORD),
        ("off@example.com", PASSWORD),
    ):
        answer = await visitor.post("/sign-in", {"email": email, "password": password})
        assert (answer.status_code, REFUSED in answer.text) == (422, True)
        assert PASSWORD not in answer.text


@pytest.mark.usefixtures("real_hashes")
async def test_unknown_email_costs_the_same_work(
    visitor: Visitor, ana: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    fits = passwords._fits

    def watch(stored: str, typed: str) -> bool:
        checked.append(stored)
        return fits(stored, typed)

    monkeypatch.setattr(passwords, "_fits", watch)
    await visitor.post("/sign-in", {"email": "nobody@example.com", "password": PASSWORD})
    await visitor.post("/sign-in", WRONG)
    parameters = {stored.split("$")[3] for stored in checked}
    assert len(checked) == 2
    assert parameters == {"m=65536,t=3,p=4"}


async def test_guesser_has_to_wait_after_five_tries(visitor: Visitor, ana: int) -> None:
    codes = [(await visitor.post("/sign-in", WRONG)).status_code for _ in range(6)]
    assert codes == [422] * 5 + [429]
    answer = await visitor.post("/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    assert "Too many attempts. Try again in" in answer.text


async def test_tries_at_the_same_moment_are_all_counted(database: None) -> None:
    async def attempt() -> bool:
        try:
            await admit("sign-in", account="ana@example.com", address=HOME)
        except TooManyAttempts:
            return False
        return True

    let_in = await asyncio.gather(*(attempt() for _ in range(12)))
    assert sum(let_in) == 5


async def test_another_address_does_not_reset_the_account(app: Litestar, visitor: Visitor, ana: int) -> None:
    for number in range(5):
        await Visitor(app, address=f"198.51.100.{number}").post("/sign-in", WRONG)
    answer = await Visitor(app, address="203.0.113.9").post("/sign-in", WRONG)
    assert answer.status_code == 429


async def test_forwarding_header_of_a_stranger_changes_nothing(visitor: Visitor, ana: int) -> None:
    codes = [
        (
            await visitor.post(
                "/sign-in",
                {"email": f"user{number}@example.com", "password": "x"},
                x_forwarded_for=f"203.0.113.{number}",
            )
        ).status_code
        for number in range(21)
    ]
    assert codes[-1] == 429


async def test_right_password_starts_the_count_afresh(visitor: Visitor, ana: int) -> None:
    for _ in range(4):
        await visitor.post("/sign-in", WRONG)
    await visitor.post("/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    codes = [(await visitor.post("/sign-in", WRONG)).status_code for _ in range(5)]
    assert codes == [422] * 5


async def test_wait_ends_and_old_counters_are_forgotten(database: None) -> None:
    for _ in range(5):
        await admit("sign-in", account="ana@example.com", address=HOME)
    async with connection() as held:
        await held.execute("UPDATE login_attempt SET last_at = now() - interval '2 hours', free_at = now()")
    await admit("sign-in", account="ana@example.com", address=HOME)
    await forgive("sign-in", account="ana@example.com", address=HOME)
    async with connection() as held:
        await held.execute("UPDATE login_attempt SET last_at = now() - interval '2 days'")
    assert await forget_old_attempts() == 1


async def test_weaker_hash_is_made_anew_at_sign_in(visitor: Visitor) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    person_id = await add_person(hashed=weak)
    await visitor.post("/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    async with connection() as held:
        stored = await held.fetchval("SELECT password_hash FROM person WHERE id = $1", person_id)
    assert not passwords.needs_rehash(stored)


async def test_sign_in_leads_nowhere_but_here(visitor: Visitor, ana: int) -> None:
    answer = await visitor.post(
        "/sign-in", {"email": "ana@example.com", "password": PASSWORD, "next": "//evil.example"}
    )
    assert answer.headers["location"] == "/"


async def test_sign_in_goes_back_to_the_page_that_was_asked_for(visitor: Visitor, ana: int) -> None:
    asked = await visitor.get("/audit-log?action=invoice.&page_at=off")
    page = await visitor.get(asked.headers["location"])
    assert 'name="next" value="/audit-log?action=invoice.&amp;page_at=off"' in page.text
    answer = await visitor.post(
        "/sign-in",
        {"email": "ana@example.com", "password": PASSWORD, "next": "/audit-log?action=invoice.&page_at=off"},
    )
    assert answer.headers["location"] == "/audit-log?action=invoice.&page_at=off"


async def test_htmx_is_told_to_leave_instead_of_swapping_in_the_form(visitor: Visitor, ana: int) -> None:
    answer = await visitor.get(
        "/audit-log", hx_request="true", hx_current_url="http://testserver.local/audit-log"
    )
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/sign-in?next=/audit-log")


async def test_sign_in_says_when_nobody_can(visitor: Visitor) -> None:
    assert "Nobody can sign in yet" in (await visitor.get("/sign-in")).text
