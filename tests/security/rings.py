"""A key file of a test's own: a copy of the suite's, so that everything else goes on; its keys may change."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from portal.database.transaction import connection
from portal.security import keyrings
from portal.security.keyfiles import replace_key_file, with_new_key, without_key
from portal.security.keyrings import Keyring, current_keyring, read_keyring
from portal.security.places import SEALED_PLACES, Place
from portal.settings import Settings


def own_key_file(folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the suite's key file, which this process uses until the end of the test."""
    current_keyring()
    path = folder / "keyring.json"
    path.touch(mode=0o600)
    path.write_bytes(settings.keyring_file.read_bytes())
    watch = keyrings._Watch(path)
    monkeypatch.setattr(keyrings, "_watch", lambda: watch)
    return path


def add(path: Path) -> Keyring:
    """What `portal keys add` does to the file."""
    replace_key_file(path, with_new_key(path))
    return read_keyring(path)


def drop(path: Path, key_id: str) -> None:
    """What `portal keys retire` does to the file, without asking whether anything needs the key."""
    replace_key_file(path, without_key(path, key_id))


def change(path: Path, **values: object) -> None:
    """Write other values into the file, in its place."""
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def secrets_in(path: Path) -> list[str]:
    """What must never be seen: the keys as the file has them, and in hexadecimal."""
    file = json.loads(path.read_text())
    texts = [*file["keys"].values(), file["signing"]]
    return [*texts, *(base64.b64decode(text).hex() for text in texts)]


async def sealed_texts() -> dict[tuple[Place, int, str], str]:
    """Every sealed text in the database, by where it is."""
    found: dict[tuple[Place, int, str], str] = {}
    async with connection() as held:
        for place in SEALED_PLACES:
            rows = await held.fetch(f"SELECT id, {place.column} FROM {place.table}")  # noqa: S608 - constants
            for row in rows:
                texts = place.texts_of(dict(row))
                found |= {(place, row["id"], field): text for field, text in texts.items() if text}
    return found
