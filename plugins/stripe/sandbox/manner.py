"""How deliveries behave, also wrongly on purpose: late, twice, badly signed, changed on the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

from plugins.stripe.sandbox.wire import decode_json, encode_json


def _reformatted(body: bytes) -> bytes:
    """The same JSON in other white space, as from a proxy that reads and writes it again."""
    return json.dumps(decode_json(body), indent=2).encode()


def _with_other_field(body: bytes) -> bytes:
    """The same bytes but for one value, which still is of its type."""
    event = decode_json(body)
    return encode_json(event | {"created": event["created"] + 1})


def _appended(body: bytes) -> bytes:
    return body + b"\n"


TAMPERS: dict[str, Callable[[bytes], bytes]] = {
    "append": _appended,
    "field": _with_other_field,
    "reformat": _reformatted,
}
"""What may happen to a body after it was signed."""


@dataclass
class Manner:
    """How deliveries behave; control calls change it."""

    hold: bool = False
    duplicate: int = 1
    shuffle: bool = False
    delay_ms: int = 0
    drop_probability: float = 0.0
    seed: int | None = None
    retry_seconds: list[float] = field(default_factory=lambda: [1, 2, 4, 8, 15, 30, 60, 60, 60, 60, 60, 60])
    """Waits between tries; when they are used up, the delivery has failed."""
    skew_seconds: int = 0
    """How far the clock that stamps signatures is ahead; behind when negative."""
    sign_with: str | None = None
    """A secret that signs instead of the endpoint's own."""
    tamper: str | None = None
    """One of `TAMPERS`, done to the body after it was signed."""
    only_types: list[str] | None = None
    """The event types that all of this is for; None: every type."""

    def __post_init__(self) -> None:
        if self.tamper is not None and self.tamper not in TAMPERS:
            raise ValueError(f"tamper is one of {', '.join(TAMPERS)}, or null")

    def for_type(self, kind: str) -> Manner:
        """This manner, or the plain one with the same waits for a type that it is not for."""
        if self.only_types is None or kind in self.only_types:
            return self
        return Manner(retry_seconds=self.retry_seconds)

    def on_the_way(self, body: bytes) -> bytes:
        """The body as it arrives."""
        return body if self.tamper is None else TAMPERS[self.tamper](body)
