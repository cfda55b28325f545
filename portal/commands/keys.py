"""`portal keys list, add, rotate, retire`: the keys that seal credentials, and what each of them seals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import asyncpg
import click

from portal.commands.databases import run_in_database
from portal.errors import ConfigurationError, Conflict
from portal.settings import current_settings

if TYPE_CHECKING:
    from portal.database.transaction import Connection
    from portal.security.keyrings import Keyring
    from portal.security.places import Place
    from portal.security.resealing import Resealed

ONE_AT_A_TIME = 0x6B657973  # "keys": any number, as long as every command uses the same
LOCK_TRIES, LOCK_PAUSE_SECONDS = 8, 0.25
LOCK_MILLISECONDS = 500
"""Below PostgreSQL's deadlock_timeout: if it comes to that, it is this command that gives way."""


@click.group()
def keys() -> None:
    """The keys that seal credentials. None of these commands shows a key."""


@keys.command("list")
def list_keys() -> None:
    """Name the keys, and how many sealed values need each."""
    from portal.database.transaction import connection
    from portal.security.keyrings import current_keyring
    from portal.security.places import count_uses

    async def look() -> None:
        async with connection() as held:
            uses = await count_uses(held)
        for line in _table(current_keyring(), {key_id: sum(n.values()) for key_id, n in uses.items()}):
            click.echo(line)

    _run(look, proved=False)


@keys.command()
def add() -> None:
    """Make a new key and seal new secrets with it. Running processes notice by themselves."""
    from portal.database.transaction import transaction
    from portal.security.keyfiles import replace_key_file, with_new_key
    from portal.security.keyrings import current_keyring, to_keyring

    async def make() -> None:
        path = current_settings().keyring_file
        current_keyring()  # makes the file when there is none
        async with _alone(), transaction() as tx:
            file = with_new_key(path)
            ring, key_id = to_keyring(file, path), file.primary
            words = f"Made key {key_id} to seal new secrets."
            await _note(tx.connection, "key_added", words, ring=ring, key_id=key_id)
            replace_key_file(path, file)
        click.echo(f"Made key {key_id} ({ring.fingerprint(key_id)}); it is the primary one now.")
        click.echo("Back the key file up. Then seal again what older keys sealed: portal keys rotate")

    _run(make)


@keys.command()
def rotate() -> None:
    """Seal with the primary key what older keys sealed. The portal may run; a run that stopped goes on."""
    from portal.security.keyrings import current_keyring
    from portal.security.resealing import reseal_all

    async def seal_again() -> None:
        async with _alone():
            ring = current_keyring()
            click.echo(f"Sealing with key {ring.primary} ({ring.fingerprint(ring.primary)}).")
            await _note_rotation(ring, "Began to seal again what older keys sealed", {})
            done = await reseal_all(ring, _say_progress)
            await _note_rotation(ring, f"Sealed {_values(done.texts)} again", {"values": done.texts})
        _sum_up(done)

    _run(seal_again)


@keys.command()
@click.argument("key_id")
def retire(key_id: str) -> None:
    """Remove a key that nothing needs any more. What it sealed could never be opened again."""
    from portal.database.transaction import transaction
    from portal.security.keyfiles import refuse_needed_key, replace_key_file, without_key
    from portal.security.keyrings import current_keyring

    async def remove() -> None:
        path = current_settings().keyring_file
        async with _alone():
            ring = current_keyring()
            refuse_needed_key(ring, key_id)
            await _wait_until_settled(ring)
            async with transaction() as tx:
                await _hold_writers(tx.connection)
                await _refuse_while_used(tx.connection, key_id)
                words = f"Retired key {key_id}."
                await _note(tx.connection, "key_retired", words, ring=ring, key_id=key_id)
                replace_key_file(path, without_key(path, key_id))
        click.echo(f"Key {key_id} ({ring.fingerprint(key_id)}) is retired; copies in backups still hold it.")

    _run(remove)


def _run(work: Callable[[], Awaitable[None]], *, proved: bool = True) -> None:
    """With a database and, unless it only looks, with a key file that is proved to belong to it."""
    from portal.security.keychecks import require_keyring

    async def checked() -> None:
        if proved:
            await require_keyring(current_settings())
        await work()

    run_in_database(checked)


