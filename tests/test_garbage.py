"""Processes that serve for long leave what they loaded out of every garbage collection."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from portal.settings import ROOT

MANY = 50_000
"""Objects that modules and classes are made of."""
COUNT = "import gc; print(gc.get_freeze_count())"


@pytest.mark.parametrize("module", ["portal.asgi", "portal.worker"])
def test_what_is_loaded_at_the_start_is_left_alone(tmp_path: Path, module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import {module}; {COUNT}"],
        cwd=ROOT,
        env={**os.environ, "PORTAL_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > MANY
