"""A letter with a new pay link that does not arrive: the customer can ask again, and admins are told."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest

from portal.audit.services import SYSTEM, timeline
from portal.dashboard.queries import Period, read_attention
from portal.database.transaction import transaction
from portal.invoices.links import regenerate_pay_link
from portal.mail.services import send_mail
from portal.messages.composing import compose
from portal.messages.new_links import MOST_A_DAY
from portal.messages.services import try_again
from portal.settings import Settings
from tests.builders import connect_account, make_invoice
from tests.mail.sinks import Sink
from tests.messages.letters import rows, text_of
from tests.messages.test_new_links import expire, path_of, work
from tests.visitors import Visitor

NO_SUCH_USER = "550 No such user"
GREYLISTED = "450 Greylisted"


@pytest.fixture
async def old(visitor: Visitor, with_server: Settings) -> str:
    """The path of a link that has expired, of an invoice that is owed."""
    await connect_account()
    path = await path_of(await make_invoice())
    await expire()
    return path


async def ask(visitor: Visitor, path: str) -> None:
    """A customer asks, and a worker does what is to be done."""
    assert (await visitor.post(f"{path}/new-link")).status_code == 200
    await work()
    await deliver()


async def deliver() -> None:
    """A worker hands over what waits, however soon that is."""
    async with transaction() as tx:
        await tx.connection.execute("UPDATE mail_message SET due_at = now()")
    for row in await rows():
        await send_mail(row["id"], compose)


async def states() -> list[str]:
    return [row["state"] for row in await rows()]


async def invoice_of() -> int:
    return int((await rows())[0]["subject_id"])


async def unmailed() -> tuple[int, int]:
    """Failed and held up, as the dashboard counts them."""
    found = await read_attention("test", Period(datetime.now(UTC)))
    return found.unmailed, found.held_up


async def test_after_a_refused_letter_the_old_page_still_asks_and_the_next_letter_has_the_link(
    visitor: Visitor, old: str, sink: Sink
) -> None:
    sink.answers["RCPT"] = NO_SUCH_USER
    await ask(visitor, old)
    assert await states() == ["failed"]
    page = await visitor.get(old)
    assert page.status_code == 404
    assert f'action="{old}/new-link"' in page.text
    sink.answers.clear()
    await ask(visitor, old)
    assert await states() == ["failed", "sent"]
    works = await path_of(await invoice_of())
    (message,) = sink.messages
    assert works in text_of(message)
    assert (await visitor.get(works)).status_code == 200
    assert (await visitor.get(old)).status_code == 404


async def test_who_did_not_get_the_letter_asks_for_the_same_link_again_three_times_a_day_at_most(
    visitor: Visitor, old: str, sink: Sink
) -> None:
    for _ in range(MOST_A_DAY + 2):
        await ask(visitor, old)
    works = await path_of(await invoice_of())
    assert [works in text_of(message) for message in sink.messages] == [True] * MOST_A_DAY


async def test_while_a_letter_waits_another_is_not_written(visitor: Visitor, old: str, sink: Sink) -> None:
    sink.answers["RCPT"] = GREYLISTED
    for _ in range(2):
        await ask(visitor, old)
    assert await states() == ["waiting"]
    sink.answers.clear()
    await deliver()
    assert (await path_of(await invoice_of())) in text_of(sink.messages[0])


async def test_links_that_expired_one_after_the_other_all_ask_for_the_newest(
    visitor: Visitor, old: str, sink: Sink
) -> None:
    await ask(visitor, old)
    second = await path_of(await invoice_of())
    await expire()
    await ask(visitor, second)
    await ask(visitor, old)
    newest = await path_of(await invoice_of())
    assert len({old, second, newest}) == 3
    assert [newest in text_of(message) for message in sink.messages] == [False, True, True]


async def test_what_a_person_replaced_asks_for_nothing_nor_does_anything_before_it(
    visitor: Visitor, old: str, sink: Sink
) -> None:
    await ask(visitor, old)
    invoice_id = await invoice_of()
    current = await path_of(invoice_id)
    await regenerate_pay_link(invoice_id, SYSTEM)
    for dead in (old, current):
        await ask(visitor, dead)
    assert await states() == ["sent"]


async def test_a_link_that_works_asks_for_nothing_though_another_expired_before_it(
    visitor: Visitor, old: str, sink: Sink
) -> None:
    await ask(visitor, old)
    await ask(visitor, await path_of(await invoice_of()))
    assert await states() == ["sent"]


async def test_a_former_link_pays_nothing_and_shows_nothing(visitor: Visitor, old: str, sink: Sink) -> None:
    await ask(visitor, old)
    unknown = await visitor.get("/pay/unknown")
    for path in ("", "/card", "/return", "/invoice.pdf", "/receipt.pdf", "/live"):
        answer = await visitor.get(f"{old}{path}")
        assert answer.status_code == 404
        assert "Globex" not in answer.text
    assert (await visitor.get(old)).text.replace(old, "/pay/unknown") == unknown.text
    for path in ("start", "refresh"):
        assert (await visitor.post(f"{old}/{path}")).status_code == 404


async def test_the_timeline_tells_of_the_new_link_and_why_the_letter_failed(
    visitor: Visitor, old: str, sink: Sink
) -> None:
    sink.answers["RCPT"] = NO_SUCH_USER
    await ask(visitor, old)
    told = [entry.words for entry in await timeline("invoice", await invoice_of())]
    assert told[0].startswith("New pay link to a•••@globex.example: failed. The mail server")
    assert NO_SUCH_USER.removeprefix("550 ") in told[0]
    assert told[1] == "The pay link had expired: a new one was made."


async def test_the_dashboard_tells_of_a_failed_letter_until_one_arrived(
    visitor: Visitor, owner: Visitor, old: str, sink: Sink
) -> None:
    sink.answers["RCPT"] = NO_SUCH_USER
    await ask(visitor, old)
    (row,) = await rows()
    place = f"/invoices/{row['subject_id']}"
    assert f'<a href="{place}">1 email could not be delivered</a>' in (await owner.get("/")).text
    assert f'action="{place}/mail/{row["id"]}/retry"' in (await owner.get(place)).text
    sink.answers.clear()
    await ask(visitor, old)
    assert await states() == ["failed", "sent"]
    assert await unmailed() == (0, 0)


async def test_the_dashboard_tells_of_letters_that_a_server_does_not_take_for_a_while(
    visitor: Visitor, owner: Visitor, old: str, sink: Sink
) -> None:
    sink.answers["RCPT"] = GREYLISTED
    await ask(visitor, old)
    await deliver()
    assert await unmailed() == (0, 0), "a server may be busy for a moment"
    await deliver()
    assert await unmailed() == (0, 1)
    place = f"/invoices/{await invoice_of()}"
    assert (
        f'<a href="{place}">1 email is held up: the mail server does not take it</a>'
        in (await owner.get("/")).text
    )
    assert "450: Greylisted" in (await owner.get(place)).text
    sink.answers.clear()
    await deliver()
    assert await unmailed() == (0, 0)


async def test_an_admin_who_replaces_a_link_sends_it_again_where_the_letter_failed(
    owner: Visitor, old: str, sink: Sink
) -> None:
    sink.answers["RCPT"] = NO_SUCH_USER
    await ask(owner, old)
    (row,) = await rows()
    await regenerate_pay_link(row["subject_id"], SYSTEM)
    sink.answers.clear()
    await try_again(row["subject_id"], row["id"], actor=SYSTEM)
    await deliver()
    (message,) = sink.messages
    assert (await path_of(row["subject_id"])) in text_of(message)
    assert urlsplit(old).path not in text_of(message)
