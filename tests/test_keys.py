"""`portal keys` as people run it: as a process, on a real database, also when it is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from portal.accounts.endpoints import pending_endpoint
from portal.audit.services import verify
from portal.contract.secrets import Secret
from portal.database.engine import connection_options
from portal.database.transaction import connection
from portal.doctor import Finding, examine
from portal.failpoints import Failpoint
from portal.security.keyfiles import SETTLED_SECONDS
from portal.security.keyrings import current_keyring, load_keyring, read_keyring
from portal.security.places import count_uses
from portal.security.sealing import open_sealed, seal
from portal.settings import ROOT, Settings, load_settings
from tests.builders import KEYS, connect_account, make_invoice
from tests.security.rings import add, change, own_key_file, secrets_in

Run: TypeAlias = subprocess.CompletedProcess[str]
Portal: TypeAlias = Callable[..., Run]
COMMAND_SECONDS = 30
ROWS = 450
"""Two full batches and a part of one."""


@pytest.fixture
def path(database: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_key_file(tmp_path, settings, monkeypatch)


@pytest.fixture
def portal(path: Path, tmp_path: Path, settings: Settings) -> Portal:
    """Runs a command with the test's key file, on the suite's database, and shows nobody a key."""
    own = {
        "PORTAL_KEYRING_FILE": str(path),
        "PORTAL_PLUGINS": "",
        "PORTAL_DATABASE_URL": address_of(settings),
        "PORTAL_DATA_DIR": str(tmp_path / "data"),
        "PORTAL_PORT": "21060",
    }

    def run(*arguments: str, **variables: str) -> Run:
        hidden = [*secrets_in(path), *KEYS.values()] if path.exists() else list(KEYS.values())
        done = run_whole([*arguments], {**own, **variables})
        hidden += secrets_in(path) if path.exists() and done.returncode == 0 else []
        assert [secret for secret in hidden if secret in done.stdout + done.stderr] == []
        return done

    return run


def run_whole(arguments: list[str], variables: dict[str, str]) -> Run:
    """One that starts although it must not ends with all that it started."""
    process = subprocess.Popen(
        [sys.executable, "-m", "portal", *arguments],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=COMMAND_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=COMMAND_SECONDS)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def address_of(settings: Settings) -> str:
    """The suite's database as one of its own: nobody who finds it by its folder stops it."""
    if settings.database_url:
        return settings.database_url
    options = connection_options(settings)
    return f"postgresql://{options['user']}@/{options['database']}?host={options['host']}"


def said(done: Run) -> list[str]:
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def refused(done: Run) -> list[str]:
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr.splitlines()


async def entries() -> list[tuple[str, str]]:
    async with connection() as held:
        rows = await held.fetch(
            "SELECT action, words FROM audit_entry WHERE action LIKE 'keyring.%' ORDER BY id"
        )
    return [tuple(row) for row in rows]


async def test_a_key_is_added_everything_moves_to_it_and_the_old_one_is_retired(
    path: Path, portal: Portal
) -> None:
    await connect_account()
    await make_invoice()
    before = current_keyring()
    old, old_mark = before.primary, before.fingerprint(before.primary)

    assert said(portal("keys", "list")) == [
        "Key       Fingerprint      Seals",
        f"{old}   {old_mark}            5  primary",
    ]
    made = said(portal("keys", "add"))
    ring = current_keyring()
    new, mark = ring.primary, ring.fingerprint(ring.primary)
    assert made == [
        f"Made key {new} ({mark}); it is the primary one now.",
        "Back the key file up. Then seal again what older keys sealed: portal keys rotate",
    ]
    assert refused(portal("keys", "retire", new)) == [
        f"Key {new} is the primary one: new secrets are sealed with it.",
        "Make another one first: portal keys add, then portal keys rotate.",
    ]
    change(path, primary_since=0)
    assert refused(portal("keys", "retire", old)) == [
        (
            f"Key {old} is still needed by 5 values: 3 in connected_account.sealed_credentials, "
            "1 in connected_account.sealed_webhook_token, 1 in invoice.sealed_pay_token."
        ),
        "Seal them again first: portal keys rotate",
    ]
    assert old in read_keyring(path).keys

    assert said(portal("keys", "rotate")) == [
        f"Sealing with key {new} ({mark}).",
        "connected_account.sealed_credentials: 3 of 3",
        "connected_account.sealed_webhook_token: 1 of 1",
        "invoice.sealed_pay_token: 1 of 1",
        "5 values sealed again.",
    ]
    assert said(portal("keys", "retire", old)) == [
        f"Key {old} ({old_mark}) is retired; copies in backups still hold it."
    ]
    assert said(portal("keys", "list"))[1:] == [f"{new}   {mark}            5  primary"]
    assert refused(portal("keys", "retire", old))[0] == f"The key file has no key {old}."
    assert list(read_keyring(path).keys) == [new]
    assert await entries() == [
        ("keyring.key_added", f"Made key {new} to seal new secrets."),
        ("keyring.rotation_started", f"Began to seal again what older keys sealed, with key {new}."),
        ("keyring.rotated", f"Sealed 5 values again, with key {new}."),
        ("keyring.key_retired", f"Retired key {old}."),
    ]
    assert (await verify()).intact


