"""A form acts once, also when it is pressed twice at the same moment."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from portal.database.transaction import connection, transaction
from portal.web.submissions import UnknownForm, new_form_key, submit_once
from tests.builders import make_customer


def adding(name: str) -> Callable[[], Awaitable[int]]:
    async def add() -> int:
        async with transaction() as tx:
            await tx.connection.execute("SELECT pg_sleep(0.05)")
        return await make_customer(name, "")

    return add


async def count() -> int:
    async with connection() as held:
        return int(await held.fetchval("SELECT count(*) FROM customer"))


async def test_presses_at_the_same_moment_act_once(database: None) -> None:
    key = new_form_key()
    answers = await asyncio.gather(*(submit_once(key, adding(f"A{n}")) for n in range(4)))
    assert len({answer for answer, _ in answers}) == 1
    assert sorted(acted for _, acted in answers) == [False, False, False, True]
    assert await count() == 1


async def test_other_forms_act_for_themselves(database: None) -> None:
    await submit_once(new_form_key(), adding("A"))
    await submit_once(new_form_key(), adding("B"))
    assert await count() == 2


async def test_failed_act_can_be_repeated(database: None) -> None:
    key = new_form_key()

    async def fail() -> int:
        raise LookupError

    with pytest.raises(LookupError):
        await submit_once(key, fail)
    assert (await submit_once(key, adding("A")))[1] is True


@pytest.mark.parametrize("key", ["", "short", "with spaces and more", "x" * 65])
async def test_key_of_a_stranger_is_refused(database: None, key: str) -> None:
    with pytest.raises(UnknownForm):
        await submit_once(key, adding("A"))
    assert await count() == 0
