"""Other people's receivers, installed on demand beside the repository, in versions that are named here."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from portal.settings import ROOT

VERSIONS = {
    "dj-stripe": (
        "dj-stripe==2.11.0",
        "Django==5.2.19",
        "stripe==15.6.2",
        "psycopg[binary]==3.3.9",
        "gunicorn==27.0.1",
    ),
    "sync-engine": ("@supabase/stripe-sync-engine@0.48.5", "stripe@20.4.1", "pg@8.23.1"),
}
"""The first of each is the peer itself."""
TOOLS: dict[str, tuple[str, ...]] = {"dj-stripe": (), "sync-engine": ("node", "npm")}
FOLDER = ROOT / ".portal-bench"
LIMIT_SECONDS = 300
MARK = "installed.txt"
COMPLAINTS = ("ERROR: ", "npm error ", "npm ERR! ")


class NotInstalled(RuntimeError):
    """The peer cannot be had here: no network, or a tool is missing."""


def title(name: str) -> str:
    """What the table calls it."""
    package = VERSIONS[name][0].rpartition("/")[2]
    return package.replace("==", " ").replace("@", " ")


def installed(name: str) -> Path:
    """Its folder, after what is not there yet was fetched.

    Raises:
        NotInstalled: with the reason.
    """
    if missing := [tool for tool in TOOLS[name] if shutil.which(tool) is None]:
        raise NotInstalled(f"there is no {' and no '.join(missing)}")
    folder = FOLDER / name
    mark, wanted = folder / MARK, "\n".join(VERSIONS[name])
    if not mark.exists() or mark.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _FETCH[name](folder)
        mark.write_text(wanted)
    return folder


def _fetch_with_pip(folder: Path) -> None:
    _run(folder, sys.executable, "-m", "venv", str(folder))
    _run(folder, str(folder / "bin" / "pip"), "install", "-q", "--no-input", *VERSIONS["dj-stripe"])


def _fetch_with_npm(folder: Path) -> None:
    (folder / "package.json").write_text('{"private": true}\n')
    _run(folder, "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *VERSIONS["sync-engine"])


_FETCH = {"dj-stripe": _fetch_with_pip, "sync-engine": _fetch_with_npm}


def _run(folder: Path, *argv: str) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PORTAL_")}
    try:
        done = subprocess.run(
            argv, cwd=folder, env=kept, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as late:
        raise NotInstalled(f"{Path(argv[0]).name} took over {LIMIT_SECONDS} seconds") from late
    if done.returncode:
        said = (line for line in done.stderr.splitlines() if line.startswith(COMPLAINTS))
        raise NotInstalled(f"{Path(argv[0]).name} ended with {next(said, 'no reason given')[:120]}")
