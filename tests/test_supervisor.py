from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from portal.errors import ConfigurationError
from portal.processes import alive, end_all, marked
from portal.settings import ROOT, Settings, load_settings
from portal.supervision.addresses import answers, loopback, require_free
from portal.supervision.children import Child, restart_delay
from portal.supervision.folders import MARK, only_supervisor
from portal.supervision.parts import Part, parts_of, saying, web_argv, worker_argv

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up', flush=True)
time.sleep(60)
"""
PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']).pid, flush=True)
time.sleep(60)
"""


def settings_in(folder: Path, **variables: str) -> Settings:
    return load_settings({"PORTAL_DATA_DIR": str(folder), "PORTAL_PLUGINS": "", **variables})


def portal_run(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """`portal run` where it cannot succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    return subprocess.run(
        [sys.executable, "-m", "portal", "run"],
        cwd=ROOT,
        env={
            **kept,
            "PORTAL_DATA_DIR": str(folder),
            "PORTAL_PLUGINS": "",
            "PORTAL_PORT": "21030",
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def wait_until(happened: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


@pytest.fixture
def child_of(tmp_path: Path) -> Iterator[Callable[[str], Child]]:
    """Makes children that run a line of Python; all are gone after the test."""
    made: list[Child] = []

    def make(code: str) -> Child:
        part = Part(
            name="part",
            argv=(sys.executable, "-c", code),
            log=tmp_path / "part.log",
            ready=saying("up", times=1),
            detail="",
            stop_seconds=0.2,
        )
        made.append(Child(part, {MARK: str(tmp_path)}))
        return made[-1]

    yield make
    for child in made:
        child.kill()


def listening() -> tuple[socket.socket, int]:
    taken = socket.create_server(("127.0.0.1", 0))
    return taken, taken.getsockname()[1]


def test_a_taken_port_is_one_sentence_before_anything_starts(tmp_path: Path) -> None:
    taken, port = listening()
    with taken:
        done = portal_run(tmp_path, PORTAL_PORT=str(port))
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"Port {port} is in use by another program.",
        "Stop that program, or choose another port: make run PORT=8080",
    ]
    assert not (tmp_path / "postgres").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = portal_run(tmp_path / "file" / "data")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Nothing can be written to {tmp_path / 'file' / 'data'}: Not a directory.")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://me:hush@127.0.0.1:1/shop", "The database at 127.0.0.1:1/shop does not answer."),
        ("mysql://me:hush@127.0.0.1/shop", "cannot be used"),
        ("postgresql://me:hush@127.0.0.1:port/shop", "The database at PORTAL_DATABASE_URL cannot be used"),
    ],
)
def test_a_broken_database_address_is_one_sentence_without_the_password(
    tmp_path: Path, url: str, sentence: str
) -> None:
    done = portal_run(tmp_path, PORTAL_DATABASE_URL=url)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "hush" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_portal_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    with only_supervisor(settings_in(tmp_path)):
        done = portal_run(tmp_path)
    assert done.returncode == 1
    assert (
        f"A portal already runs on {tmp_path} (process {os.getpid()}, http://127.0.0.1:8000)." in done.stderr
    )


def test_what_a_killed_supervisor_left_behind_is_ended(
    tmp_path: Path, child_of: Callable[[str], Child]
) -> None:
    child = child_of(STUBBORN)
    child.start()
    wait_until(lambda: child.ready)
    left = marked(MARK, str(tmp_path))
    assert len(left) == 1
    end_all(left, deadline_seconds=0.1)
    assert not any(alive(process) for process in left)


def test_a_child_is_ready_when_it_says_so_and_not_because_an_earlier_one_did(
    child_of: Callable[[str], Child],
) -> None:
    child = child_of("print('up')")
    child.start()
    wait_until(lambda: not child.running)
    assert child.last_words() == "up"
    silent = child_of("import time; time.sleep(60)")
    silent.start()
    assert silent.running
    assert not silent.ready


def test_a_dead_child_takes_its_workers_along_and_is_due_again(child_of: Callable[[str], Child]) -> None:
    child = child_of(PARENT)
    child.start()
    wait_until(lambda: child.said().strip().isdigit())
    worker = psutil.Process(int(child.said()))
    leader = psutil.Process(worker.ppid())
    leader.send_signal(signal.SIGKILL)
    wait_until(lambda: not child.running)
    assert child.note_death() == "was killed by signal 9"
    wait_until(lambda: not alive(worker))
    assert child.deaths == 1
    assert child.start_due_at > time.monotonic()


def test_a_child_that_ignores_the_signal_is_killed_at_its_deadline(child_of: Callable[[str], Child]) -> None:
    child = child_of(STUBBORN)
    child.start()
    wait_until(lambda: child.ready)
    child.stop()
    assert not child.running


def test_restarts_slow_down_up_to_half_a_minute() -> None:
    assert [restart_delay(deaths) for deaths in (1, 2, 3, 4, 7, 50)] == [0.5, 1, 2, 4, 30, 30]


def test_parts_stop_in_the_order_of_the_work(tmp_path: Path) -> None:
    assert [part.name for part in parts_of(settings_in(tmp_path), [])] == ["web", "worker"]


def test_the_servers_get_what_the_settings_say(tmp_path: Path) -> None:
    settings = settings_in(tmp_path, PORTAL_PORT="21031", PORTAL_WORKER_THREADS="3")
    assert "21031" in web_argv(settings)
    assert worker_argv(settings)[-3:-2] == ("3",)


@pytest.mark.parametrize(
    ("host", "reached"),
    [("", "127.0.0.1"), ("::", "[::1]"), ("10.1.2.3", "10.1.2.3"), ("::1", "[::1]")],
)
def test_a_listening_address_becomes_one_that_can_be_called(host: str, reached: str) -> None:
    assert loopback(host) == reached


def test_an_address_of_another_machine_is_refused_in_words() -> None:
    with pytest.raises(ConfigurationError, match=r"This machine has no address 192\.0\.2\.1"):
        require_free("192.0.2.1", 21032, hint="")


def test_a_port_without_a_web_server_does_not_answer() -> None:
    taken, port = listening()
    taken.close()
    assert not answers(f"http://127.0.0.1:{port}/health")
