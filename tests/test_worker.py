"""The worker as it is started for real: `dramatiq portal.worker`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.settings import ROOT, Settings
from tests.queue.rooms import Sql, sql_thread, wait_until

COMMAND = [sys.executable, "-m", "dramatiq", "portal.worker", "--processes", "1", "--threads", "2"]


@pytest.fixture
def sql(database: None, settings: Settings) -> Iterator[Sql]:
    with sql_thread(settings) as run:
        yield run


def test_the_worker_runs_periodic_jobs_outlives_a_bad_plugin_and_stops_when_told(
    sql: Sql, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    plugins = "plugins.stripe,tests.queue.failing_plugin"
    with log.open("wb") as output:
        worker = subprocess.Popen(
            COMMAND, cwd=ROOT, env={**os.environ, "PORTAL_PLUGINS": plugins}, stdout=output, stderr=output
        )
        try:
            wait_until(lambda: swept(sql), what="both sweeps done")
            assert sql("SELECT reason FROM portal_job_dead") == []
            sql("INSERT INTO portal_job (actor_name) VALUES ('nobody.knows')")
            wait_until(lambda: sql("SELECT reason FROM portal_job_dead"), what="a dead letter")
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(20) == 0
        finally:
            worker.kill()
            worker.wait(10)
    said = log.read_text()
    assert "the actors of tests.queue.failing_plugin failed to load" in said
    assert "sk_test_planted" not in said
    assert sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'portal-worker'") == []


def swept(sql: Sql) -> bool:
    names = [row[0] for row in sql("SELECT name FROM portal_schedule WHERE last_run_at IS NOT NULL")]
    return {"portal.sweep_inbox", "portal.sweep_outbox"} <= set(names) and sql("SELECT FROM portal_job") == []