@asynccontextmanager
async def _alone() -> AsyncIterator[None]:
    """One command that changes keys at a time; one that was killed lets go at once."""
    from portal.database.transaction import connection

    async with connection() as held:
        for _ in range(LOCK_TRIES):
            if await held.fetchval("SELECT pg_try_advisory_lock($1)", ONE_AT_A_TIME):
                break
            await asyncio.sleep(LOCK_PAUSE_SECONDS)
        else:
            raise Conflict("Another portal keys command is at work.", hint="Wait until it has ended.")
        try:
            yield
        finally:
            await held.execute("SELECT pg_advisory_unlock($1)", ONE_AT_A_TIME)


async def _wait_until_settled(ring: Keyring) -> None:
    """What was sealed just before the last `add` may be stored only now, by a process that stood still."""
    from portal.security.keyfiles import seconds_to_settle

    if seconds := seconds_to_settle(ring):
        click.echo(
            f"Key {ring.primary} is new: waiting {seconds} s until nothing sealed before is on its way."
        )
        await asyncio.sleep(seconds)


async def _hold_writers(held: Connection) -> None:
    """Wait for open transactions that wrote to sealed places, and keep others from writing until the end."""
    from portal.security.places import SEALED_PLACES

    tables = ", ".join(sorted({place.table for place in SEALED_PLACES}))
    for _ in range(LOCK_TRIES):
        try:
            async with held.transaction():
                await held.execute(f"SET LOCAL lock_timeout = {LOCK_MILLISECONDS}")
                await held.execute(f"LOCK TABLE {tables} IN SHARE MODE")
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(LOCK_PAUSE_SECONDS)
        else:
            return
    raise Conflict(
        "The portal is writing without a pause.", hint="Nothing was changed. Try again in a minute."
    )


async def _refuse_while_used(held: Connection, key_id: str) -> None:
    from portal.security.places import count_uses

    uses = (await count_uses(held)).get(key_id, {})
    if uses:
        where = ", ".join(f"{texts} in {place}" for place, texts in uses.items())
        raise Conflict(
            f"Key {key_id} is still needed by {_values(sum(uses.values()))}: {where}.",
            hint=(
                "Seal them again first: portal keys rotate"
                if any(place.lasting for place in uses)
                else "They are gone in two minutes; try again then."
            ),
        )


async def _note(
    held: Connection, action: str, words: str, *, ring: Keyring, key_id: str, **details: int
) -> None:
    from portal.audit.services import Actor, record

    await record(
        held,
        actor=Actor("system", "", "Command line"),
        action=f"keyring.{action}",
        words=words,
        subject=("sealing_key", key_id),
        details={"fingerprint": ring.fingerprint(key_id), **details},
    )


async def _note_rotation(ring: Keyring, what: str, details: dict[str, int]) -> None:
    from portal.database.transaction import transaction

    action = "rotated" if details else "rotation_started"
    async with transaction() as tx:
        words = f"{what}, with key {ring.primary}."
        await _note(tx.connection, action, words, ring=ring, key_id=ring.primary, **details)


def _table(ring: Keyring, uses: Mapping[str, int]) -> Iterator[str]:
    yield f"{'Key':<10}{'Fingerprint':<13}{'Seals':>9}"
    for key_id in ring.keys:
        primary = "  primary" if key_id == ring.primary else ""
        yield f"{key_id:<10}{ring.fingerprint(key_id):<13}{uses.get(key_id, 0):>9}{primary}"
    for key_id in sorted(set(uses) - set(ring.keys)):
        yield f"{key_id or '(damaged)':<10}{'':<13}{uses[key_id]:>9}  not in the key file"


def _say_progress(place: Place, done: int, total: int) -> None:
    click.echo(f"{place}: {done} of {total}")


def _sum_up(done: Resealed) -> None:
    click.echo(f"{_values(done.texts)} sealed again.")
    broken = [f"{place} of {', '.join(map(str, sorted(ids)))}" for place, ids in done.broken.items() if ids]
    if broken:
        raise ConfigurationError(
            f"Some do not open and were left as they are: {'; '.join(broken)}.",
            hint="They were changed in the database, or their key is lost. Enter those credentials again.",
        )


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"
