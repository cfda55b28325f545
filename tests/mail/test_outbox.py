"""The mail outbox: one message for one occasion, sent once, told of, and never lost."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from portal.audit.services import timeline
from portal.database.transaction import DatabaseBusy, connection, transaction
from portal.errors import Conflict, NotFound
from portal.mail import services
from portal.mail.claims import ClaimedMail
from portal.mail.letters import Letter
from portal.mail.rules import MAX_ATTEMPTS
from portal.mail.services import (
    Mail,
    NoLongerTrue,
    forget_addresses,
    queue_mail,
    release_due,
    retry_mail,
    send_mail,
)
from portal.settings import Settings
from tests.mail.sinks import Sink

SUBJECT = ("invoice", 17)
WORDS = "Dear Jo, canary-words"


async def queue(key: str = "hand:1", **changes: Any) -> int | None:
    """One message that waits."""
    mail = Mail(key, "invoice", SUBJECT, "test", "jo@example.com", WORDS, **changes)
    async with transaction() as tx:
        return await queue_mail(tx.connection, mail)


async def must_queue(key: str = "hand:1", **changes: Any) -> int:
    """One message that waits, which was not there before."""
    mail_id = await queue(key, **changes)
    assert mail_id is not None
    return mail_id


async def compose(mail: ClaimedMail) -> Letter:
    """What the room above would write."""
    return Letter("Invoice INV-1", f"{mail.words}\n\nThe end.", "Northwind")


async def row_of(mail_id: int) -> dict[str, Any]:
    """The row as it is."""
    async with connection() as held:
        row = await held.fetchrow("SELECT * FROM mail_message WHERE id = $1", mail_id)
    assert row
    return dict(row)


async def change(mail_id: int, what: str) -> None:
    """Let time pass, or another process do something."""
    async with transaction() as tx:
        await tx.connection.execute(f"UPDATE mail_message SET {what} WHERE id = $1", mail_id)  # noqa: S608 - constants


async def jobs_of(mail_id: int) -> int:
    """How often a worker was rung."""
    async with connection() as held:
        count: int = await held.fetchval(
            "SELECT count(*) FROM portal_job WHERE actor_name = 'portal.send_mail' AND args::text = $1",
            f"[{mail_id}]",
        )
    return count


async def said() -> list[tuple[str, str]]:
    """Action and sentence of every entry, the newest first."""
    return [(entry.action, entry.words) for entry in await timeline(*SUBJECT)]


@pytest.fixture
def server(database: None, with_server: Settings) -> Settings:
    """A mail server, and an empty database."""
    return with_server


async def test_one_occasion_is_one_message_however_often_it_comes(database: None) -> None:
    assert await queue() is not None
    assert await queue() is None
    assert await queue("hand:2") is not None


async def test_a_message_of_an_undone_change_is_never_sent(database: None) -> None:
    async with transaction() as tx:
        mail_id = await queue_mail(tx.connection, Mail("k", "invoice", SUBJECT, "test", "jo@example.com"))
        await tx.rollback()
    assert mail_id
    assert await jobs_of(mail_id) == 0
    await send_mail(mail_id, compose)
    assert await said() == []


async def test_a_message_is_sent_told_of_and_emptied(server: Settings, sink: Sink) -> None:
    mail_id = await must_queue()
    assert WORDS not in str(await row_of(mail_id)), "own words are sealed"
    assert await jobs_of(mail_id) == 1
    await send_mail(mail_id, compose)
    (message,) = sink.messages
    row = await row_of(mail_id)
    assert (row["state"], row["title"], row["sealed_body"]) == ("sent", "Invoice INV-1", "")
    assert (message["To"], message["Message-ID"]) == ("jo@example.com", row["message_id"])
    assert await said() == [("mail.sent", "Invoice to j•••@example.com: taken by the mail server.")]
    await send_mail(mail_id, compose)
    assert len(sink.bodies) == 1


async def test_workers_who_come_together_send_it_once(server: Settings, sink: Sink) -> None:
    mail_id = await must_queue()
    await asyncio.gather(*(send_mail(mail_id, compose) for _ in range(5)))
    assert len(sink.bodies) == 1


async def test_a_refused_message_fails_at_once_and_keeps_its_words(server: Settings, sink: Sink) -> None:
    sink.answers["RCPT"] = "550 No such user"
    mail_id = await must_queue()
    await send_mail(mail_id, compose)
    row = await row_of(mail_id)
    assert row["state"] == "failed"
    assert "550: No such user" in row["error"]
    assert (await said())[0][0] == "mail.failed"
    sink.answers.clear()
    async with transaction() as tx:
        assert await retry_mail(tx.connection, mail_id, SUBJECT) == "j•••@example.com"
    await send_mail(mail_id, compose)
    assert WORDS in sink.messages[0].get_body(("plain",)).get_content()  # type: ignore[union-attr]  # it is there


async def test_a_busy_server_is_asked_again_with_growing_waits(server: Settings, sink: Sink) -> None:
    sink.answers["RCPT"] = "450 Greylisted"
    mail_id = await must_queue()
    await send_mail(mail_id, compose)
    row = await row_of(mail_id)
    assert row["state"] == "waiting"
    assert row["due_at"] > datetime.now(UTC) + timedelta(seconds=15)
    assert await jobs_of(mail_id) == 2
    sink.answers.clear()
    await send_mail(mail_id, compose)
    assert not sink.bodies, "not before it is due"
    await change(mail_id, "due_at = now()")
    await send_mail(mail_id, compose)
    assert len(sink.bodies) == 1


@pytest.mark.parametrize(
    ("error", "state"), [(DatabaseBusy("Busy."), "waiting"), (NotFound("Gone."), "failed")]
)
async def test_what_is_busy_here_is_waited_for_and_what_is_wrong_fails(
    server: Settings, error: Exception, state: str
) -> None:
    async def cannot(_: ClaimedMail) -> Letter:
        raise error

    mail_id = await must_queue()
    await send_mail(mail_id, cannot)
    assert (await row_of(mail_id))["state"] == state


async def test_who_dies_of_a_message_again_and_again_is_not_sent_it_for_ever(
    server: Settings, sink: Sink
) -> None:
    mail_id = await must_queue()
    await change(mail_id, f"attempts = {MAX_ATTEMPTS}")
    await send_mail(mail_id, compose)
    assert not sink.bodies
    assert (await row_of(mail_id))["state"] == "failed"


async def test_nobody_is_asked_for_ever(server: Settings, sink: Sink) -> None:
    sink.answers["RCPT"] = "450 Greylisted"
    mail_id = await must_queue()
    await change(mail_id, f"attempts = {MAX_ATTEMPTS - 1}")
    await send_mail(mail_id, compose)
    row = await row_of(mail_id)
    assert row["state"] == "failed"
    assert f"{MAX_ATTEMPTS} times" in row["error"]


async def test_what_is_no_longer_true_is_dropped_with_the_reason(server: Settings, sink: Sink) -> None:
    async def paid_meanwhile(_: ClaimedMail) -> Letter:
        raise NoLongerTrue("The invoice was paid.")

    mail_id = await must_queue()
    await send_mail(mail_id, paid_meanwhile)
    row = await row_of(mail_id)
    assert (row["state"], row["sealed_body"], sink.bodies) == ("dropped", "", [])
    assert await said() == [("mail.dropped", "Invoice to j•••@example.com: not sent. The invoice was paid.")]


async def test_a_worker_that_dies_after_the_server_took_it_sends_the_same_message_again(
    server: Settings, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At least once: the receiver can tell by the Message-ID."""

    class Dead(BaseException):
        """As by kill -9."""

    def die(*_: object) -> None:
        raise Dead

    mail_id = await must_queue()
    with monkeypatch.context() as patched:
        patched.setattr(services, "reach", die)
        with pytest.raises(Dead):
            await send_mail(mail_id, compose)
    await send_mail(mail_id, compose)
    assert len(sink.bodies) == 1, "the lease of the dead one lasts"
    await change(mail_id, "lease_until = now() - interval '1 second', due_at = now() - interval '1 minute'")
    async with transaction() as tx:
        assert await release_due(tx.connection) == 1
    await send_mail(mail_id, compose)
    assert len({message["Message-ID"] for message in sink.messages}) == 1
    assert len(sink.bodies) == 2
    assert (await row_of(mail_id))["state"] == "sent"


