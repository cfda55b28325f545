"""Where a command's log lines go: to a file, so that the terminal keeps to what the person asked for."""

from __future__ import annotations

import logging

from portal.security.redaction import JsonLines
from portal.settings import Settings


def log_to_file(settings: Settings) -> None:
    """Append to `logs/portal.log`; before the data folder exists there is nothing worth keeping."""
    logs = settings.data_dir / "logs"
    handler = logging.FileHandler(logs / "portal.log", delay=True) if logs.is_dir() else logging.NullHandler()
    handler.setFormatter(JsonLines("portal"))
    logging.basicConfig(handlers=[handler])
