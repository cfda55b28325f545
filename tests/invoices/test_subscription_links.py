"""An invoice that a subscription billed at the provider can be paid on our page, once it has a link."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from portal.audit.services import SYSTEM
from portal.contract.facts import InvoiceClosed
from portal.errors import Conflict
from portal.invoices.links import change_link_end, regenerate_pay_link
from portal.invoices.services import pay_link
from portal.messages.matters import link_of, read_matter
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import apply, rows
from tests.visitors import Visitor

HOSTED = "https://invoice.stripe.com/i/1"
KEY = re.compile(r'name="form_key" value="([^"]+)"')
SOON = datetime.now(UTC) + timedelta(days=3)


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


async def billed(account: Connected, subscription: str | None = "sub_1") -> int:
    """An open invoice that was made at the provider."""
    seen = make.invoice(subscription_external_id=subscription, hosted_url=HOSTED)
    await apply(account, seen)
    ((invoice_id,),) = await rows("SELECT id FROM invoice")
    return int(invoice_id)


async def test_a_link_is_made_shown_mailed_and_renewed(owner: Visitor, account: Connected) -> None:
    invoice_id = await billed(account)
    place = f"/invoices/{invoice_id}"
    assert await link_of((await read_matter(invoice_id)).invoice) == HOSTED
    question = (await owner.get(f"{place}/new-link")).text
    assert "Make pay link" in question
    assert "old link" not in question
    found = KEY.search(question)
    assert found
    await owner.post(f"{place}/new-link", {"form_key": found[1]})
    link = await pay_link(invoice_id)
    assert link
    page = (await owner.get(place)).text
    assert link in page
    assert "Pay link made." in page
    assert await link_of((await read_matter(invoice_id)).invoice) == link
    opened = await owner.get(urlsplit(link).path)
    assert (opened.status_code, opened.headers["x-pay-state"]) == (200, "ready")
    assert "$120.00" in opened.text
    await regenerate_pay_link(invoice_id, SYSTEM)
    assert (await owner.get(urlsplit(link).path)).status_code == 404
    await change_link_end(invoice_id, SOON, actor=SYSTEM)
    assert await rows("SELECT pay_link_expires_at FROM invoice") == [(SOON,)]


async def test_one_that_bills_no_subscription_is_paid_where_it_was_made(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await billed(account, None)
    with pytest.raises(Conflict, match="paid where it was made"):
        await regenerate_pay_link(invoice_id, SYSTEM)
    page = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "Make pay link" not in page
    assert HOSTED in page
    assert await rows("SELECT pay_token_hash FROM invoice") == [(None,)]


async def test_before_there_is_a_link_its_end_cannot_be_moved(account: Connected) -> None:
    invoice_id = await billed(account)
    with pytest.raises(Conflict, match="no pay link yet"):
        await change_link_end(invoice_id, SOON, actor=SYSTEM)


async def test_what_the_provider_voided_has_no_link(owner: Visitor, account: Connected) -> None:
    invoice_id = await billed(account)
    await apply(account, InvoiceClosed(invoice_id, "void", make.AT), invoice_id=invoice_id)
    with pytest.raises(Conflict):
        await regenerate_pay_link(invoice_id, SYSTEM)
    assert "Make pay link" not in (await owner.get(f"/invoices/{invoice_id}")).text