async def test_a_worker_whose_lease_ended_writes_nothing_over_what_another_did(
    server: Settings, sink: Sink
) -> None:
    async def slow(mail: ClaimedMail) -> Letter:
        await change(mail.id, "attempts = attempts + 1, state = 'sent'")
        raise NoLongerTrue("Too late.")

    mail_id = await must_queue()
    await send_mail(mail_id, slow)
    assert (await row_of(mail_id))["state"] == "sent"
    assert await said() == []


async def test_mail_for_later_waits_for_its_time(server: Settings, sink: Sink) -> None:
    mail_id = await must_queue(due_at=datetime.now(UTC) + timedelta(hours=1))
    await send_mail(mail_id, compose)
    assert not sink.bodies
    assert await jobs_of(mail_id) == 0


async def test_without_a_server_the_timeline_names_the_file(database: None, mail_folder: Path) -> None:
    mail_id = await must_queue()
    await send_mail(mail_id, compose)
    ((action, words),) = await said()
    file = Path(words.partition("written to ")[2].rstrip("."))
    assert (action, file.parent) == ("mail.written", mail_folder)
    assert file.exists()


async def test_only_what_failed_and_is_about_this_can_be_tried_again(database: None) -> None:
    mail_id = await must_queue()
    for subject in (SUBJECT, ("invoice", 18)):
        async with transaction() as tx:
            with pytest.raises(Conflict):
                await retry_mail(tx.connection, mail_id, subject)
        await change(mail_id, "state = 'failed'")
    assert (await row_of(mail_id))["state"] == "failed"


async def test_an_erased_address_is_gone_and_what_waited_is_not_sent(server: Settings, sink: Sink) -> None:
    mail_id = await must_queue()
    async with transaction() as tx:
        await forget_addresses(tx.connection, "invoice", [17])
    await send_mail(mail_id, compose)
    row = await row_of(mail_id)
    assert (row["to_address"], row["sealed_body"], row["state"]) == ("", "", "dropped")
    assert not sink.bodies


async def test_own_words_open_for_their_own_message_alone(database: None, server: Settings) -> None:
    first, second = await must_queue(), await must_queue("hand:2")
    sealed = (await row_of(first))["sealed_body"]
    await change(second, f"sealed_body = '{sealed}'")
    await send_mail(second, compose)
    row = await row_of(second)
    assert row["state"] == "failed"
    assert WORDS not in row["error"]


async def test_nothing_that_a_server_said_of_a_forgotten_address_is_kept(
    database: None, server: Settings, sink: Sink
) -> None:
    mail_id = await must_queue()
    await change(mail_id, "state = 'failed', error = 'The mail server answered 550: Jo Weber has left'")
    async with transaction() as tx:
        await forget_addresses(tx.connection, "invoice", [17])
    assert (await row_of(mail_id))["error"] == ""
