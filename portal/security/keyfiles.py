"""Changing the key file: written beside it, then put in its place; a reader sees the old one or the new one.

Two changes at once would lose one of them: the commands that call this hold a lock in the database.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

from portal.errors import Conflict, NotFound
from portal.security.keyrings import (
    KeyFile,
    Keyring,
    KeyringUnusable,
    new_key_id,
    random_key,
    read_key_file,
    to_keyring,
    write_through,
)

SETTLED_SECONDS = 40
"""How long a text sealed with the key before may still be on its way into the database: longer than a
transaction may stand still (30 s, `portal.database.engine.DEADLINES`)."""


def with_new_key(path: Path) -> KeyFile:
    """The content with one key more, which is the primary one; the others stay, to open what they sealed.

    Raises:
        KeyringUnusable: the file cannot be read.
    """
    file = read_key_file(path)
    key_id = new_key_id()
    while key_id in file.keys:
        key_id = new_key_id()
    file.keys[key_id] = random_key()
    file.primary, file.primary_since = key_id, int(time.time())
    return file


def without_key(path: Path, key_id: str) -> KeyFile:
    """The content with one key less. What that one sealed can never be opened again.

    Raises:
        NotFound: the file has no such key.
        Conflict: it is the primary one.
        KeyringUnusable: the file cannot be read.
    """
    file = read_key_file(path)
    refuse_needed_key(to_keyring(file, path), key_id)
    del file.keys[key_id]
    return file


def refuse_needed_key(ring: Keyring, key_id: str) -> None:
    """A key that is not there cannot be retired, and the primary one must not be.

    Raises:
        NotFound: the key file has no such key.
        Conflict: it is the primary one.
    """
    if key_id not in ring.keys:
        raise NotFound(f"The key file has no key {key_id}.", hint="Its keys: portal keys list")
    if key_id == ring.primary:
        raise Conflict(
            f"Key {key_id} is the primary one: new secrets are sealed with it.",
            hint="Make another one first: portal keys add, then portal keys rotate.",
        )


def seconds_to_settle(ring: Keyring) -> int:
    """How long an older key must stay, because somebody may be about to store what it sealed."""
    return max(0, ring.primary_since + SETTLED_SECONDS - int(time.time()))


def replace_key_file(path: Path, file: KeyFile) -> None:
    """Give the file this content, on the disk when it returns. Running processes notice.

    Raises:
        KeyringUnusable: it cannot be written, or would be no key file; the old content stays.
    """
    to_keyring(file, path)  # else nobody could read it again
    place = path.resolve()  # a link stays a link
    draft = place.with_name(f"{place.name}.new")
    try:
        draft.unlink(missing_ok=True)  # of a process that died while it wrote
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as output:
            write_through(output, file)
        draft.rename(place)
        _write_folder_through(place.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)
        raise KeyringUnusable(
            f"The key file {path} cannot be replaced: {error.strerror or type(error).__name__}.",
            hint="Its folder must be writable for the portal's user while keys are added or retired.",
        ) from error


def _write_folder_through(folder: Path) -> None:
    """A rename is on the disk when its folder is."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
