"""What a run of checks found is kept for these exact values, and for no others."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.accounts.check_runs import (
    CheckRun,
    fingerprint_of,
    forget_old_runs,
    last_run,
    remember_run,
    subject_of_account,
    subject_of_form,
)
from portal.contract.checks import CheckItem, CheckResult, CheckStatus, Repair
from portal.contract.secrets import Secret
from portal.database.transaction import connection
from tests.accounts.fakes import PASSED, SECRET, Acme

VALUES = {"secret_key": Secret(SECRET)}
RICH = CheckResult(
    CheckStatus.WARNING,
    "Something.",
    steps=("One.", "Two."),
    items=(CheckItem("Refunds", CheckStatus.FAILED, "rak_charge_write"),),
    repairs=(Repair("mend", "Mend it for me"),),
    shown={"Charges": "on"},
    features_off={"refunds": "It may not."},
)
SKIPPED = CheckResult(CheckStatus.SKIPPED, "Not asked.")
FAILED = CheckResult(CheckStatus.FAILED, "No.")


def run_of(**results: CheckResult) -> CheckRun:
    return CheckRun("s", "f", results, datetime.now(UTC))


async def test_a_result_comes_back_whole(database: None) -> None:
    await remember_run("form:acme:1", "abc", {"account": RICH})
    found = await last_run("form:acme:1", "abc")
    assert found is not None
    assert found.results == {"account": RICH}


async def test_other_values_find_nothing(database: None) -> None:
    await remember_run("form:acme:1", fingerprint_of(VALUES), {"account": PASSED})
    other = fingerprint_of({"secret_key": Secret(SECRET + "x")})
    assert await last_run("form:acme:1", other) is None
    assert await last_run("form:acme:2", fingerprint_of(VALUES)) is None


async def test_the_newest_run_replaces_the_one_before(database: None) -> None:
    await remember_run("account:1", "a", {"account": PASSED})
    await remember_run("account:1", "b", {"account": FAILED})
    found = await last_run("account:1")
    assert found is not None
    assert (found.fingerprint, found.results) == ("b", {"account": FAILED})


async def test_no_value_can_be_read_from_what_is_kept(database: None) -> None:
    await remember_run("account:1", fingerprint_of(VALUES), {"account": PASSED})
    async with connection() as held:
        row = await held.fetchval("SELECT to_jsonb(check_run)::text FROM check_run")
    assert SECRET not in row


async def test_old_runs_of_forms_go_and_those_of_connections_stay(database: None) -> None:
    for subject in (subject_of_form("acme", 1), subject_of_account(1)):
        await remember_run(subject, "a", {})
    async with connection() as held:
        await held.execute("UPDATE check_run SET ran_at = now() - interval '2 days'")
    await forget_old_runs()
    async with connection() as held:
        kept = [row["subject"] for row in await held.fetch("SELECT subject FROM check_run")]
    assert kept == ["account:1"]


def test_only_what_passed_lately_stands_for_save() -> None:
    assert run_of(account=PASSED, events=FAILED).passed() == {"account": PASSED}
    old = CheckRun("s", "f", {"account": PASSED}, datetime.now(UTC) - timedelta(minutes=11))
    assert old.passed() == {}


@pytest.mark.parametrize(
    ("only", "results", "stands"),
    [
        ("events", {"account": PASSED, "events": FAILED}, {"account"}),
        ("account", {"account": FAILED, "events": SKIPPED}, set()),
        ("account", {"account": FAILED, "events": FAILED}, {"events"}),
        ("events", {"account": FAILED, "events": SKIPPED}, set()),
        ("events", {"account": RICH, "events": FAILED}, set()),
    ],
)
def test_repeating_a_row_leaves_the_others_unless_they_hang_on_it(
    only: str, results: dict[str, CheckResult], stands: set[str]
) -> None:
    assert set(run_of(**results).all_but(only, Acme.checks)) == stands
