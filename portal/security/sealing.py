"""Secrets at rest: AES-256-GCM, each text bound to the place it belongs to."""

from __future__ import annotations

import base64
import binascii
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portal.contract.secrets import Secret
from portal.errors import PortalError
from portal.security.keyrings import Keyring, current_keyring

VERSION = "v1"
NONCE_BYTES = 12


class SealBroken(PortalError):
    """The sealed text was changed, moved to another place, or made with a key that is not here."""

    code = "SEAL_BROKEN"


def seal(secret: Secret, *, context: tuple[str, ...], keyring: Keyring | None = None) -> str:
    """Seal a secret for one place.

    Args:
        secret: what to hide.
        context: where it belongs, such as `(str(account_id), "secret_key", "test")`; opening needs the same.
        keyring: this process's own when left out.

    Returns:
        `v1.<key id>.<nonce>.<ciphertext>`, the last two in base64url.
    """
    ring = keyring or current_keyring()
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = AESGCM(ring.keys[ring.primary]).encrypt(
        nonce, secret.reveal().encode(), _place(ring, ring.primary, context)
    )
    return ".".join((VERSION, ring.primary, _to_text(nonce), _to_text(sealed)))


def open_sealed(text: str, *, context: tuple[str, ...], keyring: Keyring | None = None) -> Secret:
    """Open what `seal` made for the same place.

    Raises:
        SealBroken: it is not intact, or belongs elsewhere, or its key is missing (the message names the key).
    """
    ring = keyring or current_keyring()
    key_id, nonce, sealed = _take_apart(text)
    key = ring.keys.get(key_id)
    if key is None:
        raise SealBroken(
            f"This was sealed with the key {key_id}, which is not in the key file.",
            hint="Restore the key file that belongs to this database.",
        )
    try:
        return Secret(AESGCM(key).decrypt(nonce, sealed, _place(ring, key_id, context)).decode())
    except (InvalidTag, ValueError):
        raise SealBroken(
            f"A sealed value does not fit its place (key {key_id}).",
            hint="It was changed or moved in the database. Enter the credential again.",
        ) from None


def key_id_of(text: str) -> str:
    """Which key a sealed text needs.

    Raises:
        SealBroken: it is no sealed text.
    """
    return _take_apart(text)[0]


def _take_apart(text: str) -> tuple[str, bytes, bytes]:
    try:
        version, key_id, nonce, sealed = text.split(".")
        pieces = key_id, _to_bytes(nonce), _to_bytes(sealed)
    except (ValueError, binascii.Error):
        raise SealBroken("A sealed value is damaged.", hint="Enter the credential again.") from None
    if version != VERSION or not key_id:
        raise SealBroken("A sealed value is of an unknown kind.", hint="Update the portal.")
    return pieces


def _place(ring: Keyring, key_id: str, context: tuple[str, ...]) -> bytes:
    """Each part goes in with its length, so that ("ab", "c") and ("a", "bc") are different places."""
    parts = [part.encode() for part in (VERSION, key_id, ring.instance, *context)]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _to_bytes(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _to_text(data) != text:  # base64 has spare bits at the end; only one spelling is ours
        raise ValueError
    return data
