from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import click
import pytest
from click.testing import CliRunner

from portal.__main__ import COMMANDS, cli
from portal.contract import loading
from portal.contract.plugin import LoadedPlugin
from portal.doctor import Finding, examine
from portal.security.keyrings import load_keyring
from portal.settings import ROOT, load_settings


def portal(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portal", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def findings(folder: Path, **variables: str) -> dict[str, Finding]:
    settings = load_settings({"PORTAL_DATA_DIR": str(folder), "PORTAL_PLUGINS": "", **variables})
    return {finding.subject: finding for finding in await examine(settings)}


def test_every_command_in_the_table_can_be_loaded() -> None:
    context = click.Context(cli)
    assert all(cli.get_command(context, name) for name in COMMANDS)


def test_help_lists_the_commands_and_imports_none_of_them() -> None:
    listed = CliRunner().invoke(cli, ["--help"])
    assert listed.exit_code == 0
    assert all(name in listed.output for name in COMMANDS)


def test_a_known_error_is_a_sentence_a_hint_and_exit_code_1() -> None:
    done = portal("doctor", PORTAL_PORT="many")
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["PORTAL_PORT is 'many'.", "Set it to a whole number from 1 to 65535."]


def test_an_unknown_command_is_named() -> None:
    done = portal("dance", PORTAL_PLUGINS="")
    assert done.returncode == 2
    assert "No such command 'dance'" in done.stderr


def test_an_empty_password_file_makes_no_owner(tmp_path: Path) -> None:
    (tmp_path / "password").touch()
    arguments = ["--email", "a@example.com", "--password-file", str(tmp_path / "password")]
    done = portal("create-owner", *arguments, PORTAL_DATA_DIR=str(tmp_path / "data"))
    assert done.returncode == 1
    assert done.stderr.startswith("The password file is empty.")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", ["web", "worker"])
def test_a_server_without_a_database_does_not_start(tmp_path: Path, command: str) -> None:
    done = portal(command, PORTAL_DATA_DIR=str(tmp_path), PORTAL_PORT="21040")
    assert done.returncode == 1
    assert "does not answer" in done.stderr


async def test_the_doctor_finds_nothing_wrong_with_a_new_machine(tmp_path: Path) -> None:
    found = await findings(tmp_path)
    assert not [finding for finding in found.values() if finding.state == "fail"]
    assert found["Database"].remedy == "Start it with: portal run"


async def test_the_doctor_sees_a_running_database_and_its_migrations(migrated: None) -> None:
    settings = load_settings({**os.environ, "PORTAL_PLUGINS": ""})
    found = {finding.subject: finding for finding in await examine(settings)}
    assert found["Database"].state == "ok"
    assert found["Migrations"].state == "ok"


async def test_the_doctor_refuses_a_keyring_that_others_can_read(tmp_path: Path) -> None:
    keyring = tmp_path / "keyring.json"
    load_keyring(keyring)
    assert (await findings(tmp_path))["Keyring"].state == "ok"
    keyring.chmod(0o644)
    assert (await findings(tmp_path))["Keyring"].remedy == f"Run: chmod 600 {keyring}"


async def test_the_doctor_names_a_broker_that_does_not_answer_without_its_password(tmp_path: Path) -> None:
    queue = (await findings(tmp_path, PORTAL_BROKER_URL="amqp://me:hush@127.0.0.1:1/"))["Queue"]
    assert (queue.state, queue.words) == ("fail", "amqp://127.0.0.1:1 does not answer")


@pytest.mark.parametrize(
    ("variables", "state", "words"),
    [
        ({}, "info", "written to files in"),
        ({"PORTAL_ENV": "production"}, "warn", "not set up"),
        ({"PORTAL_SMTP_URL": "smtp://me:hush@127.0.0.1:1"}, "fail", "127.0.0.1:1 does not answer"),
    ],
)
async def test_the_doctor_says_where_mail_goes_without_its_password(
    tmp_path: Path, variables: dict[str, str], state: str, words: str
) -> None:
    found = (await findings(tmp_path, PORTAL_MAIL_FROM="a@b.example", **variables))["Mail"]
    assert found.state == state
    assert words in found.words
    assert "hush" not in found.words + found.remedy


async def test_the_doctor_warns_of_an_address_that_providers_cannot_reach(tmp_path: Path) -> None:
    assert (await findings(tmp_path, PORTAL_ENV="production"))["Address"].state == "warn"
    assert (await findings(tmp_path, PORTAL_BASE_URL="https://portal.example.com"))["Address"].state == "ok"


def test_the_doctors_exit_code_tells_of_failures(tmp_path: Path) -> None:
    assert portal("doctor", PORTAL_DATA_DIR=str(tmp_path), PORTAL_PLUGINS="").returncode == 0
    (tmp_path / "keyring.json").touch(mode=0o644)
    assert portal("doctor", PORTAL_DATA_DIR=str(tmp_path), PORTAL_PLUGINS="").returncode == 1


def test_both_requirement_files_pin_the_same_versions() -> None:
    run, dev = (pins(ROOT / name) for name in ("requirements.txt", "requirements-dev.txt"))
    assert {name: dev.get(name) for name in run} == run


def pins(file: Path) -> dict[str, str]:
    lines = [line.split(";")[0].rstrip(" \\") for line in file.read_text().splitlines() if "==" in line]
    return dict(line.split("==", 1) for line in lines if not line.startswith((" ", "#")))


def test_a_plugins_own_commands_are_found_by_its_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "acme_provider"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "commands.py").write_text("import click\n\n@click.group()\ndef commands() -> None: ...\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugin = Mock(manifest=Mock(id="acme"))
    monkeypatch.setattr(loading, "installed_plugins", lambda: (LoadedPlugin("acme_provider", plugin),))
    context = click.Context(cli)
    assert isinstance(cli.get_command(context, "acme"), click.Group)
    assert cli.get_command(context, "other") is None
