"""Whether the key file is the one that this database needs: looked at before the portal starts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import asyncpg

from portal.database.engine import connection_options
from portal.security.keyrings import Keyring, KeyringUnusable, read_keyring
from portal.security.places import SEALED_PLACES, Place
from portal.security.sealing import SealBroken, open_sealed
from portal.settings import Settings

SAMPLES = 3
"""Texts of each place and key that are tried; one that opens proves the key."""
CHECK_SECONDS = 20
HINT = "Put the key file that belongs to this database in its place; your backup has it."
COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name LIKE 'sealed\\_%'
"""

_Samples: TypeAlias = dict[str, list[tuple[str, tuple[str, ...]]]]
"""Key id -> sealed texts, each with its context."""


class KeyringMisfit(KeyringUnusable):
    """The key file is intact, but it is not the one that the database was sealed with."""

    code = "KEYRING_MISFIT"


async def require_keyring(settings: Settings) -> int:
    """Prove that the key file opens the secrets of the connections; returns how many keys they need.

    A few texts for each key are tried, so that it costs the same with any number of rows. Without secrets and
    without a key file there is nothing to prove: one is made when it is first needed. Call it once the
    database is known to answer.

    Raises:
        KeyringUnusable: the file belongs to somebody else, others may read it, or it is damaged.
        KeyringMisfit: it lacks a key that the database needs, or has another one under the same id.
    """
    async with asyncio.timeout(CHECK_SECONDS):
        samples = await _samples(settings)
    path = settings.keyring_file
    ring = read_keyring(path) if path.exists() else None
    for key_id in sorted(samples):
        _require_key(ring, key_id, samples, path)
    return len(samples)


def _require_key(ring: Keyring | None, key_id: str, samples: _Samples, path: Path) -> None:
    holds = f"The database holds secrets sealed with key {key_id}"
    if ring is None:
        raise KeyringMisfit(f"{holds}, and there is no key file {path}.", hint=HINT)
    if key_id not in ring.keys:
        raise KeyringMisfit(f"{holds}, which is not in the key file {path}.", hint=HINT)
    if not any(_opens(text, context, ring) for text, context in samples[key_id]):
        raise KeyringMisfit(f"{holds}; key {key_id} in the key file {path} is another key.", hint=HINT)


def _opens(text: str, context: tuple[str, ...], ring: Keyring) -> bool:
    try:
        open_sealed(text, context=context, keyring=ring)
    except SealBroken:
        return False
    return True


async def _samples(settings: Settings) -> _Samples:
    held = await asyncpg.connect(**connection_options(settings, name="portal-check"))
    try:
        # Before the first migration, or between two, some columns are not there yet.
        there = {tuple(row) for row in await held.fetch(COLUMNS)}
        samples: _Samples = {}
        for place in SEALED_PLACES:
            if place.at_start and (place.table, place.column) in there:
                for row in await held.fetch(_query(place), SAMPLES):
                    _add_sample(samples, place, row)
    finally:
        await held.close()
    return samples


def _query(place: Place) -> str:
    return f"""
        SELECT * FROM (
            SELECT {place.columns}, sealed.field, sealed.text, key.id AS key_id,
                   row_number() OVER (PARTITION BY key.id ORDER BY held.id DESC) AS nth
            FROM {place.table} AS held, {place.texts},
                 LATERAL (VALUES (split_part(sealed.text, '.', 2))) AS key (id)
            WHERE sealed.text <> ''
        ) AS found WHERE nth <= $1 AND key_id <> ''
        """  # noqa: S608 - constants


def _add_sample(samples: _Samples, place: Place, row: Mapping[str, Any]) -> None:
    sample = (row["text"], place.context(row, row["field"]))
    samples.setdefault(row["key_id"], []).append(sample)
