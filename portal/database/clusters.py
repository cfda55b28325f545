"""A PostgreSQL data folder, made once and whole."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import IO

from portal.database.installations import COMMAND_SECONDS, Identity, Installation
from portal.errors import ConfigurationError

USER = DATABASE = "portal"


def make_cluster(installation: Installation, home: Path, log: IO[bytes], identity: Identity) -> None:
    """Build the data beside its place and move it there when complete, so that a crash leaves none or all."""
    unfinished = home / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    private_folder(unfinished, identity)
    make = ["-U", USER, "--auth-local=trust", "--auth-host=reject", "-E", "UTF8", "--no-locale"]
    _run([installation.program("initdb"), "-D", str(unfinished), *make], log, identity)
    create = f"CREATE DATABASE {DATABASE};\n".encode()
    _run(
        [installation.program("postgres"), "--single", "-D", str(unfinished), "postgres"],
        log,
        identity,
        create,
    )
    unfinished.rename(home / "data")


def private_folder(folder: Path, identity: Identity) -> None:
    """Make the folder for the server's user alone, and trust no folder that another user laid out."""
    owner = identity.get("user", os.geteuid())
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid not in (os.geteuid(), owner):
        raise ConfigurationError(f"{folder} belongs to somebody else.", hint="Remove it and start again.")
    folder.chmod(0o700)
    if identity:
        os.chown(folder, owner, identity["group"])


def _run(command: list[str], log: IO[bytes], identity: Identity, words: bytes = b"") -> None:
    try:
        subprocess.run(
            command,
            input=words,
            stdout=log,
            stderr=log,
            cwd="/",
            timeout=COMMAND_SECONDS,
            check=True,
            **identity,
        )
    except subprocess.SubprocessError as error:
        raise ConfigurationError(
            "PostgreSQL could not prepare its data folder.", hint=f"Its last words are in {log.name}."
        ) from error
