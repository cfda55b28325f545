from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from portal.errors import ConfigurationError
from portal.failpoints import Failpoint, arm
from portal.settings import ROOT, load_settings

REACH = "from portal.failpoints import Failpoint, reach; reach(Failpoint.INTAKE_STORED); print('went on')"


def reach(failpoints: str, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    return subprocess.run(
        [sys.executable, "-c", REACH],
        cwd=ROOT,
        env={**kept, "PORTAL_FAILPOINTS": failpoints, **more},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_an_armed_place_kills_the_process() -> None:
    assert reach(f"{Failpoint.INTAKE_STORED}=kill").returncode == -signal.SIGKILL


def test_a_place_set_to_once_kills_whoever_finds_its_file_and_nobody_after(tmp_path: Path) -> None:
    once, folder = f"{Failpoint.INTAKE_STORED}=once", {"PORTAL_DATA_DIR": str(tmp_path)}
    assert reach(once, **folder).stdout == "went on\n"
    arm(Failpoint.INTAKE_STORED, tmp_path)
    assert reach(once, **folder).returncode == -signal.SIGKILL
    assert reach(once, **folder).stdout == "went on\n"


@pytest.mark.parametrize("failpoints", ["", "somewhere.else=kill"])
def test_a_place_that_is_not_armed_lets_everybody_pass(failpoints: str) -> None:
    assert reach(failpoints).stdout == "went on\n"


def test_production_refuses_failpoints() -> None:
    production = {"PORTAL_ENV": "production", "PORTAL_BASE_URL": "https://portal.example.com"}
    assert load_settings(production).failpoints == {}
    with pytest.raises(ConfigurationError, match="in production"):
        load_settings({**production, "PORTAL_FAILPOINTS": "intake.stored=kill"})


@pytest.mark.parametrize("text", ["intake.stored", "intake.stored=sleep", "=", "kill"])
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        load_settings({"PORTAL_FAILPOINTS": text})
