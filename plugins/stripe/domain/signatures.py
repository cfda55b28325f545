"""Why a signing secret does not prove a delivery: what was done to it, or with which secret it was signed."""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any

HEADER = "stripe-signature"
TOLERANCE_SECONDS = 300
API_KEYS = ("sk_", "rk_", "pk_")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
Event = Mapping[str, Any]


class Finding(StrEnum):
    """What is the matter, from what is mended first to what is known least."""

    GENUINE = "genuine"
    UNSIGNED = "unsigned"
    KEY_PASTED = "key_pasted"
    CLOCK = "clock"
    OTHER_SECRET = "other_secret"  # noqa: S105 - the name of a finding
    BODY_REFORMATTED = "body_reformatted"
    BODY_CHANGED = "body_changed"
    UNKNOWN_SECRET = "unknown_secret"  # noqa: S105 - the name of a finding


@dataclass(frozen=True, slots=True)
class Evidence:
    """A delivery as it arrived, and what Stripe says that it sent."""

    body: bytes = field(repr=False)
    header: str = field(repr=False)
    received_at: float
    """By this machine's clock, in seconds since 1970."""
    told: Event | None = field(default=None, repr=False)
    """The event as Stripe tells it when asked; None: it could not be asked."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the evidence shows."""

    finding: Finding
    label: str = ""
    """Which of the other secrets signed it; empty when it is not one of those."""
    seconds: int = 0
    """How far this machine's clock is ahead of the signature; negative: behind."""
    change: str = ""
    """What was done to the body, as a sentence."""


@dataclass(frozen=True, slots=True)
class _Signature:
    stamp: int
    marks: tuple[str, ...]


def diagnose(evidence: Evidence, secret: str, others: Mapping[str, str]) -> Diagnosis:
    """Find out why a secret does not prove a delivery, or that it does.

    Args:
        evidence: the delivery.
        secret: the one that is to be proved.
        others: further secrets that may have signed it, by what they are: `the previous secret`.
    """
    signature = _read(evidence.header)
    if signature is None:
        return Diagnosis(Finding.UNSIGNED)
    if secret.startswith(API_KEYS):
        return Diagnosis(Finding.KEY_PASTED)
    secrets = {label: text for label, text in {"": secret, **others}.items() if text.strip()}
    label = _signer(signature, evidence.body, secrets)
    if label is not None:
        return _intact(label, round(evidence.received_at) - signature.stamp)
    return _undone(signature, evidence, secrets) or _foreign(evidence)


def how_long(seconds: int) -> str:
    """A length of time as people say it: `6 minutes`, `2 hours`."""
    for size, noun in ((86_400, "day"), (3600, "hour"), (60, "minute")):
        # "90 minutes" rather than "2 hours", and "2 hours" rather than "119 minutes".
        if abs(seconds) >= 1.9 * size or (abs(seconds) >= size and size == 60):
            number = round(abs(seconds) / size)
            return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
    return f"{abs(seconds)} seconds"


def _read(header: str) -> _Signature | None:
    parts = [part.partition("=") for part in header.split(",")]
    stamp = next((value for name, _, value in parts if name == "t"), "")
    marks = tuple(value for name, _, value in parts if name == "v1" and value.isascii())
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12 and marks):
        return None
    return _Signature(int(stamp), marks)


def _signer(signature: _Signature, body: bytes, secrets: Mapping[str, str]) -> str | None:
    for label, secret in secrets.items():
        mark = hmac.new(secret.encode(), b"%d." % signature.stamp + body, sha256).hexdigest()
        if any(hmac.compare_digest(mark, found) for found in signature.marks):
            return label
    return None


def _intact(label: str, seconds: int) -> Diagnosis:
    if label:
        return Diagnosis(Finding.OTHER_SECRET, label)
    if abs(seconds) > TOLERANCE_SECONDS:
        return Diagnosis(Finding.CLOCK, seconds=seconds)
    return Diagnosis(Finding.GENUINE)


def _undone(signature: _Signature, evidence: Evidence, secrets: Mapping[str, str]) -> Diagnosis | None:
    """The change that, once undone, makes a known secret fit: then it is proved that it was made."""
    for change, body in _before_reformatting(evidence.body):
        if (label := _signer(signature, body, secrets)) is not None:
            return Diagnosis(Finding.BODY_REFORMATTED, label, change=change)
    for body in _as_told(evidence):
        if (label := _signer(signature, body, secrets)) is not None:
            return Diagnosis(
                Finding.BODY_CHANGED, label, change="Its content is not what Stripe says that it sent."
            )
    return None


def _foreign(evidence: Evidence) -> Diagnosis:
    """No secret fits, whatever is undone."""
    event = _parsed(evidence.body)
    if event is None:
        return Diagnosis(Finding.BODY_CHANGED, change="It is not complete JSON any more.")
    if evidence.told is not None and _differs(event, evidence.told):
        return Diagnosis(Finding.BODY_CHANGED, change="Its content is not what Stripe says that it sent.")
    return Diagnosis(Finding.UNKNOWN_SECRET)


def _before_reformatting(body: bytes) -> Iterator[tuple[str, bytes]]:
    """The body as it may have been, with what was done to it since."""
    if body.startswith(BYTE_ORDER_MARK):
        yield "A byte order mark was put in front of it.", body.removeprefix(BYTE_ORDER_MARK)
    stripped = body.removeprefix(BYTE_ORDER_MARK).strip()
    if stripped != body:
        yield "White space was added around it.", stripped
    yield "A line break at its end was taken away.", body + b"\n"
    yield "Its line breaks were changed.", body.replace(b"\r\n", b"\n")
    yield "Its line breaks were changed.", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    event, rest = _front(stripped)
    if event is None:
        return
    if rest:
        yield "Something was added at its end.", stripped[: len(stripped) - len(rest)]
    for written in _written(event):
        yield "Its JSON was read and written anew.", written


def _as_told(evidence: Evidence) -> Iterator[bytes]:
    """What Stripe sent, as far as it can be told: two fields of an event are not the same when it is read."""
    if evidence.told is None:
        return
    seen = _parsed(evidence.body) or {}
    kept = {name: seen[name] for name in ("pending_webhooks", "api_version") if name in seen}
    told = dict(evidence.told)
    for event in (told | kept, told):
        yield from _written(event)


def _written(event: Event) -> Iterator[bytes]:
    for spaces, separators in ((2, None), (None, (",", ":")), (None, None)):
        for escaped in (False, True):
            text = json.dumps(event, indent=spaces, separators=separators, ensure_ascii=escaped)
            yield text.encode("utf-8", "surrogatepass")


def _parsed(body: bytes) -> dict[str, Any] | None:
    event, rest = _front(body.removeprefix(BYTE_ORDER_MARK).strip())
    return event if event is not None and not rest else None


def _front(body: bytes) -> tuple[dict[str, Any] | None, bytes]:
    """The JSON object that the body begins with, and what comes after it."""
    try:
        text = body.decode()
        event, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None, b""
    return (event, text[end:].encode()) if isinstance(event, dict) else (None, b"")


def _differs(event: Event, told: Event) -> bool:
    """Whether the content is another. At another API version the same object looks different."""
    names = ("id", "type", "created", "livemode")
    if any(event.get(name) != told.get(name) for name in names):
        return True
    same_version = event.get("api_version") == told.get("api_version")
    return same_version and _object(event) != _object(told)


def _object(event: Event) -> object:
    data = event.get("data")
    return data.get("object") if isinstance(data, Mapping) else None
