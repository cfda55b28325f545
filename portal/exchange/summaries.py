"""Previews of many events as a person reads them: by object, and counted. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portal.exchange.changes import Change
from portal.exchange.previews import Preview


@dataclass(frozen=True, slots=True)
class PreviewedObject:
    """An object and the events about it; they share what would change."""

    event_ids: tuple[int, ...]
    changes: tuple[Change, ...]
    words: str


@dataclass(frozen=True, slots=True)
class PreviewSummary:
    """What handling many events again would do. The counts are of events."""

    changing: tuple[PreviewedObject, ...]
    failing: tuple[PreviewedObject, ...]
    would_change: int
    would_not: int
    cannot: int


def summary_of_previews(previews: Sequence[Preview]) -> PreviewSummary:
    """Group them by object; what shares an error is one line as well."""
    changing: dict[str, list[Preview]] = {}
    failing: dict[str, list[Preview]] = {}
    for one in previews:
        if one.error:
            failing.setdefault(one.error, []).append(one)
        elif one.changes:
            changing.setdefault(one.subject or str(one.event_id), []).append(one)
    would_change = sum(map(len, changing.values()))
    cannot = sum(map(len, failing.values()))
    return PreviewSummary(
        tuple(map(_object, changing.values())),
        tuple(map(_object, failing.values())),
        would_change,
        len(previews) - would_change - cannot,
        cannot,
    )


def _object(group: Sequence[Preview]) -> PreviewedObject:
    return PreviewedObject(
        tuple(one.event_id for one in group), group[0].changes, group[0].error or group[0].words
    )
