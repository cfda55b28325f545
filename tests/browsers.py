"""Finds a Chromium for the browser tests, and installs one where that is allowed.

`python -m tests.browsers` is called by make before the tests; tests ask `find_browser()`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The first is what Playwright takes by itself where nobody looks on: the same engine at half the CPU."""
PACKAGES = (("chromium-headless-shell", "fonts-dejavu-core"), ("chromium", "fonts-dejavu-core"))
"""The second where a release does not have the first."""
APT = ("apt-get", "install", "-qq", "-y", "--no-install-recommends")
INSTALL_SECONDS = 300
DOWNLOAD_SECONDS = 300
MISSING = (
    "No Chromium was found for the browser tests. Install the package `chromium` (Debian, Fedora, Arch), "
    "`chromium-browser` (Ubuntu) or Google Chrome, or run: .venv/bin/python -m playwright install chromium"
)


def find_browser() -> Path | None:
    """The program to start: on PATH, else the one that Playwright downloaded."""
    for name in NAMES:
        if found := shutil.which(name):
            return Path(found)
    return _playwrights_own()


def ensure_browser() -> Path | None:
    """Find one, or install one: by apt as root on Debian, else by Playwright's own download."""
    return find_browser() or _install()


def _playwrights_own() -> Path | None:
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - slow, and seldom needed

    with sync_playwright() as playwright:
        path = Path(playwright.chromium.executable_path)
    return path if path.exists() else None


def _install() -> Path | None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests …", flush=True)  # noqa: T201 - a make step
        _run(["apt-get", "update", "-qq"], INSTALL_SECONDS)
        for packages in PACKAGES:
            if not find_browser():
                _run([*APT, *packages], INSTALL_SECONDS)
    if not find_browser():
        _run([sys.executable, "-m", "playwright", "install", "chromium"], DOWNLOAD_SECONDS)
    return find_browser()


def _run(command: list[str], seconds: int) -> None:
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        subprocess.run(
            command,
            check=False,
            timeout=seconds,
            env=environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError) as error:
        print(f"{command[0]} did not work: {type(error).__name__}", file=sys.stderr)  # noqa: T201 - a make step


def main() -> None:
    """Say what is missing; on CI that is a failure."""
    if ensure_browser() is None:
        print(MISSING, file=sys.stderr)  # noqa: T201 - a make step
        sys.exit(os.environ.get("CI", "").lower() in ("1", "true"))


if __name__ == "__main__":
    main()
