"""Reminders: the right day, once, and to nobody for whom they are in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from portal.contract.facts import Mode
from portal.database.transaction import transaction
from portal.finance.services import organisation
from portal.mail.services import send_mail
from portal.messages.composing import compose
from portal.messages.reminders import queue_reminders, reminder_preview
from tests.builders import connect_account, make_invoice
from tests.messages.letters import rows, send_all, text_of
from tests.visitors import Visitor

NOON = datetime.now(UTC).replace(hour=12, minute=0)
TODAY = NOON.date()


async def change(what: str, *values: object) -> None:
    """Have things be otherwise."""
    async with transaction() as tx:
        await tx.connection.execute(what, *values)


@pytest.fixture
async def invoice_id(database: None) -> int:
    """A live invoice that is due today."""
    return await issue(Mode.LIVE)


async def issue(mode: Mode) -> int:
    """An invoice of a month ago, due today; reminders go out 3 days before, on the day, and 10 days after."""
    await connect_account(mode=mode)
    invoice_id = await make_invoice()
    await change("UPDATE organisation SET reminders_on = true, reminder_days = '{-3,0,10}'")
    await change("UPDATE invoice SET due_date = $1, finalised_at = $2", TODAY, NOON - timedelta(days=30))
    return invoice_id


async def test_a_reminder_goes_out_on_its_day_once(invoice_id: int) -> None:
    await asyncio.gather(*(queue_reminders(NOON) for _ in range(3)))
    assert len(await rows()) == 1
    assert await queue_reminders(NOON + timedelta(days=1)) == 0
    (message,) = await send_all()
    assert message["Subject"] == "Reminder: invoice INV-0001 is due today"
    assert message["To"] == "ap@globex.example"
    assert [part.get_content()[:4] for part in message.iter_attachments()] == [b"%PDF"]


@pytest.mark.parametrize(
    ("due", "queued"),
    [
        (3, 1),
        (2, 1),
        (1, 1),
        (4, 0),
        (0, 1),
        (-1, 1),
        (-2, 1),
        (-3, 0),
        (-9, 0),
        (-10, 1),
        (-12, 1),
        (-13, 0),
    ],
)
async def test_days_count_from_the_due_date_and_are_made_up_for(
    invoice_id: int, due: int, queued: int
) -> None:
    """A worker that was away for two days sends what was missed; after that it is too late."""
    await change("UPDATE invoice SET due_date = $1", TODAY + timedelta(days=due))
    assert await queue_reminders(NOON) == queued


async def test_the_day_is_the_companys_own(invoice_id: int) -> None:
    await change("UPDATE organisation SET time_zone = 'Pacific/Kiritimati', reminder_days = '{0}'")
    late = datetime.combine(TODAY, datetime.min.time(), UTC) + timedelta(hours=20)
    await change("UPDATE invoice SET due_date = $1", TODAY + timedelta(days=1))
    assert await queue_reminders(late) == 1, "it is tomorrow morning there"


async def test_nobody_is_written_to_at_night(invoice_id: int) -> None:
    assert await queue_reminders(NOON.replace(hour=3)) == 0


@pytest.mark.parametrize(
    "otherwise",
    [
        "UPDATE invoice SET status = 'processing'",
        "UPDATE invoice SET status = 'paid'",
        "UPDATE invoice SET status = 'void'",
        "UPDATE invoice SET status = 'uncollectible'",
        "UPDATE invoice SET status = 'refunded'",
        "UPDATE invoice SET reminders_paused = true",
        "UPDATE invoice SET origin = 'provider'",
        "UPDATE customer SET erased_at = now()",
        "UPDATE customer SET email = ''",
        "UPDATE organisation SET reminders_on = false",
        "UPDATE organisation SET reminder_days = '{}'",
        "UPDATE invoice SET due_date = NULL",
        "UPDATE invoice SET finalised_at = now()",
        """INSERT INTO payment_attempt (invoice, account, mode, external_id, state, amount_minor, currency,
               occurred_at, recorded_at)
           SELECT id, account, mode, 'py_1', 'processing', 1, 'usd', now(), now() FROM invoice""",
        """INSERT INTO dispute (invoice, account, mode, external_id, amount_minor, currency, status, reason,
               withdrawn, opened_at, changed_at)
           SELECT id, account, mode, 'du_1', 1, 'usd', 'needs_response', '', true, now(), now()
           FROM invoice""",
    ],
)
async def test_nobody_is_reminded_in_vain(invoice_id: int, otherwise: str) -> None:
    await change(otherwise)
    assert await queue_reminders(NOON) == 0


@pytest.mark.parametrize(
    ("otherwise", "why"),
    [
        ("UPDATE invoice SET status = 'paid'", "paid"),
        ("UPDATE invoice SET status = 'processing'", "being paid"),
        ("UPDATE invoice SET status = 'uncollectible'", "uncollectible"),
        ("UPDATE invoice SET reminders_paused = true", "paused"),
        ("UPDATE organisation SET reminders_on = false", "switched off"),
        ("UPDATE customer SET erased_at = now()", "erased"),
    ],
)
async def test_what_changed_since_it_was_queued_drops_it(invoice_id: int, otherwise: str, why: str) -> None:
    assert await queue_reminders(NOON) == 1
    await change(otherwise)
    assert await send_all() == []
    (row,) = await rows()
    assert row["state"] == "dropped"
    assert why in row["error"]


async def test_test_invoices_are_reminded_of_into_files_alone(
    database: None, set_server: Callable[[], None]
) -> None:
    await issue(Mode.TEST)
    assert await queue_reminders(NOON) == 1
    await change("DELETE FROM mail_message")
    set_server()
    assert await queue_reminders(NOON) == 0


async def test_one_that_was_queued_before_a_server_came_is_not_sent_about_a_test(
    database: None, set_server: Callable[[], None]
) -> None:
    await issue(Mode.TEST)
    await queue_reminders(NOON)
    set_server()
    (row,) = await rows()
    await send_mail(row["id"], compose)
    assert (await rows())[0]["state"] == "dropped"


@pytest.mark.parametrize(
    ("day", "title"), [(-3, "due in 3 days"), (0, "due today"), (10, "10 days past due")]
)
async def test_a_preview_reads_as_the_reminder_will(database: None, day: int, title: str) -> None:
    await connect_account()
    letter = reminder_preview(
        await organisation(), day, note="Please name the number.", today=date(2026, 1, 31)
    )
    assert title in letter.title
    assert "Please name the number." in letter.text


async def test_the_page_shows_every_reminder_of_the_settings(owner: Visitor) -> None:
    await change("UPDATE organisation SET reminder_days = '{10,-3}', reminder_note = 'A <b>note</b>.'")
    page = (await owner.get("/settings/finance/reminder-preview")).text
    assert page.index("3 days before the due date") < page.index("10 days after the due date")
    assert "A &lt;b&gt;note&lt;/b&gt;." in page
    assert "switched off" in page


async def test_a_reminder_says_the_companys_note(invoice_id: int) -> None:
    await change("UPDATE organisation SET reminder_note = 'Please name the number.'")
    await queue_reminders(NOON)
    (message,) = await send_all()
    assert "Please name the number." in text_of(message)
