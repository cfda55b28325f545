"""API keys: which world a key opens, what it may do, and the errors of keys that open nothing."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass

from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.keys import WORLDS
from plugins.stripe.sandbox.permissions import READY_MADE
from plugins.stripe.sandbox.store.ids import random_text


@dataclass(slots=True)
class Key:
    """One key. `permissions` is None for keys without limits."""

    text: str
    world: str
    kind: str
    """`publishable`, `secret` or `restricted`."""
    permissions: frozenset[str] | None = None
    state: str = "active"
    """`active`, `revoked` or `expired`."""


class Keyring:
    """All keys of all worlds."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        for world in WORLDS:
            self._add(Key(world.publishable_key, world.name, "publishable"))
            self._add(Key(world.secret_key, world.name, "secret"))
            self._add(Key(world.restricted_key, world.name, "restricted", READY_MADE))

    def _add(self, key: Key) -> Key:
        self._keys[key.text] = key
        return key

    def open(self, text: str) -> Key:
        """The key of this text.

        Raises:
            ApiError: no such key, or it was revoked or has expired.
        """
        key = self._keys.get(text)
        if key is None or key.state == "revoked":
            raise ApiError(401, f"Invalid API Key provided: {masked(text)}")
        if key.state == "expired":
            raise ApiError(401, f"Expired API Key provided: {masked(text)}", code="api_key_expired")
        return key

    def make_restricted(self, world: str, permissions: Sequence[str]) -> Key:
        """A new restricted key with exactly these rights."""
        template = next(w for w in WORLDS if w.name == world)
        mode = "live" if template.livemode else "test"
        text = f"rk_{mode}_5{template.account.removeprefix('acct_')}_{random_text(12)}"
        return self._add(Key(text, world, "restricted", frozenset(permissions)))

    def change_state(self, text: str, state: str) -> Key:
        """Revoke or expire a key, or make it active again.

        Raises:
            KeyError: there is no such key.
        """
        key = self._keys[text]
        key.state = state
        return key

    def dump(self) -> list[Json]:
        """Everything that a restart must know."""
        return [
            {
                "text": k.text,
                "world": k.world,
                "kind": k.kind,
                "permissions": None if k.permissions is None else sorted(k.permissions),
                "state": k.state,
            }
            for k in self._keys.values()
        ]

    def restore(self, state: list[Json]) -> None:
        """Take over what `dump` gave."""
        for row in state:
            rights = row["permissions"]
            self._add(Key(**{**row, "permissions": None if rights is None else frozenset(rights)}))


def key_from_header(header: str | None) -> str | None:
    """The key in an `Authorization` header, Bearer or Basic."""
    scheme, _, value = (header or "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip() or None
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).decode().split(":", 1)[0] or None
        except (binascii.Error, UnicodeDecodeError):
            return None
    return None


def no_key() -> ApiError:
    """The request names no key at all."""
    return ApiError(
        401,
        "You did not provide an API key. You need to provide your API key in the Authorization header, using "
        "Bearer "
        "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication "
        "for "
        "details, or we can help at https://support.stripe.com/.",
    )


def secret_key_required() -> ApiError:
    """A publishable key was used for something that only a secret key may do."""
    return ApiError(
        401,
        "This API call cannot be made with a publishable API key. Please use a secret API key. You can find "
        "a list "
        "of your API keys at https://dashboard.stripe.com/account/apikeys.",
        code="secret_key_required",
    )


def masked(text: str) -> str:
    """The key as messages show it: its beginning, stars, its last four characters."""
    parts = text.split("_", 2)
    head = f"{parts[0]}_{parts[1]}_" if len(parts) == 3 else text[:3]
    tail = text[-4:] if len(text) > len(head) + 4 else ""
    return f"{head}{'*' * max(len(text) - len(head) - len(tail), 4)}{tail}"