async def test_no_key_is_in_the_audit_log_or_anywhere_else_in_the_database(
    path: Path, portal: Portal
) -> None:
    await connect_account()
    said(portal("keys", "add"))
    said(portal("keys", "rotate"))
    async with connection() as held:
        rows = await held.fetch(
            "SELECT e::text AS whole FROM audit_entry e UNION ALL SELECT a::text FROM connected_account a"
        )
    whole = "\n".join(row["whole"] for row in rows)
    assert current_keyring().fingerprint(current_keyring().primary) in whole
    assert [secret for secret in [*secrets_in(path), *KEYS.values()] if secret in whole] == []


async def many_sealed(rows: int) -> None:
    async with connection() as held:
        await held.executemany(
            """
            INSERT INTO pending_endpoint (plugin, token_hash, sealed_token, created_at)
            VALUES ($1, $2, $3, now())
            """,
            [
                (name, name.encode(), seal(Secret(f"of {name}"), context=("pending_endpoint", name)))
                for name in (f"plugin{number}" for number in range(rows))
            ],
        )


async def uses() -> dict[str, int]:
    async with connection() as held:
        found = await count_uses(held)
    return {key_id: sum(places.values()) for key_id, places in found.items()}


async def test_rotate_killed_at_every_batch_loses_nothing_and_goes_on_where_it_stopped(
    path: Path, portal: Portal
) -> None:
    await many_sealed(ROWS)
    old = current_keyring().primary
    new = add(path).primary

    killed = portal("keys", "rotate", PORTAL_FAILPOINTS=f"{Failpoint.RESEALING_WRITTEN}=kill")
    assert killed.returncode == -signal.SIGKILL
    assert await uses() == {old: ROWS}
    for expected in (200, 400, 450):
        killed = portal("keys", "rotate", PORTAL_FAILPOINTS=f"{Failpoint.RESEALING_COMMITTED}=kill")
        assert killed.returncode == -signal.SIGKILL
        assert (await uses()).get(new) == expected
        await everything_opens()

    assert said(portal("keys", "rotate"))[-1] == "0 values sealed again."
    change(path, primary_since=0)
    assert portal("keys", "retire", old).returncode == 0
    await everything_opens()


async def everything_opens() -> None:
    async with connection() as held:
        rows = await held.fetch("SELECT plugin, sealed_token FROM pending_endpoint")
    opened = {row[0]: open_sealed(row[1], context=("pending_endpoint", row[0])).reveal() for row in rows}
    assert opened == {f"plugin{number}": f"of plugin{number}" for number in range(ROWS)}


async def test_a_key_is_not_retired_while_somebody_may_be_storing_what_it_sealed(
    path: Path, portal: Portal
) -> None:
    old = current_keyring().primary
    add(path)
    change(path, primary_since=0)
    async with connection() as held:
        change_ = held.transaction()
        await change_.start()
        await held.execute(
            "INSERT INTO pending_endpoint (plugin, token_hash, sealed_token, created_at) "
            "VALUES ('slow', '', '', now())"
        )
        done = portal("keys", "retire", old)
        await change_.rollback()
    assert refused(done)[0] == "The portal is writing without a pause."
    assert old in read_keyring(path).keys


def test_retire_waits_while_the_new_key_is_so_new_that_the_old_one_may_be_in_use(
    path: Path, portal: Portal
) -> None:
    old = current_keyring().primary
    new = add(path).primary
    began = time.monotonic()
    said(portal("keys", "list"))
    start_seconds = time.monotonic() - began  # of a command, on this machine as busy as it is
    change(path, primary_since=int(time.time()) - SETTLED_SECONDS + round(2 * start_seconds) + 2)
    waits, retired = said(portal("keys", "retire", old))
    assert re.fullmatch(
        rf"Key {new} is new: waiting \d+ s until nothing sealed before is on its way\.", waits
    )
    assert retired.startswith(f"Key {old}")


