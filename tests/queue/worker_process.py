"""A worker to be killed: `python -m tests.queue.worker_process URL QUEUE JOURNAL [hang]`."""

from __future__ import annotations

import dataclasses
import os
import sys
import time
from datetime import timedelta
from pathlib import Path

import dramatiq

from portal.queue.broker import build_broker
from portal.settings import load_settings

LEASE = timedelta(seconds=1)


def main(url: str, queue_name: str, journal: str, *mode: str) -> None:
    """Write `begin PID ID` and `end PID ID` for each message; with `hang`, begin and never end."""
    settings = dataclasses.replace(load_settings(), broker_url=None if url == "postgres" else url)
    broker = build_broker(settings, lease=LEASE)
    dramatiq.set_broker(broker)

    def note(message_id: int) -> None:
        write(Path(journal), f"begin {os.getpid()} {message_id}")
        time.sleep(3600 if "hang" in mode else 0.01)
        write(Path(journal), f"end {os.getpid()} {message_id}")

    dramatiq.actor(actor_name="test.note", queue_name=queue_name)(note)
    dramatiq.Worker(broker, worker_threads=2, worker_timeout=100).start()
    write(Path(journal), f"ready {os.getpid()} 0")
    while True:
        time.sleep(3600)


def write(journal: Path, line: str) -> None:
    """One write of a short line to a file opened for appending is atomic."""
    with journal.open("a", buffering=1) as file:
        file.write(f"{line}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
