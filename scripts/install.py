"""Makes `.venv` and installs the pinned requirements; does nothing when that was done before.

Runs on a bare Python 3.11 with nothing installed. Usage: install.py run|test
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
TOOLS = ROOT / "requirements-tools.txt"
REQUIREMENTS = {"run": ROOT / "requirements.txt", "test": ROOT / "requirements-dev.txt"}
INSTALL_SECONDS = 900
PIP_TO_UV = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "trusted-host": "UV_INSECURE_HOST",
}
"""Where uv looks for what pip reads from its configuration files and from PIP_… variables."""
PIP_SECTIONS = ("global", "install", ":env:")
SEPARATORS = {"UV_FIND_LINKS": ","}
LAUNCHER = """#!/bin/sh
exec "{python}" -m portal "$@"
"""


def main(purpose: str) -> None:
    """Bring `.venv` to what `run` or `test` needs."""
    requirements = REQUIREMENTS[purpose]
    stamp = VENV / f".installed-{purpose}"
    wanted = fingerprint(TOOLS, requirements)
    if stamp.is_file() and stamp.read_text() == wanted and works(PYTHON):
        return
    print(
        f"Installing what `make {purpose}` needs into {VENV.name} (the first time takes a moment) …",
        flush=True,
    )
    if not works(PYTHON):
        make_venv()
    install(requirements)
    add_launcher()
    stamp.write_text(wanted)


def fingerprint(*files: Path) -> str:
    """What the folder and the files were when something was installed from them."""
    digest = hashlib.sha256(os.fsencode(ROOT))
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def works(python: Path) -> bool:
    """Whether the interpreter starts; it does not once the system's Python was replaced."""
    try:
        return subprocess.run([python, "-c", ""], check=False, timeout=60).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def make_venv() -> None:
    """A fresh `.venv` with pip."""
    shutil.rmtree(VENV, ignore_errors=True)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "venv", VENV],
            check=False,
            timeout=INSTALL_SECONDS,
            capture_output=True,
            text=True,
        )
    except OSError as error:
        stop(f"{VENV} cannot be made: {error.strerror}.", "Make the folder writable.")
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
        stop(
            f"{sys.executable} cannot make a virtual environment: {last[0]}",
            f"On Debian and Ubuntu: apt-get install python{version}-venv. Elsewhere: is the folder writable?",
        )


def install(requirements: Path) -> None:
    """By uv, which is several times faster, else by pip. Both take only what the hashes allow."""
    arguments = ["install", "--quiet", "--require-hashes", "-r"]
    pip = [str(PYTHON), "-m", "pip", *arguments]
    uv = [str(VENV / "bin" / "uv"), "pip", *arguments, str(requirements), "--python", str(PYTHON)]
    # Compiled once here, not at each start: that is seconds of every start where nothing may be cached later.
    uv += ["--compile-bytecode", "--index-strategy", "unsafe-best-match"]
    if run([*pip, str(TOOLS)]) and run(uv, extra=uv_settings()):
        return
    print("uv could not do it; trying pip …", flush=True)
    if not run([*pip, str(requirements)]):
        stop(
            "The packages could not be installed.", "The lines above say why; is the package index reachable?"
        )


def run(command: list[str], *, extra: dict[str, str] | None = None) -> bool:
    """Run it with its words on the terminal; whether it succeeded."""
    environ = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1", "UV_LINK_MODE": "copy", **(extra or {})}
    try:
        return subprocess.run(command, check=False, env=environ, timeout=INSTALL_SECONDS).returncode == 0
    except (OSError, subprocess.SubprocessError):
        return False


def uv_settings() -> dict[str, str]:
    """The machine's package index as pip knows it; what is set for uv itself stays as it is."""
    listed = subprocess.run(
        [PYTHON, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False, timeout=60
    )
    found: dict[str, str] = {}
    for line in sorted(listed.stdout.splitlines(), key=pip_precedence):
        key, _, value = line.partition("=")
        name = PIP_TO_UV.get(key.rpartition(".")[2])
        if name and name not in os.environ:
            words = value.strip("'\"").replace("\\n", " ").split()
            found[name] = SEPARATORS.get(name, " ").join(words)
    return found


def pip_precedence(line: str) -> int:
    """Later wins: what holds for every command, then for `install`, then the environment."""
    section = line.partition(".")[0]
    return PIP_SECTIONS.index(section) if section in PIP_SECTIONS else -1


def add_launcher() -> None:
    """`.venv/bin/portal`, and the folder on the environment's path, without building a package."""
    launcher = VENV / "bin" / "portal"
    launcher.write_text(LAUNCHER.format(python=PYTHON))
    launcher.chmod(0o755)
    for packages in (VENV / "lib").glob("python*/site-packages"):
        (packages / "workestra-portal.pth").write_text(f"{ROOT}\n")


def stop(problem: str, remedy: str) -> NoReturn:
    """Say it in two sentences and leave."""
    print(f"{problem}\n{remedy}", file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in REQUIREMENTS:
        sys.exit(__doc__)
    main(sys.argv[1])
