"""One delivery on its way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.contract.errors import EventRefused
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.contract.work import ReceivedEvent


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came to an address."""

    plugin: Plugin
    token_hash: bytes
    body: bytes
    """As signed."""
    headers: Mapping[str, str]
    """Lower-case names."""
    arrived_at: datetime

    def read(self, secrets: Sequence[Secret]) -> ReceivedEvent:
        """The event, proved with one of the secrets.

        Raises:
            EventRefused: not genuine, not fresh, or not readable.
        """
        if not secrets:
            raise EventRefused("There is no signing secret.")
        return self.plugin.receive_event(self.body, self.headers, secrets, self.arrived_at)
