"""A pay link that was replaced opens nothing."""

from __future__ import annotations

import asyncio
from datetime import date, datetime
from urllib.parse import urlsplit

import pytest

from portal.audit.services import SYSTEM, timeline
from portal.database.transaction import transaction
from portal.errors import Conflict
from portal.invoices.details import find_invoice
from portal.invoices.links import BY_MERCHANT, regenerate_pay_link
from portal.invoices.services import pay_link, void
from tests.builders import connect_account, make_invoice
from tests.visitors import Visitor


async def path_of(invoice_id: int) -> str:
    link = await pay_link(invoice_id)
    assert link
    return urlsplit(link).path


async def opened(invoice_id: int) -> tuple[int, datetime | None]:
    """How often the log tells of an opening, and when the last one was."""
    entries = [
        entry for entry in await timeline("invoice", invoice_id) if entry.action == "invoice.link_opened"
    ]
    return len(entries), (await find_invoice(invoice_id, today=date(2026, 1, 1))).pay_link_opened_at


async def test_a_new_link_works_and_the_old_one_opens_nothing(visitor: Visitor) -> None:
    await connect_account()
    invoice_id = await make_invoice()
    old = await path_of(invoice_id)
    await regenerate_pay_link(invoice_id, SYSTEM)
    new = await path_of(invoice_id)
    assert (await visitor.get(new)).status_code == 200
    assert (await visitor.get(old)).status_code == 404
    entry = next(e for e in await timeline("invoice", invoice_id) if e.action == "invoice.link_renewed")
    assert new.rpartition("/")[2] not in f"{entry.words}{entry.details}"


async def test_the_first_opening_stands_in_the_log_and_later_ones_only_change_the_time(
    visitor: Visitor,
) -> None:
    await connect_account()
    invoice_id = await make_invoice()
    path = await path_of(invoice_id)
    await visitor.get(f"{path}?{BY_MERCHANT}")
    assert await opened(invoice_id) == (0, None)
    await asyncio.gather(*(visitor.get(path) for _ in range(3)))
    count, first = await opened(invoice_id)
    await visitor.get(path)
    again, last = await opened(invoice_id)
    assert (count, again) == (1, 1)
    assert first is not None
    assert last is not None
    assert last > first
    await regenerate_pay_link(invoice_id, SYSTEM)
    assert (await opened(invoice_id))[1] is None


async def test_an_expired_link_gets_a_successor(visitor: Visitor) -> None:
    await connect_account()
    invoice_id = await make_invoice()
    async with transaction() as tx:
        await tx.connection.execute("UPDATE invoice SET pay_link_expires_at = now()")
    assert await pay_link(invoice_id) is None
    await regenerate_pay_link(invoice_id, SYSTEM)
    assert (await visitor.get(await path_of(invoice_id))).status_code == 200


@pytest.mark.parametrize("final", [True, False])
async def test_what_cannot_be_paid_gets_no_link(database: None, *, final: bool) -> None:
    await connect_account()
    invoice_id = await make_invoice(final=final)
    if final:
        await void(invoice_id, actor=SYSTEM)
    with pytest.raises(Conflict):
        await regenerate_pay_link(invoice_id, SYSTEM)
    assert await pay_link(invoice_id) is None
