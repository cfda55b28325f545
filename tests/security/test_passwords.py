from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters

from portal.security import passwords
from portal.security.passwords import (
    COMMON_LIST,
    DECOY,
    describe_strength,
    hash_password,
    is_common,
    password_problem,
    verify_password,
)

GOOD = "plum river lantern 42"


async def test_hash_fits_its_password_alone() -> None:
    stored = await hash_password(GOOD)
    assert await verify_password(stored, GOOD)
    assert not await verify_password(stored, GOOD + " ")
    assert not await verify_password(None, GOOD)
    assert not await verify_password("no hash", GOOD)


async def test_parameters_are_at_least_the_library_default_and_the_decoy_has_the_same() -> None:
    made = extract_parameters(await hash_password(GOOD))
    assert made.memory_cost >= 64 * 1024
    assert made.time_cost >= 3
    assert str(made.type) == "Type.ID"
    assert extract_parameters(DECOY) == made
    assert not PasswordHasher().check_needs_rehash(DECOY)


async def test_two_spellings_of_the_same_letters_are_one_password() -> None:
    assert await verify_password(
        await hash_password("crème brûlée au café"), "cre\u0300me bru\u0302le\u0301e au cafe\u0301"
    )


async def test_at_most_two_hashes_run_at_once_and_the_loop_stays_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running, most, ticks = 0, 0, 0

    def slow(stored: str, typed: str) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(typed)
        running -= 1
        return False

    monkeypatch.setattr(passwords, "_fits", slow)
    checks = asyncio.gather(*(verify_password(DECOY, GOOD) for _ in range(20)))
    while not checks.done():
        ticks += 1
        await asyncio.sleep(0)
    assert most <= 2
    assert ticks > 20


def test_list_is_long_enough() -> None:
    lines = [line for line in COMMON_LIST.read_text().splitlines() if not line.startswith("#")]
    assert len(set(lines)) >= 3_000


@pytest.mark.parametrize(
    "password",
    [
        "password1234",
        "Password1234!",
        "P@ssw0rd!2026",
        "passwordpassword",
        "123456789012",
        "qwertyuiop12",
        "QwertyUiop[]",
        "1qaz2wsx3edc",
        "letmein12345",
        "welcome2026!",
        "summer2026!!",
        "iloveyou1234",
        "aaaaaaaaaaaaaa",
        "ababababababab",
        "correcthorsebatterystaple",
        "Administrator1",
        "monkeymonkey",
        "changeme12345",
    ],
)
def test_first_guesses_are_common(password: str) -> None:
    assert is_common(password)


@pytest.mark.parametrize(
    "password", [GOOD, "xK9#mQ2$vL7p", "ocean table green mule", "Zugspitze im Nebel um acht"]
)
def test_unusual_passwords_pass(password: str) -> None:
    assert password_problem(password) is None


@pytest.mark.parametrize("password", ["", "short", "elevenchars", "x" * 257])
def test_length_has_bounds(password: str) -> None:
    assert "characters" in (password_problem(password) or "")


def test_long_passphrases_and_no_composition_rules() -> None:
    assert (
        password_problem("all lower case words without any digit at all, quite a long line of them") is None
    )
    assert password_problem("ab cd ef gh ij kl mn op " * 10) is None


@pytest.mark.parametrize("password", ["ana.duarte@example.com", "NorthwindStudio1", "ana.duarte!!!!"])
def test_password_made_of_what_is_known_is_refused(password: str) -> None:
    about = ("Ana Duarte", "ana.duarte@example.com", "Northwind Studio")
    assert "name, email or organisation" in (password_problem(password, about=about) or "")


def test_strength_is_told_in_three_steps() -> None:
    assert describe_strength("password1234")[0] == "bad"
    assert describe_strength("xK9#mQ2$vL7p")[0] == "warn"
    assert describe_strength(GOOD)[0] == "ok"
