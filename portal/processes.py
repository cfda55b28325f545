"""What the portal needs to know about other processes: who they are, and how to end them for certain."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import psutil

PAUSE_SECONDS = 0.01
_PR_SET_PDEATHSIG = 1


def alive(process: psutil.Process) -> bool:
    """Whether the process runs; a zombie that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end_with_parent(signal_number: int = signal.SIGTERM) -> Callable[[], None] | None:
    """A `preexec_fn` that makes the kernel send the signal when the thread that started the child is gone.

    None where the kernel has no such thing; a stale process is then ended by the next start.
    """
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def ask_kernel() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal_number)
        if os.getppid() != parent:  # the parent was gone before the request was made
            os.kill(os.getpid(), signal_number)

    return ask_kernel


def end(process: psutil.Process, *, signal_number: int, deadline_seconds: float) -> bool:
    """Ask one process to end and wait for it; True when it is gone in time."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal_number)
    return wait_for([process], deadline_seconds=deadline_seconds)


def kill_group(leader_pid: int) -> None:
    """Kill whatever is left of the process group that this process led."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader_pid, signal.SIGKILL)


def marked(variable: str, value: str) -> list[psutil.Process]:
    """Processes, other than ours, that were started with this variable; a reused pid cannot be among them."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(variable) == value and alive(process):
                found.append(process)
    return found


def end_all(processes: Sequence[psutil.Process], *, deadline_seconds: float) -> None:
    """Ask them all to end, and kill those that did not in time."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(signal_number)
        if wait_for(processes, deadline_seconds=deadline_seconds):
            return


def wait_for(processes: Sequence[psutil.Process], *, deadline_seconds: float) -> bool:
    """Wait until every process is gone; the zombie of another parent counts as gone."""
    deadline = time.monotonic() + deadline_seconds
    while any(not _gone(process) for process in processes):
        if time.monotonic() > deadline:
            return False
        time.sleep(PAUSE_SECONDS)
    return True


def _gone(process: psutil.Process) -> bool:
    if alive(process):
        return False
    with suppress(psutil.Error):  # not our child, or gone altogether
        process.wait(timeout=0)
    return True
