"""A difference is there once, follows the values, and ends when both agree or somebody chooses."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.contract.facts import Mode
from portal.database.transaction import transaction
from portal.errors import NotFound
from portal.sync.differences import (
    Choice,
    Difference,
    DifferenceFilter,
    StoredDifference,
    ValuesChanged,
    close_differences,
    decide,
    differences_of,
    list_differences,
    note_difference,
    open_counts,
)
from tests.builders import connect_account, make_customer


async def _conflict() -> Difference:
    account = await connect_account()
    return Difference(
        account_id=account.id,
        mode=Mode.TEST,
        subject_kind="customer",
        subject_id=await make_customer(),
        external_id="cus_1",
        field="name",
        ours="Globex Trading",
        theirs="Globex Inc",
        kind="conflict",
        cause="Both sides changed the name.",
        rule="Nothing is overwritten until somebody chooses.",
        trusted="person",
        found_by="event",
    )


async def _note(difference: Difference) -> bool:
    async with transaction() as tx:
        return await note_difference(tx.connection, difference)


async def _decide(id_: int, choice: Choice, seen: str) -> StoredDifference | None:
    async with transaction() as tx:
        return await decide(tx.connection, id_, choice, seen=seen, by="Olivia")


async def test_the_same_difference_stands_once_with_the_newest_values(database: None) -> None:
    found = await _conflict()
    assert await _note(found)
    assert not await _note(found)
    assert not await _note(replace(found, theirs="Globex Corporation"))
    (stored,) = (await list_differences(DifferenceFilter("stripe"))).rows
    assert (stored.theirs, stored.subject_name, stored.state) == (
        "Globex Corporation",
        "Globex Trading",
        "open",
    )
    assert await open_counts(found.account_id) == {"conflict": 1}


async def test_a_difference_ends_when_both_sides_agree(database: None) -> None:
    found = await _conflict()
    await _note(found)
    await _note(replace(found, field="email"))
    async with transaction() as tx:
        assert await close_differences(tx.connection, found.account_id, "cus_1", fields=["name"]) == 1
    (left,) = await differences_of("customer", found.subject_id or 0)
    assert left.field == "email"
    (ended,) = (await list_differences(DifferenceFilter("stripe", still_open=False))).rows
    assert (ended.field, ended.state) == ("name", "gone")


async def test_a_choice_is_made_once_and_about_the_values_that_were_seen(database: None) -> None:
    found = await _conflict()
    await _note(found)
    (stored,) = await differences_of("customer", found.subject_id or 0)
    with pytest.raises(ValuesChanged, match="Globex Inc"):
        await _decide(stored.id, "ours", replace(stored, theirs="Globex").seen)
    seen = stored.seen
    decided = await _decide(stored.id, "ours", seen)
    assert decided is not None
    assert await _decide(stored.id, "ours", seen) is None
    with pytest.raises(ValuesChanged):
        await _decide(stored.id, "theirs", seen)
    assert not await _note(found), "the choice is on its way to the provider"
    assert await _note(replace(found, theirs="Globex Holding"))
    with pytest.raises(NotFound):
        await _decide(999, "ours", seen)
