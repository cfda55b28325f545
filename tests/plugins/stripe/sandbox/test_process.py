"""The program: arguments, keys, state file, stopping."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from plugins.stripe.sandbox import saving
from plugins.stripe.sandbox.keys import DEFAULT, WORLDS
from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.testing import ROOT, running_sandbox
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.conftest import client_with
from tests.plugins.stripe.sandbox.raw import Api
from tests.plugins.stripe.sandbox.receivers import receiver


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "plugins.stripe.sandbox", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)


def test_keys_are_printed_as_json() -> None:
    printed = json.loads(run("--keys").stdout)
    assert printed == [world.as_json() for world in WORLDS]
    assert {"publishable_key", "secret_key", "restricted_key", "account"} <= set(printed[0])


def test_other_addresses_than_this_machine_are_refused() -> None:
    ended = run("--host", "0.0.0.0", "--port", "21019")  # noqa: S104 - to see it refused
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert "0.0.0.0 is not a loopback address" in ended.stderr


def test_state_survives_a_kill_and_pending_deliveries_go_on(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    with receiver() as inbox:
        inbox.statuses = [500] * 50
        with running_sandbox(state=state) as first:
            first.deliver(retry_seconds=[0.2] * 50)
            client = client_with(first, DEFAULT.secret_key)
            client.v1.webhook_endpoints.create({"url": inbox.url, "enabled_events": ["*"]})
            ada = make_customer(client)
            inbox.wait_for(lambda box: len(box.deliveries) > 0)
            wait_until_saved(state, ada.id)
            first.process.send_signal(signal.SIGKILL)
            first.process.wait(5)
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        inbox.statuses.clear()
        before = len(inbox.deliveries)
        with running_sandbox(state=state) as second:
            api = Api(second.url)
            assert api.get(f"/v1/customers/{ada.id}").body["email"] == "ada@example.com"
            inbox.wait_for(lambda box: len(box.deliveries) > before)
            made = api.post("/v1/customers", {"name": "Bob"}).body
            second.process.send_signal(signal.SIGTERM)
            assert second.process.wait(2) == 0
        rows = json.loads(state.read_bytes())["worlds"]["a-test"]["tables"]["customer"]["rows"]
        assert set(rows) == {ada.id, made["id"]}


def wait_until_saved(state: Path, text: str) -> None:
    deadline = time.monotonic() + 5
    while not state.exists() or text not in state.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_a_write_that_was_begun_ends_before_the_last_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox, file = Sandbox(url="http://127.0.0.1:1"), tmp_path / "state.json"
    began, written = asyncio.Event(), []
    loop = asyncio.get_running_loop()

    def write_slowly(content: bytes, place: Path) -> None:
        loop.call_soon_threadsafe(began.set)
        time.sleep(0.2)
        written.append(place)

    monkeypatch.setattr(saving, "write", write_slowly)
    monkeypatch.setattr(saving, "DELAY_SECONDS", 0.01)
    keeping = asyncio.create_task(saving.keep_saved(sandbox, file))
    await asyncio.sleep(0)
    sandbox.worlds["a-test"].on_change()
    async with asyncio.timeout(5):
        await began.wait()
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
    assert written == [file]
