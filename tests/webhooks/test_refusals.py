"""Refused deliveries are counted by hour and reason, cheaply, and the last day is told hour by hour."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from portal.contract.errors import EventRefused, RefusalReason
from portal.database.transaction import DatabaseBusy, transaction
from portal.sync import gathering
from portal.webhooks import notes
from portal.webhooks.days import last_day
from portal.webhooks.intake import forget_connections
from portal.webhooks.notes import flush_notes, note_refusal, stop_notes
from portal.webhooks.refusals import Refusals, forget_refusals, refusals_since
from tests.builders import Connected, connect_account
from tests.webhooks.signing import at_once, deliver, event_body, signed

AT = datetime(2026, 3, 4, 10, 20, tzinfo=UTC)
HOUR = AT.replace(minute=0)


@pytest.fixture
async def account(database: None) -> AsyncIterator[Connected]:
    forget_connections()
    yield await connect_account()
    await stop_notes()
    forget_connections()


async def rows() -> int:
    async with transaction() as tx:
        found: int = await tx.connection.fetchval("SELECT count(*) FROM delivery_refusal")
    return found


async def test_refused_deliveries_are_counted_by_hour_and_reason(account: Connected) -> None:
    body = event_body()
    foreign, old = signed(body, "whsec_of_somebody"), signed(body, ahead=900)
    begin = datetime.now(UTC)
    ends = await at_once(account, [*[(body, foreign)] * 7, *[(body, old)] * 2, (body, {})])
    assert all(isinstance(end, EventRefused) for end in ends)
    await flush_notes()
    found = await refusals_since(account.id, begin)
    assert sorted((each.reason, each.refused) for each in found) == [
        ("clock", 2),
        ("signature", 7),
        ("unsigned", 1),
    ]
    assert all(each.hour <= begin <= each.last_at for each in found)


async def test_accepted_and_unknown_deliveries_are_not_counted(account: Connected) -> None:
    body = event_body()
    await deliver(account, body, signed(body))
    await deliver(Connected(9, account.mode, "no-such-token"), body, {})
    await flush_notes()
    assert await rows() == 0


async def test_refusing_writes_nothing_until_the_counts_are_flushed(account: Connected) -> None:
    body = event_body()
    await at_once(account, [(body, {})] * 50)
    assert await rows() == 0
    await stop_notes()
    assert [each.refused for each in await refusals_since(account.id, datetime.now(UTC))] == [50]


async def test_later_counts_are_added_to_the_hour(account: Connected) -> None:
    for minutes in (0, 10, 45):
        note_refusal(account.id, "signature", AT + timedelta(minutes=minutes))
        await flush_notes()
    assert await refusals_since(account.id, AT) == [
        Refusals(HOUR + timedelta(hours=1), "signature", 1, AT + timedelta(minutes=45)),
        Refusals(HOUR, "signature", 2, AT + timedelta(minutes=10)),
    ]


async def test_hours_that_had_ended_are_left_out(account: Connected) -> None:
    note_refusal(account.id, "clock", AT)
    await flush_notes()
    assert await refusals_since(account.id, HOUR + timedelta(hours=1)) == []
    assert len(await refusals_since(account.id, HOUR + timedelta(minutes=59))) == 1


async def test_counts_outlive_a_database_that_is_away(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise DatabaseBusy("away")

    note_refusal(account.id, "body", AT)
    with monkeypatch.context() as broken:
        broken.setattr(gathering, "connection", fail)
        await flush_notes()
    note_refusal(account.id, "body", AT)
    await flush_notes()
    assert [each.refused for each in await refusals_since(account.id, AT)] == [2]


async def test_the_background_writes_by_itself(account: Connected, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "EVERY_SECONDS", 0.0)
    note_refusal(account.id, "signature", AT)
    (writer,) = notes._writes.writers
    await writer
    assert await rows() == 1


async def test_a_count_for_a_connection_that_is_gone_harms_no_other(account: Connected) -> None:
    note_refusal(account.id + 1000, "signature", AT)
    note_refusal(account.id, "signature", AT)
    await flush_notes()
    assert [each.refused for each in await refusals_since(account.id, AT)] == [1]


async def test_counts_are_deleted_after_thirty_days(account: Connected) -> None:
    now = datetime.now(UTC)
    reasons: tuple[RefusalReason, ...] = ("signature", "clock")
    for reason, days in zip(reasons, (31, 29), strict=True):
        note_refusal(account.id, reason, now - timedelta(days=days))
    await flush_notes()
    async with transaction() as tx:
        await forget_refusals(tx.connection)
    assert [each.reason for each in await refusals_since(account.id, now - timedelta(days=60))] == ["clock"]


async def test_the_last_day_is_told_hour_by_hour(account: Connected) -> None:
    now = datetime.now(UTC)
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    for number, (hours, state) in enumerate(
        [(0, "processed"), (0, "received"), (3, "parked"), (3, "rejected"), (3, "ignored"), (24, "parked")]
    ):
        await store(account, f"evt_{number}", this_hour - timedelta(hours=hours), state)
    other = await connect_account(external_id="acct_other")
    await store(other, "evt_other", now, "parked")
    note_refusal(account.id, "signature", now)
    note_refusal(account.id, "clock", now)
    note_refusal(account.id, "clock", this_hour - timedelta(hours=23))
    note_refusal(account.id, "clock", this_hour - timedelta(hours=24))
    await flush_notes()
    day = await last_day(account.id)
    assert [hour.hour for hour in day.hours] == [this_hour - timedelta(hours=n) for n in range(23, -1, -1)]
    assert (day.accepted, day.failed, day.refused) == (5, 2, 3)
    figures = {23 - n: (h.accepted, h.failed, h.refused) for n, h in enumerate(day.hours)}
    assert (figures[0], figures[3], figures[23]) == ((2, 0, 2), (3, 2, 0), (0, 0, 1))
    assert figures[5] == (0, 0, 0)


async def store(account: Connected, event_id: str, at: datetime, state: str) -> None:
    async with transaction() as tx:
        await tx.connection.execute(
            """
            INSERT INTO webhook_event
                (account, mode, external_id, type, state, group_id, body, due_at, received_at)
            VALUES ($1, 'test', $2, 'invoice.paid', $4, 'in_1', '{}', $3, $3)
            """,
            account.id,
            event_id,
            at,
            state,
        )
