"""Why an object drifted, which side to trust, and what will happen: in words for the report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from portal.database.transaction import Connection
from portal.exchange.drifts import Drift, DriftValue

Trusted = Literal["ours", "theirs", "person"]
OURS_TO_DECIDE = frozenset({"total", "tax", "due"})
"""What the portal writes on an invoice of its own; the provider only copies it."""

_KNOWN = """
SELECT wanted.external_id,
       (SELECT origin FROM invoice WHERE account = $1 AND external_id = wanted.external_id) AS origin,
       (SELECT jsonb_build_object('state', e.state, 'words', e.error_words) FROM webhook_event e
        WHERE e.object_id = wanted.external_id AND e.account = $1
        ORDER BY e.state IN ('parked', 'received', 'processing') DESC, e.id DESC LIMIT 1) AS event,
       (SELECT jsonb_build_object('state', t.state, 'words', t.error) FROM sync_task t
        JOIN invoice i ON i.id = t.subject_id AND i.account = t.account
        WHERE i.account = $1 AND i.external_id = wanted.external_id AND t.kind LIKE '%invoice%'
              AND t.state <> 'done' ORDER BY t.state = 'failed' DESC, t.id DESC LIMIT 1) AS task
FROM unnest($2::text[]) AS wanted(external_id)
"""


@dataclass(frozen=True, slots=True)
class History:
    """What the portal knows of how an object came to be as it is."""

    origin: str = ""
    """Of an invoice: `portal` or `provider`."""
    event: Mapping[str, str] | None = None
    """The last event about it, one that is not done first: its state and words."""
    task: Mapping[str, str] | None = None
    """What should be sent about it and was not: its state and words."""


async def histories(held: Connection, account_id: int, drifts: Sequence[Drift]) -> dict[str, History]:
    """By external id."""
    rows = await held.fetch(_KNOWN, account_id, [drift.external_id for drift in drifts])
    return {
        row["external_id"]: History(row["origin"] or "", _json(row["event"]), _json(row["task"]))
        for row in rows
    }


def cause_of(drift: Drift, history: History) -> str:
    """Why it differs, as far as the portal can tell."""
    if drift.trouble:
        return drift.trouble
    task, event = history.task, history.event
    if task is not None:
        failed = task["state"] == "failed"
        words = f"A change made here could not be sent. {task['words']}"
        return words.strip() if failed else "A change made here waits to be sent."
    if event is None:
        made = "was made" if drift.subject_id is None else "changed"
        return f"It {made} at the provider, and no event about it ever arrived."
    match event["state"]:
        case "parked":
            return f"An event about it could not be handled. {event['words']}".strip()
        case "received" | "processing":
            return "An event about it waits to be handled."
    return "It changed at the provider, and the event about that never arrived."


def trusted_side(value: DriftValue, history: History) -> Trusted:
    """Who decides this value: money, states and periods are the provider's own."""
    name = value.field.rpartition(": ")[2]
    if value.table == "invoice" and name in OURS_TO_DECIDE:
        return "theirs" if history.origin == "provider" else "person"
    if history.task is not None and value.table == "invoice":
        return "person"
    return "theirs"


def rule_of(trusted: Trusted, *, repairs: bool) -> str:
    """What will happen when nobody chooses."""
    if trusted == "person":
        return "Both values stay until somebody chooses."
    if repairs:
        return "The provider decides this: its value was taken."
    return "The provider decides this. Its value is taken tonight, or now by a press on Repair."


def _json(text: str | None) -> Mapping[str, str] | None:
    return json.loads(text) if text else None
