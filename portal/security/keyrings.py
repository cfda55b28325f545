"""The key file: made once, readable by its owner alone, never in the database."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import logging
import os
import pwd
import secrets
import stat
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.errors import ConfigurationError
from portal.settings import current_settings

KEY_BYTES = 32
OTHERS = stat.S_IRWXG | stat.S_IRWXO

logger = logging.getLogger("portal.security")


class KeyringUnusable(ConfigurationError):
    """The key file cannot be used as it is; nothing sealed can be read without it."""

    code = "KEYRING_UNUSABLE"


class KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file's content; keys are base64."""

    version: int
    instance: str
    primary: str
    keys: dict[str, str]
    signing: str
    primary_since: int = 0
    """When the primary key became it, in seconds since 1970; 0 in files from before this was noted."""


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """The keys of this installation. It has no repr, so that no log can show one."""

    instance: str
    """Which installation this is; part of what every sealed text is bound to."""
    primary: str
    """Id of the key that new texts are sealed with."""
    keys: dict[str, bytes]
    signing: bytes
    primary_since: int = 0

    def derive(self, purpose: str) -> bytes:
        """A key of its own for one purpose, such as the signature of form tokens."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"portal/{purpose}".encode()).derive(self.signing)

    def fingerprint(self, key_id: str) -> str:
        """Tells two keys apart and says nothing else about them; to compare files by."""
        marks = HKDF(SHA256(), 4, salt=None, info=b"portal/fingerprint").derive(self.keys[key_id]).hex()
        return f"{marks[:4]}-{marks[4:]}"


class _Watch:
    """The key file of this process. It is read again when it changes, so that a new key needs no restart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        load_keyring(path)  # makes it
        self._seen = _outside(path)  # before it is read: what changes in between is noticed
        self._ring = read_keyring(path)

    def ring(self) -> Keyring:
        """The keys as they are now; those of before while the file is away, damaged or another's."""
        seen = _outside(self._path)
        if seen != self._seen:
            self._read_again()
            self._seen = seen
        return self._ring

    def _read_again(self) -> None:
        try:
            ring = read_keyring(self._path)
        except KeyringUnusable as error:
            logger.error("%s The keys that were read before stay in use.", error.message)  # noqa: TRY400 - the sentence says all
            return
        if (ring.instance, ring.signing) == (self._ring.instance, self._ring.signing):
            self._ring = ring
        else:
            logger.error("the key file is now that of another installation; its keys are not used")


def load_keyring(path: Path) -> Keyring:
    """Read the key file, making it first when there is none.

    Raises:
        KeyringUnusable: others may read it, it cannot be read, or it is damaged.
    """
    with _in_words(path):
        if not path.exists():
            _create(path)
    return read_keyring(path)


def read_keyring(path: Path) -> Keyring:
    """Read the key file that is there.

    Raises:
        KeyringUnusable: it belongs to somebody else, others may read it, it cannot be read, or it is damaged.
    """
    return to_keyring(read_key_file(path), path)


def read_key_file(path: Path) -> KeyFile:
    """The content as it is written, for changing it.

    Raises:
        KeyringUnusable: as with `read_keyring`.
    """
    with _in_words(path):
        _refuse_other_owner(path)
        _refuse_open_door(path)
        content = path.read_bytes()
    try:
        file = msgspec.json.decode(content, type=KeyFile)
    except (msgspec.MsgspecError, ValueError):
        # Not chained: the parser's own message may quote the content.
        raise _damaged(path) from None
    to_keyring(file, path)
    return file


def to_keyring(file: KeyFile, path: Path) -> Keyring:
    """The keys of a content.

    Raises:
        KeyringUnusable: a key in it is none.
    """
    try:
        keys = {key_id: _decode_key(text) for key_id, text in file.keys.items()}
        keys[file.primary]
        return Keyring(file.instance, file.primary, keys, _decode_key(file.signing), file.primary_since)
    except (ValueError, KeyError):
        raise _damaged(path) from None


def current_keyring() -> Keyring:
    """The keyring of this process, as the file is now."""
    return _watch().ring()


@functools.cache
def _watch() -> _Watch:
    return _Watch(current_settings().keyring_file)


def _outside(path: Path) -> tuple[int, ...]:
    """What tells one content of the file from another without reading it; empty when there is none."""
    try:
        seen = os.stat(path)  # noqa: PTH116 - twice as fast, and on the way of every secret
    except OSError:
        return ()
    return (seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_size)


@contextlib.contextmanager
def _in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise KeyringUnusable(
            f"The key file {path} cannot be used: {error.strerror or type(error).__name__}.",
            hint="Make it readable for the portal's user, or choose another place with PORTAL_KEYRING_FILE.",
        ) from error


def _create(path: Path) -> None:
    """Write a complete file under another name, then link it: of two processes one wins, none sees a half."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=".keyring-", dir=path.parent)  # 0600 and O_EXCL
    try:
        with os.fdopen(descriptor, "wb") as file:
            write_through(file, _new_file())
        with contextlib.suppress(FileExistsError):  # another process was first: its keys are the keys
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def write_through(file: BinaryIO, content: KeyFile) -> None:
    """Write the content, and return when it is on the disk."""
    file.write(msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n")
    file.flush()
    os.fsync(file.fileno())


def _new_file() -> KeyFile:
    key_id = new_key_id()
    return KeyFile(
        version=1,
        instance=str(uuid.uuid4()),
        primary=key_id,
        keys={key_id: random_key()},
        signing=random_key(),
    )


def new_key_id() -> str:
    """A name for a key, which says nothing about it."""
    return f"k{secrets.token_hex(3)}"


def random_key() -> str:
    """A key as the file holds it."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _refuse_other_owner(path: Path) -> None:
    """Also for root: whoever owns the file may open it to others, or put other keys into it."""
    owner, us = path.stat().st_uid, os.geteuid()
    if owner != us:
        raise KeyringUnusable(
            f"The key file {path} belongs to {_user(owner)}, and the portal runs as {_user(us)}.",
            hint=f"Start the portal as {_user(owner)}, or run: chown {_user(us)} {path}",
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _refuse_open_door(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        raise KeyringUnusable(
            f"The key file {path} can be read by other users of this machine (mode {mode:04o}).",
            hint=f"Run: chmod 600 {path}",
        )


def _damaged(path: Path) -> KeyringUnusable:
    return KeyringUnusable(
        f"The key file {path} is damaged.", hint="Put the copy from your backup in its place."
    )


def _decode_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError("wrong length")
    return key