async def test_rotate_names_what_does_not_open_and_exits_with_1(path: Path, portal: Portal) -> None:
    await many_sealed(2)
    async with connection() as held:
        await held.execute("UPDATE pending_endpoint SET plugin = 'moved' WHERE plugin = 'plugin1'")
    add(path)
    done = portal("keys", "rotate")
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "1 value sealed again."
    assert done.stderr.splitlines()[0] == (
        "Some do not open and were left as they are: pending_endpoint.sealed_token of 2."
    )


@pytest.mark.parametrize("command", ["run", "keys rotate"])
async def test_with_another_key_under_the_same_id_nothing_starts(
    path: Path, portal: Portal, tmp_path: Path, command: str
) -> None:
    await connect_account()
    key_id = current_keyring().primary
    other = load_keyring(tmp_path / "other.json")
    change(path, keys={key_id: file_key_of(tmp_path / "other.json", other.primary)})
    done = portal(*command.split())
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == [
        (
            f"The database holds secrets sealed with key {key_id}; key {key_id} in the key file {path} "
            "is another key."
        ),
        "Put the key file that belongs to this database in its place; your backup has it.",
    ]


@pytest.mark.parametrize("command", ["web", "worker"])
async def test_with_the_key_file_of_another_installation_nothing_starts(
    path: Path, portal: Portal, tmp_path: Path, command: str
) -> None:
    await pending_endpoint("acme")
    key_id = current_keyring().primary
    load_keyring(tmp_path / "other.json")
    path.write_bytes((tmp_path / "other.json").read_bytes())
    done = portal(command)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        f"The database holds secrets sealed with key {key_id}, which is not in the key file {path}."
    )


async def test_without_its_key_file_nothing_starts_and_no_other_is_made(path: Path, portal: Portal) -> None:
    await connect_account()
    key_id = current_keyring().primary
    path.unlink()
    assert refused(portal("web"))[0] == (
        f"The database holds secrets sealed with key {key_id}, and there is no key file {path}."
    )
    assert not path.exists()


@pytest.mark.parametrize("command", ["run", "web", "worker", "keys add"])
def test_a_key_file_that_others_may_read_stops_every_start(path: Path, portal: Portal, command: str) -> None:
    path.chmod(0o640)
    done = portal(*command.split())
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"The key file {path} can be read by other users of this machine (mode 0640).",
        f"Run: chmod 600 {path}",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
@pytest.mark.parametrize("command", ["run", "web"])
def test_a_key_file_of_another_user_stops_every_start(path: Path, portal: Portal, command: str) -> None:
    os.chown(path, 54_321, -1)
    done = portal(command)
    os.chown(path, 0, -1)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        f"The key file {path} belongs to 54321, and the portal runs as root."
    )


async def doctor(path: Path) -> dict[str, Finding]:
    settings = load_settings({**os.environ, "PORTAL_PLUGINS": "", "PORTAL_KEYRING_FILE": str(path)})
    return {finding.subject: finding for finding in await examine(settings)}


async def test_the_doctor_says_whether_the_key_file_belongs_to_the_database(
    path: Path, tmp_path: Path
) -> None:
    assert (await doctor(path))["Secrets"].words == "no connection has any yet"
    await connect_account()
    assert (await doctor(path))["Secrets"].state == "ok"
    key_id = current_keyring().primary
    load_keyring(tmp_path / "other.json")
    found = (await doctor(tmp_path / "other.json"))["Secrets"]
    assert found.state == "fail"
    assert f"sealed with key {key_id}, which is not in the key file" in found.words
    path.chmod(0o644)
    found_all = await doctor(path)
    assert (found_all["Keyring"].state, found_all["Secrets"].state) == ("fail", "warn")


async def test_one_damaged_row_is_no_reason_to_doubt_the_key_file(path: Path) -> None:
    account = await connect_account()
    async with connection() as held:
        await held.execute(
            """
            UPDATE connected_account SET sealed_credentials = sealed_credentials
                || jsonb_build_object('moved', sealed_credentials ->> 'secret_key', 'no', 'nonsense')
            WHERE id = $1
            """,
            account.id,
        )
    assert (await doctor(path))["Secrets"].state == "ok"


def file_key_of(path: Path, key_id: str) -> str:
    """The key as the file has it."""
    found = re.search(rf'"{key_id}": "([^"]+)"', path.read_text())
    assert found
    return found[1]
