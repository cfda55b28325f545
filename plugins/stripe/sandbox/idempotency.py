"""Idempotency keys: the first answer is kept for a day and given again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.store.worlds import World

KEPT_SECONDS = 86400
MAX_LENGTH = 255


@dataclass(slots=True)
class Claim:
    """One request's hold on a key."""

    world: World
    key: str
    kept: Kept | None = None
    """The answer that was given before; then there is nothing to execute."""

    def keep(self, status: int, body: bytes, request_id: str) -> None:
        """Remember the answer under this key."""
        row = self.world.idempotency.get(self.key)
        if row is not None:
            row |= {"status": status, "body": body.decode(), "request_id": request_id}

    def release(self) -> None:
        """Give the key free again, unless an answer was kept: nothing was executed under it."""
        row = self.world.idempotency.get(self.key)
        if row is not None and "status" not in row:
            del self.world.idempotency[self.key]


@dataclass(frozen=True, slots=True)
class Kept:
    """An answer to give again."""

    status: int
    body: bytes
    request_id: str


def claim(world: World, key: str, method_and_path: str, form: bytes) -> Claim:
    """Take hold of a key for this request, or find the answer that was given under it.

    Raises:
        ApiError: the key was used with other parameters, or its first request still runs.
    """
    if len(key) > MAX_LENGTH:
        raise ApiError(400, f"The idempotency key must be at most {MAX_LENGTH} characters.", kind=_KIND)
    _forget_old(world)
    print_ = _fingerprint(method_and_path, form)
    row = world.idempotency.get(key)
    if row is None:
        world.idempotency[key] = {"print": print_, "at": world.clock.exact(), "path": method_and_path}
        return Claim(world, key)
    if row["print"] != print_:
        raise _other_parameters(key, method_and_path, row["path"])
    if "status" not in row:
        raise ApiError(
            409,
            "There is currently another in-progress request using this Stripe-Idempotency-Key "
            f"({key}). Please try again later, or use a different key.",
            code="idempotency_key_in_use",
            kind=_KIND,
        )
    return Claim(world, key, Kept(row["status"], row["body"].encode(), row["request_id"]))


_KIND = "idempotency_error"


def _fingerprint(method_and_path: str, form: bytes) -> str:
    return hashlib.sha256(method_and_path.encode() + b"\0" + form).hexdigest()


def _forget_old(world: World) -> None:
    """Keys are in the order of their age, so this looks at no more than it removes."""
    horizon = world.clock.exact() - KEPT_SECONDS
    while world.idempotency:
        oldest: Json = world.idempotency[next(iter(world.idempotency))]
        if oldest["at"] > horizon:
            return
        del world.idempotency[next(iter(world.idempotency))]


def _other_parameters(key: str, path: str, first_path: str) -> ApiError:
    advice = f"Try using a key other than '{key}' if you meant to execute a different request."
    if path == first_path:
        rule = "with the same parameters they were first used with."
    else:
        paths = f"('{path.split(' ', 1)[1]}' vs '{first_path.split(' ', 1)[1]}')"
        rule = f"for the same endpoint they were first used for {paths}."
    return ApiError(400, f"Keys for idempotent requests can only be used {rule} {advice}", kind=_KIND)
