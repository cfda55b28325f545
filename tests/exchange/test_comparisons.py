"""A comparison names what differs and why; at night it mends what only the provider decides."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.accounts.services import load_account
from portal.contract.work import Subject
from portal.database.transaction import connection
from portal.exchange.comparisons import repair_object
from portal.exchange.nights import last_night, start_due
from portal.exchange.runs import Purpose
from portal.exchange.work import refresh_subject
from tests.exchange import listings
from tests.exchange.listings import begin, totals, work_to_end


async def report(state: str = "open") -> dict[str, dict[str, str]]:
    async with connection() as held:
        rows = await held.fetch("SELECT * FROM sync_difference WHERE state = $1 ORDER BY id", state)
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["external_id"], {})[row["field"]] = f"{row['ours']} -> {row['theirs']}"
    return found


async def paid() -> int:
    async with connection() as held:
        count: int = await held.fetchval("SELECT count(*) FROM invoice WHERE status = 'paid'")
    return count


async def test_what_a_person_compares_is_reported_with_its_cause_and_changes_nothing(account_id: int) -> None:
    for number in range(8):
        listings.WORLD.add_invoice(number)
    await work_to_end(await begin(account_id))
    for number in (2, 5):
        listings.WORLD.pay(number)
    listings.WORLD.add_invoice(9)
    run_id = await begin(account_id, Purpose.COMPARISON)
    assert await work_to_end(run_id) == "done"
    found = await report()
    assert found["in_2"]["status"] == "open -> paid"
    assert set(found) == {"in_2", "in_5", "in_9"}
    assert set(found["in_9"]) == {"record"}
    assert await paid() == 0
    counts = await totals(run_id)
    assert (counts["differing"], counts["unchanged"], counts["created"], counts["updated"]) == (3, 6, 0, 0)
    async with connection() as held:
        causes = {row["cause"] for row in await held.fetch("SELECT cause FROM sync_difference")}
        rules = {row["trusted"] for row in await held.fetch("SELECT trusted FROM sync_difference")}
    assert causes == {
        "It changed at the provider, and no event about it ever arrived.",
        "It was made at the provider, and no event about it ever arrived.",
    }
    assert rules == {"theirs"}


async def test_a_difference_is_mended_by_one_press_and_the_next_comparison_finds_none(
    account_id: int,
) -> None:
    listings.WORLD.add_invoice(1)
    await work_to_end(await begin(account_id))
    listings.WORLD.pay(1)
    await work_to_end(await begin(account_id, Purpose.COMPARISON))
    assert await repair_object(await load_account(account_id), "invoice:in_1")
    assert await paid() == 1
    assert await report() == {}
    assert "in_1" in await report("repaired")
    run_id = await begin(account_id, Purpose.COMPARISON)
    await work_to_end(run_id)
    assert (await totals(run_id))["differing"] == 0


async def test_what_is_read_again_leaves_the_report(account_id: int) -> None:
    for number in (1, 2):
        listings.WORLD.add_invoice(number)
    await work_to_end(await begin(account_id))
    for number in (1, 2):
        listings.WORLD.pay(number)
    await work_to_end(await begin(account_id, Purpose.COMPARISON))
    await refresh_subject(await load_account(account_id), Subject("invoice:in_1", ("in_1",)))
    assert set(await report()) == {"in_2"}
    await work_to_end(await begin(account_id))
    assert await report() == {}


async def test_the_comparison_of_the_night_mends_what_twenty_lost_events_left(account_id: int) -> None:
    for number in range(30):
        listings.WORLD.add_invoice(number)
    await work_to_end(await begin(account_id))
    for number in range(20):
        listings.WORLD.pay(number)
    run_id = await begin(account_id, Purpose.COMPARISON, repairs=True)
    assert await work_to_end(run_id) == "done"
    assert await paid() == 20
    assert await report() == {}
    assert len(await report("repaired")) == 20
    assert (await totals(run_id))["differing"] == 20
    again = await begin(account_id, Purpose.COMPARISON, repairs=True)
    await work_to_end(again)
    assert (await totals(again))["differing"] == 0


async def test_one_of_ours_that_the_provider_does_not_have_waits_for_a_person(account_id: int) -> None:
    listings.WORLD.add_invoice(1)
    await work_to_end(await begin(account_id))
    listings.WORLD.things["invoices"].clear()
    await work_to_end(await begin(account_id, Purpose.COMPARISON, repairs=True))
    assert "not there" in (await report())["in_1"]["record"]


async def test_differences_that_are_gone_by_themselves_leave_the_report(account_id: int) -> None:
    invoice = listings.WORLD.add_invoice(1)
    await work_to_end(await begin(account_id))
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO sync_difference (account, mode, subject_kind, external_id, field, ours, theirs, kind,
                                         cause, rule, trusted, found_by, found_at)
            VALUES ($1, 'test', 'invoice', 'in_1', 'status', 'a', 'b', 'drift', '', '', 'theirs', '', now())
            """,
            account_id,
        )
    assert invoice.open
    await work_to_end(await begin(account_id, Purpose.COMPARISON))
    assert await report() == {}


@pytest.mark.parametrize(
    ("now", "zone", "night"),
    [
        ("2026-11-26T02:30", "UTC", "2026-11-25T03:00"),
        ("2026-11-26T03:30", "UTC", "2026-11-26T03:00"),
        ("2026-11-26T03:30", "Asia/Tokyo", "2026-11-25T18:00"),
        ("2026-03-29T02:30", "Europe/Paris", "2026-03-29T01:00"),
    ],
)
def test_the_night_is_the_organisations(now: str, zone: str, night: str) -> None:
    found = last_night(datetime.fromisoformat(now).replace(tzinfo=UTC), zone)
    assert found.astimezone(UTC) == datetime.fromisoformat(night).replace(tzinfo=UTC)


async def test_every_account_is_compared_once_a_night(account_id: int) -> None:
    assert await start_due() == 0  # connected since the last night
    async with connection() as held:
        await held.execute("UPDATE connected_account SET connected_at = now() - interval '3 days'")
    assert await start_due() == 1
    assert await start_due() == 0
    async with connection() as held:
        run_id = await held.fetchval("SELECT id FROM sync_run WHERE repairs AND started_by = ''")
    await work_to_end(run_id)
    assert await start_due() == 0
    assert account_id
