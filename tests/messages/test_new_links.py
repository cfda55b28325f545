"""Who asks for a new pay link learns nothing; the customer gets one where the address is on file."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest

from portal.audit.services import SYSTEM
from portal.database.transaction import connection, transaction
from portal.invoices.links import regenerate_pay_link
from portal.invoices.services import pay_link
from portal.messages.new_links import MOST_A_DAY, renew_link
from portal.queue.jobs import read_message
from tests.builders import connect_account, make_invoice
from tests.messages.letters import rows, send_all, text_of
from tests.visitors import Visitor

TOKEN = re.compile(r'name="_csrf_token" value="[0-9a-f]+"')


async def path_of(invoice_id: int) -> str:
    """The path of its pay link."""
    return urlsplit(str(await pay_link(invoice_id))).path


async def expire() -> None:
    """Let every link expire."""
    async with transaction() as tx:
        await tx.connection.execute("UPDATE invoice SET pay_link_expires_at = now() - interval '1 day'")


async def work() -> None:
    """Let a worker do what it was rung for."""
    async with transaction() as tx:
        jobs = await tx.connection.fetch(
            "DELETE FROM portal_job WHERE actor_name = 'portal.renew_link' RETURNING *"
        )
    for job in jobs:
        await renew_link(*read_message(job).args)


@pytest.fixture
async def expired(visitor: Visitor) -> tuple[int, str]:
    """An open invoice whose pay link has expired, and the path of that link."""
    await connect_account()
    invoice_id = await make_invoice()
    path = await path_of(invoice_id)
    await expire()
    return invoice_id, path


async def test_the_expired_page_offers_a_new_link_which_comes_by_mail(
    visitor: Visitor, expired: tuple[int, str]
) -> None:
    invoice_id, path = expired
    page = await visitor.get(path)
    assert f'action="{path}/new-link"' in page.text
    answer = await visitor.post(f"{path}/new-link")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    await work()
    (message,) = await send_all()
    new = await path_of(invoice_id)
    assert new in text_of(message)
    assert message["To"] == "ap@globex.example"
    assert (await visitor.get(new)).status_code == 200
    assert (await visitor.get(path)).status_code == 404


async def test_every_token_is_answered_alike(visitor: Visitor, expired: tuple[int, str]) -> None:
    """Expired, replaced, unknown, odd: the same words, the same headers, the same work of the web process."""
    invoice_id, path = expired
    other = await make_invoice()
    valid = await path_of(other)
    replaced = await path_of(other)
    await regenerate_pay_link(other, SYSTEM)
    answers = set()
    for asked in (path, valid, replaced, "/pay/unknown", "/pay/%F0%9F%92%B8", f"/pay/{'x' * 4000}"):
        answer = await visitor.post(f"{asked}/new-link")
        names = tuple(sorted(set(answer.headers) - {"content-length"}))
        answers.add((answer.status_code, TOKEN.sub("", answer.text), names))
    assert len(answers) == 1
    async with connection() as held:
        count = await held.fetchval("SELECT count(*) FROM portal_job WHERE actor_name = 'portal.renew_link'")
    assert count == 6
    await work()
    assert [row["subject_id"] for row in await rows()] == [invoice_id]


@pytest.mark.parametrize(
    "otherwise",
    [
        "UPDATE invoice SET status = 'paid'",
        "UPDATE invoice SET status = 'void'",
        "UPDATE invoice SET pay_link_expires_at = now() + interval '1 day'",
        "UPDATE customer SET email = ''",
        "UPDATE customer SET erased_at = now()",
    ],
)
async def test_nobody_is_written_to_for_nothing(
    visitor: Visitor, expired: tuple[int, str], otherwise: str
) -> None:
    async with transaction() as tx:
        await tx.connection.execute(otherwise)
    await visitor.post(f"{expired[1]}/new-link")
    await work()
    assert await rows() == []


async def test_a_link_that_is_asked_for_twice_comes_once(visitor: Visitor, expired: tuple[int, str]) -> None:
    for _ in range(2):
        await visitor.post(f"{expired[1]}/new-link")
    await work()
    assert len(await rows()) == 1


async def test_an_address_gets_three_a_day_whichever_invoices_they_are_about(
    visitor: Visitor, expired: tuple[int, str]
) -> None:
    for _ in range(MOST_A_DAY + 1):
        path = await path_of(await make_invoice())
        await expire()
        await visitor.post(f"{path}/new-link")
        await work()
    assert len(await rows()) == MOST_A_DAY


async def test_who_asks_on_and_on_is_answered_alike_and_costs_no_work(
    visitor: Visitor, expired: tuple[int, str]
) -> None:
    answers = {(await visitor.post("/pay/unknown/new-link")).text for _ in range(12)}
    assert len({TOKEN.sub("", text) for text in answers}) == 1
    async with connection() as held:
        count = await held.fetchval("SELECT count(*) FROM portal_job WHERE actor_name = 'portal.renew_link'")
    assert count < 8


async def test_a_form_of_another_site_asks_for_nothing(visitor: Visitor, expired: tuple[int, str]) -> None:
    answer = await visitor.http.post(f"{expired[1]}/new-link", data={})
    assert answer.status_code == 403
    await work()
    assert await rows() == []
