from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import asyncpg
import psutil
import pytest

from portal.database import embedded
from portal.database.embedded import Server, connection_arguments, ensure_running, erase, running
from portal.database.installations import find_installation
from portal.errors import ConfigurationError
from portal.processes import wait_for

STARTER = "import sys; from pathlib import Path; from portal.database.embedded import ensure_running\n"


@pytest.fixture(scope="module")
def made_once() -> Iterator[Path]:
    """A folder whose server was made and stopped."""
    folder = Path(tempfile.mkdtemp(prefix="portal-embedded-"))
    folder.chmod(0o755)
    ensure_running(folder).stop()
    yield folder
    erase(folder)
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(made_once: Path) -> Iterator[Path]:
    """The same folder, with no server before or after the test."""
    yield made_once
    with running(made_once) as server:
        server.stop()


async def answer(server: Server, query: str) -> object:
    connection = await asyncpg.connect(**server.connection, timeout=5)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


def kill_hard(server: Server) -> None:
    server.process.kill()
    assert wait_for([server.process], deadline_seconds=5)


async def test_it_serves_a_durable_database_on_a_private_socket(data_dir: Path) -> None:
    server = ensure_running(data_dir)
    assert server.started_here
    assert server.connection == connection_arguments(data_dir)
    assert await answer(server, "SELECT current_database()") == "portal"
    assert await answer(server, "SHOW fsync") == "on"
    assert await answer(server, "SHOW listen_addresses") == ""
    assert Path(server.connection["host"]).stat().st_mode & 0o077 == 0


async def test_the_second_caller_attaches_and_leaves_it_running(data_dir: Path) -> None:
    first = ensure_running(data_dir)
    with running(data_dir) as second:
        assert (second.pid, second.started_here) == (first.pid, False)
    assert first.running


async def test_a_killed_server_comes_back_with_its_rows(data_dir: Path) -> None:
    server = ensure_running(data_dir)
    await answer(server, "CREATE TABLE survivor AS SELECT 42 AS n")
    kill_hard(server)
    assert await answer(ensure_running(data_dir), "SELECT n FROM survivor") == 42


async def test_a_pid_file_that_names_a_stranger_is_ignored(data_dir: Path) -> None:
    server = ensure_running(data_dir)
    kill_hard(server)
    pid_file = Path(data_dir / "postgres" / "data" / "postmaster.pid")
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    assert await answer(ensure_running(data_dir), "SELECT 1") == 1


async def test_a_zombie_is_not_taken_for_a_server(data_dir: Path) -> None:
    starter = subprocess.run(
        [sys.executable, "-c", STARTER + "print(ensure_running(Path(sys.argv[1])).pid)", str(data_dir)],
        capture_output=True,
        check=True,
        text=True,
        timeout=60,
    )
    first = psutil.Process(int(starter.stdout))
    first.kill()
    assert wait_for([first], deadline_seconds=5)
    assert await answer(ensure_running(data_dir), "SELECT 1") == 1


def test_five_starters_at_once_make_one_server(data_dir: Path) -> None:
    with ThreadPoolExecutor(5) as pool:
        servers = list(pool.map(lambda _: ensure_running(data_dir), range(5)))
    assert len({server.pid for server in servers}) == 1
    assert [server.started_here for server in servers].count(True) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_it_ends_with_a_killed_owner_who_asked_for_that(data_dir: Path) -> None:
    code = "import time; print(ensure_running(Path(sys.argv[1]), ends_with_caller=True).pid, flush=True)\n"
    with subprocess.Popen(
        [sys.executable, "-c", STARTER + code + "time.sleep(60)", str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
    ) as owner:
        assert owner.stdout
        server = psutil.Process(int(owner.stdout.readline()))
        owner.send_signal(signal.SIGKILL)
        assert wait_for([server], deadline_seconds=10)


async def test_data_that_was_half_made_is_made_again() -> None:
    folder = Path(tempfile.mkdtemp(prefix="portal-embedded-"))
    folder.chmod(0o755)
    half = folder / "postgres" / "unfinished"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18")
    try:
        with running(folder) as server:
            assert await answer(server, "SELECT 1") == 1
    finally:
        erase(folder)
        shutil.rmtree(folder)


async def test_a_very_long_path_works() -> None:
    base = Path(tempfile.mkdtemp(prefix="portal-embedded-"))
    base.chmod(0o755)
    folder = base / ("d" * 120)
    try:
        with running(folder) as server:
            assert len(server.connection["host"]) < 100
            assert await answer(server, "SELECT 1") == 1
    finally:
        erase(folder)
        shutil.rmtree(base)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
async def test_root_may_keep_the_portal_in_a_private_folder(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    folder = tmp_path / "data"
    try:
        with running(folder) as server:
            assert server.process.uids().effective != 0
            assert await answer(server, "SELECT 1") == 1
            assert (folder / "postgres").is_symlink()
    finally:
        erase(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands the server to another user")
def test_programs_that_the_servers_user_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden, copies = tmp_path / "hidden", Path(tempfile.mkdtemp(prefix="portal-copies-"))
    copies.chmod(0o755)
    original = find_installation(None, copies=copies / "original")
    tmp_path.chmod(0o700)
    package = original.folder.parent.parent
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.with_name(name), hidden / name, symlinks=True)
    bin_folder = hidden / package.name / original.folder.parent.name / "bin"
    monkeypatch.setattr("portal.database.installations._candidates", lambda: iter([bin_folder]))
    try:
        found = find_installation(None, copies=copies / "copied")
        assert found.folder.is_relative_to(copies / "copied")
        assert found.major == original.major
    finally:
        shutil.rmtree(copies)


def test_data_of_an_unknown_version_is_left_alone() -> None:
    with pytest.raises(ConfigurationError, match="made by PostgreSQL 7, which is not installed"):
        find_installation("7", copies=embedded.ROOTS_PLACE / "programs")


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ConfigurationError, match="cannot be kept in") as caught:
        ensure_running(tmp_path / "file" / "data")
    assert "PORTAL_DATA_DIR" in caught.value.hint
