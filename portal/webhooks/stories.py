"""What happened to an event, step by step, and what a person can do about a failure. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.webhooks.attempts import AttemptKind, PastAttempt
from portal.webhooks.filters import EventState
from portal.webhooks.queries import EventRow

AGAIN = "It is tried again by itself: nothing has to be done, unless it stays so."
FIXES = {
    "ACCOUNT_AUTH_FAILED": "Enter a new key on the connection's page: waiting events then go on.",
    "ACCOUNT_NOT_READY": "Open the connection and choose Check again: it says what the account still needs.",
    "PROVIDER_UNAVAILABLE": AGAIN,
    "PROVIDER_TIMEOUT": AGAIN,
    "OBJECT_BUSY": AGAIN,
    "PROVIDER_REFUSED": "Look at the object at the provider, mend what it names, then try again.",
    "PROVIDER_OUTCOME_UNKNOWN": "Look at the object at the provider, then try again.",
    "EVENT_QUARANTINED": "Make sure that the endpoint belongs to this connection's account and mode.",
    "UNEXPECTED": "It is a fault of the portal. Its log has the details under the reference; then try again.",
    "WORKER_DIED": "Look in the worker's log why it ended (memory, a restart), then try again.",
}
OTHERWISE = "Mend what it names, then try again."


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the timeline."""

    title: str
    at: datetime | None
    icon: str
    tone: str
    more: str = ""
    code: str = ""
    next_at: datetime | None = None
    actor: str = ""


def story_of(event: EventRow) -> list[Step]:
    """The steps, newest first."""
    found_later = event.origin == "list"
    source = f"the list of {event.account_title}" if found_later else event.account_title
    first = Step(
        f"Found in {source}: it was never delivered" if found_later else f"Received from {source}",
        event.received_at,
        "webhook",
        "run",
    )
    steps = [first, *(_past(entry) for entry in event.history)]
    if last := _last(event):
        steps.append(last)
    return sorted(steps, key=lambda step: step.at or datetime.max.replace(tzinfo=event.received_at.tzinfo))[
        ::-1
    ]


def fix_for(event: EventRow) -> str:
    """What to do about its failure; empty when nothing failed."""
    if not event.error_code:
        return ""
    return FIXES.get(event.error_code, AGAIN if event.will_retry else OTHERWISE)


def summary_of(event: EventRow) -> str:
    """One sentence on where it stands."""
    match event.state:
        case EventState.RECEIVED:
            return "It failed and will be tried again." if event.will_retry else "It waits for a worker."
        case EventState.PROCESSING:
            return "A worker handles it now."
        case EventState.PARKED:
            return "It could not be handled and waits for a person."
        case EventState.REJECTED:
            return "It was kept out: it must have no effect here."
    return event.outcome or event.state.label


def _past(entry: PastAttempt) -> Step:
    match entry.kind:
        case AttemptKind.REPLAYED:
            return Step("Handled again", entry.at, "repeat", "run", actor=entry.by)
        case AttemptKind.DIED:
            title, more = f"The worker ended in attempt {entry.attempt}", entry.words
        case AttemptKind.PARKED:
            title, more = f"Attempt {entry.attempt} failed, and it was given up", entry.words
        case _:
            title, more = f"Attempt {entry.attempt} failed", entry.words
    tone = "bad" if entry.kind is AttemptKind.PARKED else "warn"
    return Step(title, entry.at, "alert-triangle", tone, more, entry.code, entry.next_at)


def _last(event: EventRow) -> Step | None:
    if event.state is EventState.REJECTED:
        return Step("Rejected", event.received_at, "ban", "bad", event.error_words)
    if event.processed_at is None:
        return None
    done = event.state is EventState.PROCESSED
    return Step(
        event.outcome or event.state.label,
        event.processed_at,
        "check" if done else "circle-minus",
        "ok" if done else "mute",
    )
