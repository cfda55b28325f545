"""Named places where a process can be made to die, so that tests can prove that nothing is lost there.

`PORTAL_FAILPOINTS="intake.stored=kill"` arms one; several are separated by commas. A process that reaches an
armed place dies as by `kill -9`, each time: no handler runs, no answer is sent. In production the settings
refuse the variable. Not armed, reaching a place is one look into an empty dictionary.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum

from portal.settings import current_settings


class Failpoint(StrEnum):
    """The places, named `<room>.<what has just happened>`."""

    INTAKE_STORED = "intake.stored"
    """The event is committed; the sender has no answer yet, and a separate broker has not been rung."""
    RESEALING_WRITTEN = "security.batch_written"
    """Some rows are sealed with the primary key; their transaction is still open."""
    RESEALING_COMMITTED = "security.batch_committed"
    """The same, committed; more rows wait."""


def reach(place: Failpoint) -> None:
    """End this process here, without a word, when the settings say so."""
    if current_settings().failpoints.get(place) == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
