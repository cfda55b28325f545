"""When a session is over and how long a guesser waits. Pure: time is an argument."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts without use, and at most."""

    idle: timedelta
    absolute: timedelta
    idle_words: str
    absolute_words: str


USUAL = Limits(timedelta(minutes=30), timedelta(hours=12), "30 minutes without activity", "12 hours")
KEPT = Limits(timedelta(days=14), timedelta(days=30), "14 days without activity", "30 days")
"""The person asked to stay signed in on this device."""

FREE_TRIES_ACCOUNT = 5
FREE_TRIES_NETWORK = 20
"""An office shares one address, so a network has more tries than an account."""
FIRST_DELAY = timedelta(seconds=5)
LONGEST_DELAY = timedelta(minutes=5)
FORGIVEN_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Counter:
    """Tries so far, when the last one was, and when the next one may be."""

    tries: int
    last_at: datetime
    free_at: datetime


def limits_of(*, kept: bool) -> Limits:
    """The limits of a session."""
    return KEPT if kept else USUAL


def why_over(*, created_at: datetime, last_seen_at: datetime, kept: bool, now: datetime) -> str | None:
    """Why the session is over, as the end of "You were signed out after …"; None while it lasts."""
    limits = limits_of(kept=kept)
    if now - created_at >= limits.absolute:
        return limits.absolute_words
    if now - last_seen_at >= limits.idle:
        return limits.idle_words
    return None


def next_counter(counter: Counter, *, free_tries: int, now: datetime) -> Counter | None:
    """The counter after one more try, or None when it is too early for one.

    The first tries are free; then each doubles the wait, up to five minutes. Nobody is locked out for good.
    """
    if now < counter.free_at:
        return None
    tries = 1 if now - counter.last_at >= FORGIVEN_AFTER else counter.tries + 1
    return Counter(tries, now, now + delay_after(tries, free_tries=free_tries))


def delay_after(tries: int, *, free_tries: int) -> timedelta:
    """How long to wait after so many tries."""
    over = tries - free_tries
    if over < 0:
        return timedelta(0)
    return min(FIRST_DELAY * (1 << min(over, 16)), LONGEST_DELAY)


def say_wait(wait: timedelta) -> str:
    """`5 minutes`, `1 minute` or `20 seconds`, rounded up."""
    seconds = max(1, round(wait.total_seconds() + 0.5))
    if seconds <= 59:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    minutes = -(-seconds // 60)
    return f"{minutes} minute{'' if minutes == 1 else 's'}"
