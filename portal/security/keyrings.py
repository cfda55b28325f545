"""The key file: made once, readable by its owner alone, never in the database."""

from __future__ import annotations

import base64
import binascii
import contextlib
import functools
import os
import secrets
import stat
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from portal.errors import ConfigurationError
from portal.settings import current_settings

KEY_BYTES = 32
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class KeyringUnusable(ConfigurationError):
    """The key file cannot be used as it is; nothing sealed can be read without it."""

    code = "KEYRING_UNUSABLE"


class _KeyFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file's content; keys are base64."""

    version: int
    instance: str
    primary: str
    keys: dict[str, str]
    signing: str


@dataclass(frozen=True, slots=True, repr=False)
class Keyring:
    """The keys of this installation. It has no repr, so that no log can show one."""

    instance: str
    """Which installation this is; part of what every sealed text is bound to."""
    primary: str
    """Id of the key that new texts are sealed with."""
    keys: dict[str, bytes]
    signing: bytes

    def derive(self, purpose: str) -> bytes:
        """A key of its own for one purpose, such as the signature of form tokens."""
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=f"portal/{purpose}".encode()).derive(self.signing)


def load_keyring(path: Path) -> Keyring:
    """Read the key file, making it first when there is none.

    Raises:
        KeyringUnusable: others may read it, it cannot be read, or it is damaged.
    """
    try:
        if not path.exists():
            _create(path)
        _refuse_open_door(path)
        return _parse(path.read_bytes(), path)
    except OSError as error:
        raise KeyringUnusable(
            f"The key file {path} cannot be used: {error.strerror or type(error).__name__}.",
            hint="Make it readable for the portal's user, or choose another place with PORTAL_KEYRING_FILE.",
        ) from error


@functools.cache
def current_keyring() -> Keyring:
    """The keyring of this process."""
    return load_keyring(current_settings().keyring_file)


def _create(path: Path) -> None:
    """Write a complete file under another name, then link it: of two processes one wins, none sees a half."""
    if not path.parent.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, draft = tempfile.mkstemp(prefix=".keyring-", dir=path.parent)  # 0600 and O_EXCL
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(_new_file()), indent=2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # another process was first: its keys are the keys
            os.link(draft, path)
    finally:
        Path(draft).unlink()


def _new_file() -> _KeyFile:
    key_id = f"k{secrets.token_hex(3)}"
    return _KeyFile(
        version=1,
        instance=str(uuid.uuid4()),
        primary=key_id,
        keys={key_id: _random_key()},
        signing=_random_key(),
    )


def _random_key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def _refuse_open_door(path: Path) -> None:
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & OTHERS:
        raise KeyringUnusable(
            f"The key file {path} can be read by other users of this machine (mode {mode:04o}).",
            hint=f"Run: chmod 600 {path}",
        )


def _parse(content: bytes, path: Path) -> Keyring:
    try:
        file = msgspec.json.decode(content, type=_KeyFile)
        keys = {key_id: _decode_key(text) for key_id, text in file.keys.items()}
        keys[file.primary]
        return Keyring(file.instance, file.primary, keys, _decode_key(file.signing))
    except (msgspec.MsgspecError, ValueError, KeyError):
        # Not chained: the parser's own message may quote the content.
        raise KeyringUnusable(
            f"The key file {path} is damaged.", hint="Put the copy from your backup in its place."
        ) from None


def _decode_key(text: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("no base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError("wrong length")
    return key
