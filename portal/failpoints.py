"""Named places where a process can be made to die, so that tests can prove that nothing is lost there.

`PORTAL_FAILPOINTS="intake.stored=kill"` arms one; several are separated by commas. A process that reaches an
armed place dies as by `kill -9`, each time: no handler runs, no answer is sent. With `once` instead of `kill`
it dies only if it finds the file `failpoints/<place>` in the data folder, which it takes away: whoever makes
the file chooses the moment, and one process dies of it. In production the settings refuse the variable. Not
armed, reaching a place is one look into an empty dictionary.
"""

from __future__ import annotations

import os
import signal
from enum import StrEnum
from pathlib import Path

from portal.settings import current_settings

FOLDER = "failpoints"


class Failpoint(StrEnum):
    """The places, named `<room>.<what has just happened>`."""

    INTAKE_PROVED = "intake.proved"
    """The delivery is genuine; nothing is stored."""
    INTAKE_STORED = "intake.stored"
    """The event is committed; the sender has no answer yet, and a separate broker has not been rung."""
    EVENT_CLAIMED = "event.claimed"
    """The object is locked and its events are claimed; nothing was asked."""
    EVENT_READ = "event.read"
    """The provider answered; nothing is written."""
    EVENT_APPLIED = "event.applied"
    """Everything is written; the transaction is still open."""
    EVENT_FINISHED = "event.finished"
    """The same, committed; the job is not acknowledged."""
    TASK_CLAIMED = "task.claimed"
    """The task is claimed; nothing was sent."""
    TASK_ANSWERED = "task.answered"
    """The provider did it; nothing of its answer is written."""
    TASK_APPLIED = "task.applied"
    """The answer is written; the transaction is still open."""
    TASK_FINISHED = "task.finished"
    """The same, committed; the job is not acknowledged."""
    RUN_PAGE_READ = "run.page_read"
    """A page of a resync is read; nothing of it is written."""
    RUN_PAGE_WRITTEN = "run.page_written"
    """The page and its cursor are written; the transaction is still open."""
    RUN_PAGE_COMMITTED = "run.page_committed"
    """The same, committed; more pages wait."""
    MAIL_HANDED_OVER = "mail.handed_over"
    """The mail server has the message; nobody wrote that down."""
    RESEALING_WRITTEN = "security.batch_written"
    """Some rows are sealed with the primary key; their transaction is still open."""
    RESEALING_COMMITTED = "security.batch_committed"
    """The same, committed; more rows wait."""


def reach(place: Failpoint) -> None:
    """End this process here, without a word, when the settings say so."""
    action = current_settings().failpoints.get(place)
    if action == "kill" or (action == "once" and _taken(place)):
        os.kill(os.getpid(), signal.SIGKILL)


def arm(place: Failpoint, data_dir: Path) -> None:
    """Have the next process die that reaches this place, if the place is set to `once`."""
    folder = data_dir / FOLDER
    folder.mkdir(exist_ok=True)
    (folder / place).touch()


def armed(place: Failpoint, data_dir: Path) -> bool:
    """Whether nobody has died of it yet."""
    return (data_dir / FOLDER / place).exists()


def _taken(place: Failpoint) -> bool:
    try:
        (current_settings().data_dir / FOLDER / place).unlink()
    except FileNotFoundError:
        return False
    return True
