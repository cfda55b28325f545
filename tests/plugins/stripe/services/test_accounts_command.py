"""`portal accounts`: the same checks as on the pages, in the same words."""

from __future__ import annotations

import os
import subprocess
import sys

from plugins.stripe.plugin import plugin
from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.accounts.check_runs import last_run, subject_of_account
from portal.accounts.disconnections import disconnect
from portal.audit.services import SYSTEM
from portal.settings import ROOT
from tests.builders import WEBHOOK_SECRET, Connected


def portal(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "portal", "accounts", *arguments],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_the_list_names_each_connection_with_its_state(account: Connected) -> None:
    listed = portal("list")
    assert listed.returncode == 0
    assert f"{account.id}  stripe  test" in listed.stdout
    assert DEFAULT.account in listed.stdout
    assert "ready" in listed.stdout


async def test_the_checks_say_what_the_page_says(account: Connected) -> None:
    checked = portal("check", str(account.id), "--quick")
    run = await last_run(subject_of_account(account.id))
    assert run is not None, checked.stderr
    for check in plugin.checks:
        result = run.results[check.id]
        assert f"{check.title}" in checked.stdout
        for words in (result.message, result.fix, *result.steps, result.fix_url):
            assert words in checked.stdout
    for secret in (DEFAULT.secret_key, WEBHOOK_SECRET):
        assert secret not in checked.stdout + checked.stderr


async def test_a_failed_check_ends_with_1(account: Connected, sandbox: RunningSandbox) -> None:
    sandbox.control("POST", "/keys/revoke", {"key": DEFAULT.secret_key})
    checked = portal("check")
    sandbox.control("POST", "/keys/activate", {"key": DEFAULT.secret_key})
    assert checked.returncode == 1
    assert "Stripe refused this key." in checked.stdout
    assert "/help/stripe/key-refused#STRIPE_KEY_REFUSED" in checked.stdout


async def test_a_connection_that_is_not_there_is_named(account: Connected) -> None:
    missing = portal("check", "404")
    assert missing.returncode == 1
    assert missing.stderr.splitlines() == ["There is no connection 404.", "See: portal accounts list"]
    await disconnect(account.id, plugin, actor=SYSTEM)
    assert portal("list").stdout == "Nothing is connected.\n"
