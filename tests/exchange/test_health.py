"""Alarms come with their cause, in words with a way out, are logged once, and end by themselves."""

from __future__ import annotations

import logging

import pytest

from portal.database.transaction import connection, transaction
from portal.exchange.health import health_of, watch_all
from portal.exchange.rules import Alarm, Vitals, alarms_of
from tests.builders import connect_account, make_invoice
from tests.visitors import Visitor

REFUSED = """
INSERT INTO delivery_refusal (account, hour, reason, refused, last_at)
VALUES ($1, date_trunc('hour', now(), 'UTC'), 'signature', $2, now())
"""


@pytest.mark.parametrize(
    ("vitals", "code", "words"),
    [
        (Vitals(parked_lately=3), "parked", "3 webhook events of the last hour"),
        (Vitals(refused_in_a_row=5), "refused", "last 5 webhook deliveries were refused"),
        (Vitals(lag_seconds=121), "late", "waited for 2 minutes"),
        (Vitals(unknown_seconds=7_300, unknown=2), "unknown", "For 2 hours"),
        (Vitals(silent_hours=49), "silent", "for 2 days"),
        (Vitals(slowed_down=20), "slowed", "20 times"),
    ],
)
def test_each_alarm_has_its_cause_in_words_and_a_way_out(vitals: Vitals, code: str, words: str) -> None:
    (alarm,) = alarms_of(vitals)
    assert alarm.code == code
    assert words in alarm.words
    assert len(alarm.advice) > 40


@pytest.mark.parametrize(
    "vitals",
    [
        Vitals(),
        Vitals(parked_lately=2),
        Vitals(refused_in_a_row=4),
        Vitals(lag_seconds=120),
        Vitals(unknown_seconds=3_600, unknown=1),
        Vitals(slowed_down=19),
    ],
)
def test_below_its_limit_there_is_no_alarm(vitals: Vitals) -> None:
    assert alarms_of(vitals) == []


def test_several_causes_are_all_told() -> None:
    assert [alarm.code for alarm in alarms_of(Vitals(lag_seconds=900, parked_lately=4))] == ["parked", "late"]


async def alarms(account_id: int) -> list[Alarm]:
    return list((await health_of(account_id)).alarms)


async def test_an_alarm_is_logged_once_shown_on_both_pages_and_cleared_by_an_accepted_event(
    owner: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    account = await connect_account()
    await make_invoice()
    async with connection() as held:
        await held.execute(REFUSED, account.id, 6)
    caplog.set_level(logging.INFO, logger="portal.health")

    for _ in range(2):
        async with transaction() as tx:
            await watch_all(tx.connection)
    told = [record.getMessage() for record in caplog.records if record.name == "portal.health"]
    assert len(told) == 1
    assert "no signing secret fits" in told[0]
    for path in ("/", "/settings/connected-accounts/stripe"):
        assert "The last 6 webhook deliveries were refused" in (await owner.get(path)).text

    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE connected_account SET secret_used_at = now() + interval '1 second' WHERE id = $1",
            account.id,
        )
        await watch_all(tx.connection)
    assert await alarms(account.id) == []
    assert "deliveries were refused" not in (await owner.get("/")).text


async def test_an_event_that_waits_too_long_raises_an_alarm(database: None) -> None:
    account = await connect_account()
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO webhook_event (id, account, mode, external_id, type, body, due_at, received_at)
            SELECT new_webhook_event_id(), $1, 'test', 'evt_late', 'invoice.paid', '', was, was
            FROM (SELECT now() - interval '3 min' AS was) AS earlier
            """,
            account.id,
        )
    assert [alarm.code for alarm in await alarms(account.id)] == ["late"]
    assert 170 < (await health_of(account.id)).lag_seconds < 240
