"""The data folder of a running portal: one supervisor at a time, and nothing left of the one before."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from portal.database.embedded import make_folders
from portal.errors import ConfigurationError
from portal.processes import end_all, marked
from portal.settings import Settings

MARK = "PORTAL_SUPERVISED_FOLDER"
"""Variable of every child, so that the next supervisor recognises what a killed one left behind."""
LEFTOVER_SECONDS = 10
OTHER_FOLDER = "Make the folder writable, or choose another one with PORTAL_DATA_DIR=…"


@contextmanager
def only_supervisor(settings: Settings) -> Iterator[None]:
    """Hold the folder, with the previous supervisor's children gone.

    Raises:
        ConfigurationError: the folder cannot be written, or a portal runs on it.
    """
    try:
        make_folders(settings.data_dir)
        descriptor = os.open(settings.data_dir / "run.lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"Nothing can be written to {settings.data_dir}: {error.strerror or error}.", hint=OTHER_FOLDER
        ) from error
    try:
        _hold(descriptor, settings)
        end_all(marked(MARK, str(settings.data_dir)), deadline_seconds=LEFTOVER_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _hold(descriptor: int, settings: Settings) -> None:
    record = settings.data_dir / "run.json"
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(
            f"A portal already runs on {settings.data_dir}{_described(record)}.",
            hint="Stop it first, or give this one a folder of its own with PORTAL_DATA_DIR=…",
        ) from None
    about = {"pid": os.getpid(), "address": settings.base_url, "started_at": int(time.time())}
    record.write_text(json.dumps(about))


def _described(record: Path) -> str:
    with suppress(OSError, ValueError, KeyError):
        about = json.loads(record.read_text())
        return f" (process {about['pid']}, {about['address']})"
    return ""
