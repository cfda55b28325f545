from __future__ import annotations

import asyncio

import asyncpg
import pytest

from portal.audit import services
from portal.audit.services import SYSTEM, Actor, record, timeline, verify
from portal.contract.secrets import Secret
from portal.database.transaction import connection, transaction

ANA = Actor("person", "1", "Ana Duarte", "192.0.2.10")


async def write(words: str, **details: object) -> int:
    async with transaction() as tx:
        return await record(
            tx.connection,
            actor=ANA,
            action="invoice.edited",
            words=words,
            subject=("invoice", 7),
            mode="test",
            details=details,
        )
    raise AssertionError  # the transaction lets no error pass in silence


async def tamper(*statements: str) -> None:
    """What somebody with the whole database could do."""
    async with transaction() as tx:
        await tx.connection.execute("SET LOCAL session_replication_role = replica")
        for statement in statements:
            await tx.connection.execute(statement)


@pytest.fixture
async def chain(database: None) -> list[int]:
    return [await write(f"Edit {number}", before=number, text="ünï \u202e \u2028") for number in range(6)]


async def test_chain_as_written_is_intact(chain: list[int]) -> None:
    found = await verify()
    assert (found.intact, found.entries) == (True, 6)
    assert len(found.head) == 64


async def test_empty_log_is_intact(database: None) -> None:
    assert (await verify()).intact


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entry SET words = 'nothing' WHERE id = 1",
        "DELETE FROM audit_entry WHERE id = 1",
        "DELETE FROM audit_entry",
        "TRUNCATE audit_entry",
    ],
)
async def test_database_refuses_to_change_the_log(chain: list[int], statement: str) -> None:
    async with connection() as held:
        with pytest.raises(asyncpg.PostgresError, match="append-only"):
            await held.execute(statement)
    assert (await verify()).entries == 6


@pytest.mark.parametrize(
    "change",
    [
        "words = 'Something else'",
        "actor_name = 'Bob'",
        "actor_id = '2'",
        "at = at + interval '1 microsecond'",
        "action = 'invoice.voided'",
        "object_id = '8'",
        "mode = 'live'",
        "mode = NULL",
        "details = '{}'",
        "address = ''",
        "hash = decode(repeat('00', 32), 'hex')",
    ],
)
async def test_changed_entry_is_named(chain: list[int], change: str) -> None:
    await tamper(f"UPDATE audit_entry SET {change} WHERE id = {chain[2]}")  # noqa: S608 - made from this file
    found = await verify()
    assert (found.broken_at, found.entries) == (chain[2], 2)


async def test_removed_entry_is_noticed_at_the_next_one(chain: list[int]) -> None:
    await tamper(f"DELETE FROM audit_entry WHERE id = {chain[2]}")  # noqa: S608 - made from this file
    found = await verify()
    assert found.broken_at == chain[3]
    assert "removed" in found.reason


async def test_swapped_entries_are_noticed(chain: list[int]) -> None:
    one, other = chain[1], chain[2]
    await tamper(
        f"UPDATE audit_entry SET id = 999 WHERE id = {one}",  # noqa: S608 - made from this file
        f"UPDATE audit_entry SET id = {one} WHERE id = {other}",  # noqa: S608 - the same
        f"UPDATE audit_entry SET id = {other} WHERE id = 999",  # noqa: S608 - the same
    )
    assert (await verify()).broken_at == one


async def test_missing_tail_is_noticed_with_a_head_noted_before(chain: list[int]) -> None:
    head = (await verify()).head
    await tamper(f"DELETE FROM audit_entry WHERE id = {chain[-1]}")  # noqa: S608 - made from this file
    assert (await verify()).intact
    found = await verify(expected_head=head)
    assert not found.intact
    assert "given head is gone" in found.reason


async def test_noted_head_stays_good_while_the_log_grows(chain: list[int]) -> None:
    head = (await verify()).head
    await write("One more")
    assert (await verify(expected_head=head)).intact


async def test_chain_cannot_be_rewritten_without_the_key_file(
    chain: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = services._chain_key()
    monkeypatch.setattr(services, "_chain_key", lambda: b"guess" * 8)
    await write("Forged")
    monkeypatch.setattr(services, "_chain_key", lambda: real)
    found = await verify()
    assert found.broken_at is not None
    assert found.broken_at > chain[-1]


async def test_writers_at_the_same_moment_make_one_chain(database: None) -> None:
    await asyncio.gather(*(write(f"Edit {number}") for number in range(8)))
    found = await verify()
    assert (found.intact, found.entries) == (True, 8)


async def test_entry_lives_and_dies_with_its_transaction(chain: list[int]) -> None:
    async def fail() -> None:
        async with transaction() as tx:
            await record(tx.connection, actor=SYSTEM, action="portal.tried", words="Tried")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert (await verify()).entries == 6


async def test_secrets_do_not_reach_the_log(database: None) -> None:
    await write("Saved sk_test_51CANARYCANARY", secret_key="sk_test_51CANARYCANARY", held=Secret("CANARY"))
    async with connection() as held:
        row = await held.fetchval("SELECT audit_entry::text FROM audit_entry")
    assert "CANARY" not in row
    assert (await verify()).intact


async def test_timeline_shows_one_object_newest_first(chain: list[int]) -> None:
    entries = await timeline("invoice", 7)
    assert [entry.id for entry in entries] == chain[::-1]
    assert entries[0].actor == ANA
    assert entries[0].details["before"] == 5
    assert await timeline("invoice", 8) == []


async def test_null_characters_from_a_provider_do_no_harm(database: None) -> None:
    await write("A name with \x00 in it", name="x\x00y")
    assert (await verify()).intact
