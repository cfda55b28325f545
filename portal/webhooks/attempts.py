"""What was tried with an event, and who had it tried again: a short list on its row, oldest first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

KEPT = 60
"""The oldest entries give way."""


class AttemptKind(StrEnum):
    """What an entry tells of."""

    FAILED = "failed"
    """It will be tried again at `next_at`."""
    PARKED = "parked"
    """It was given up, and waits for a person."""
    DIED = "died"
    """The worker ended without a word."""
    REPLAYED = "replayed"
    """A person had it handled again."""


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """An entry. `attempt` counts from the last replay on; `by` names the person of a replay."""

    at: datetime
    kind: AttemptKind
    attempt: int
    code: str = ""
    words: str = ""
    next_at: datetime | None = None
    by: str = ""


def read_history(stored: str) -> list[PastAttempt]:
    """The entries of `webhook_event.history`, oldest first."""
    return [_entry(found) for found in json.loads(stored)]


def appended(*pairs: str) -> str:
    """The SQL of the new value of `history`, with one entry more: `'kind', 'failed', 'code', $4::text, …`.

    It is part of the statement that changes the state, so that neither is ever there without the other.
    """
    entry = f"jsonb_build_object('at', clock_timestamp(), {', '.join(pairs)})"
    kept = f"CASE WHEN jsonb_array_length(history) >= {KEPT} THEN history - 0 ELSE history END"
    return f"({kept}) || jsonb_build_array({entry})"


def _entry(found: dict[str, object]) -> PastAttempt:
    next_at = found.get("next_at")
    return PastAttempt(
        at=datetime.fromisoformat(str(found["at"])),
        kind=AttemptKind(str(found["kind"])),
        attempt=int(str(found.get("attempt", 0))),
        code=str(found.get("code", "")),
        words=str(found.get("words", "")),
        next_at=datetime.fromisoformat(str(next_at)) if next_at else None,
        by=str(found.get("by", "")),
    )
