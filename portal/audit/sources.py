"""Who says so, for facts that come from outside, and what is to be noted of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.audit.services import Actor, Note, write_notes
from portal.contract.facts import Mode
from portal.database.transaction import Connection
from portal.web.live import announce


@dataclass(frozen=True, slots=True)
class Source:
    """The connection whose provider the facts come from, with the notes and announcements that they led to.

    They are written at the end, all at once: writers of the log wait for each other, and who waits for them
    must not hold up others meanwhile.
    """

    account_id: int
    mode: Mode
    actor: Actor
    notes: list[Note] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    locked: int | None = None
    """The invoice that an earlier statement of the transaction has locked."""

    def note(
        self, what: tuple[str, str], subject: tuple[str, int], details: Mapping[str, Any] | None = None
    ) -> None:
        """Remember an entry: the action and the sentence, and what it is about."""
        action, words = what
        self.notes.append(Note(self.actor, action, words, subject, self.mode.value, details or {}))

    def announce(self, topic: str) -> None:
        """Remember to tell open pages that `topic` (such as `invoice:17`) changed."""
        self.topics.append(topic)

    async def write(self, held: Connection) -> None:
        """Write what was remembered. Call it last in the transaction."""
        if self.notes:
            await write_notes(held, self.notes, self.topics)
        else:
            for topic in self.topics:
                await announce(held, topic)
        self.notes.clear()
        self.topics.clear()
