"""The invoice pages through the application, as a browser sees them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape

import pytest

from portal.audit.services import Actor
from portal.audit.sources import Source
from portal.contract.facts import Mode, PaymentFailed, PaymentSucceeded
from portal.database.transaction import connection, transaction
from portal.invoices.facts import apply_invoice_facts
from portal.money import Money
from tests.builders import Connected, connect_account, make_customer, make_invoice
from tests.visitors import Visitor

KEY = re.compile(r'name="form_key" value="([^"]+)"')
VERSION = re.compile(r'name="version" value="([^"]+)"')
STRIPE = Actor("provider", "stripe", "Stripe")
LINE = {
    "line-0-description": "Design <b>",
    "line-0-quantity": "2",
    "line-0-unit": "480.00",
    "line-0-tax": "19",
}
HTMX = {"hx_request": "true", "hx_request_type": "partial"}


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


async def new_form(visitor: Visitor, **changes: str) -> dict[str, str]:
    """A form that can be saved, with a key of its own."""
    found = KEY.search((await visitor.get("/invoices/new")).text)
    assert found
    customer = str(await make_customer())
    return {"form_key": found[1], "customer": customer, "currency": "usd", "do": "draft", **LINE, **changes}


async def value(query: str, *arguments: object) -> object:
    async with connection() as held:
        found: object = await held.fetchval(query, *arguments)
    return found


async def test_saved_draft_is_shown_with_its_sums(owner: Visitor, account: Connected) -> None:
    answer = await owner.post("/invoices/new", await new_form(owner))
    assert answer.status_code == 303
    shown = (await owner.get(answer.headers["location"])).text
    assert "Draft saved." in shown
    assert "$1,142.40" in shown
    assert "Design &lt;b&gt;" in shown
    assert "Finalise" in shown


async def test_double_press_makes_one_draft(owner: Visitor, account: Connected) -> None:
    form = await new_form(owner)
    places = {(await owner.post("/invoices/new", form)).headers["location"] for _ in range(2)}
    assert len(places) == 1
    assert await value("SELECT count(*) FROM invoice") == 1


async def test_save_and_finalise_twice_makes_one_open_invoice(owner: Visitor, account: Connected) -> None:
    form = await new_form(owner, do="finalise")
    first, second = [await owner.post("/invoices/new", form) for _ in range(2)]
    assert first.headers["location"] == second.headers["location"]
    assert "already" in (await owner.get(second.headers["location"])).text
    assert await value("SELECT string_agg(number, ',') FROM invoice") == "INV-0001"
    assert await value("SELECT count(*) FROM sync_task") == 1


async def test_refused_form_keeps_what_was_typed(owner: Visitor, account: Connected) -> None:
    form = await new_form(owner, customer="", **{"line-0-unit": "12,x"})
    answer = await owner.post("/invoices/new", form)
    assert answer.status_code == 422
    for expected in (
        'href="#customer"',
        'href="#line-0-unit"',
        'value="12,x"',
        "Design &lt;b&gt;",
        "<title>Error: New invoice",
        'aria-invalid="true"',
    ):
        assert expected in answer.text
    assert await value("SELECT count(*) FROM invoice") == 0


async def test_unknown_customer_is_refused_in_words(owner: Visitor, account: Connected) -> None:
    answer = await owner.post("/invoices/new", await new_form(owner, customer="404404"))
    assert answer.status_code == 422
    assert "Choose a customer." in answer.text


async def test_changed_line_gets_totals_alone(owner: Visitor, account: Connected) -> None:
    answer = await owner.post("/invoices/new", await new_form(owner, do="totals"), **HTMX)
    assert 'id="sums"' in answer.text
    assert "Total $1,142.40" in answer.text
    assert "<html" not in answer.text
    assert await value("SELECT count(*) FROM invoice") == 0


async def test_added_row_asks_for_the_focus(owner: Visitor, account: Connected) -> None:
    answer = await owner.post("/invoices/new", await new_form(owner, do="add"), **HTMX)
    assert re.search(r'id="line-1-description"[^>]* autofocus', answer.text)
    assert 'id="line-2-description"' not in answer.text


async def test_removed_row_gives_the_focus_to_the_next(owner: Visitor, account: Connected) -> None:
    second = {name.replace("0", "1", 1): text for name, text in LINE.items()} | {"line-1-description": "Next"}
    answer = await owner.post("/invoices/new", await new_form(owner, do="remove-0", **second), **HTMX)
    assert re.search(r'id="line-0-description"[^>]* value="Next"[^>]* autofocus', answer.text)


async def test_more_rows_come_without_scripts(owner: Visitor, account: Connected) -> None:
    answer = await owner.post("/invoices/new", await new_form(owner, do="more"))
    assert "<html" in answer.text
    assert 'id="line-5-description"' in answer.text
    assert "Design &lt;b&gt;" in answer.text


async def test_edit_of_a_stale_draft_answers_409(owner: Visitor, account: Connected) -> None:
    place = (await owner.post("/invoices/new", await new_form(owner))).headers["location"]
    found = VERSION.search((await owner.get(f"{place}/edit")).text)
    assert found
    form = await new_form(owner, version=found[1])
    assert (await owner.post(f"{place}/edit", form)).status_code == 303
    late = await owner.post(f"{place}/edit", {**form, "memo": "Mine"})
    assert late.status_code == 409
    assert "Somebody else changed this invoice." in late.text
    assert "Mine" in late.text


async def test_finalised_invoice_cannot_be_edited(owner: Visitor, account: Connected) -> None:
    invoice_id = await make_invoice()
    answer = await owner.get(f"/invoices/{invoice_id}/edit")
    assert answer.headers["location"] == f"/invoices/{invoice_id}"
    saved = await owner.post(f"/invoices/{invoice_id}/edit", await new_form(owner, version="2"))
    assert saved.status_code == 409
    assert await value("SELECT total_minor FROM invoice WHERE id = $1", invoice_id) == 48_000


async def test_finalised_page_has_the_pay_link_and_no_draft_actions(
    owner: Visitor, account: Connected
) -> None:
    page = (await owner.get(f"/invoices/{await make_invoice()}")).text
    assert re.search(r'id="pay-link" value="http://testserver.local/pay/[\w-]{43}"', page)
    assert "Waiting to send" in page
    assert "/finalise" not in page
    assert "/edit" not in page


async def test_second_finalise_says_so_and_shows_the_invoice(owner: Visitor, account: Connected) -> None:
    invoice_id = await make_invoice()
    answer = await owner.post(f"/invoices/{invoice_id}/finalise")
    assert answer.headers["location"] == f"/invoices/{invoice_id}"
    assert "finalised already" in (await owner.get(f"/invoices/{invoice_id}")).text


async def test_void_needs_the_typed_number(owner: Visitor, account: Connected) -> None:
    invoice_id = await make_invoice()
    refused = await owner.post(f"/invoices/{invoice_id}/void", {"confirmation": "INV-0002"})
    assert refused.status_code == 422
    assert "Type INV-0001 to confirm." in refused.text
    assert (
        await owner.post(f"/invoices/{invoice_id}/void", {"confirmation": " inv-0001 "})
    ).status_code == 303
    assert await value("SELECT status FROM invoice WHERE id = $1", invoice_id) == "void"
    again = await owner.post(f"/invoices/{invoice_id}/void", {"confirmation": "INV-0001"})
    assert again.status_code == 303
    assert 'href="/invoices/1/void"' not in (await owner.get(f"/invoices/{invoice_id}")).text


async def test_paid_invoice_shows_ledger_and_attempts_and_cannot_be_voided(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await make_paid(account)
    page = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "Visa ending 4242" in page
    assert "insufficient_funds" in page
    assert "Void invoice" not in page
    assert (await owner.get(f"/invoices/{invoice_id}/void")).status_code == 303


async def test_viewer_sees_neither_actions_nor_decline_reasons(
    viewer: Visitor, owner: Visitor, account: Connected
) -> None:
    page = (await viewer.get(f"/invoices/{await make_paid(account)}")).text
    assert "Visa ending 4242" in page
    assert "insufficient_funds" not in page
    assert "Not enough funds" not in page
    draft = await make_invoice(final=False)
    page = (await viewer.get(f"/invoices/{draft}")).text
    assert "/finalise" not in page
    assert f"/invoices/{draft}/edit" not in page
    assert (await viewer.get("/invoices/new")).status_code == 403
    assert (await viewer.post(f"/invoices/{draft}/finalise")).status_code == 403


async def test_failed_sync_shows_its_reason_and_can_be_retried(owner: Visitor, account: Connected) -> None:
    invoice_id = await make_invoice()
    async with transaction() as tx:
        await tx.connection.execute("UPDATE sync_task SET state = 'failed'")
        await tx.connection.execute(
            "UPDATE invoice SET sync_state = 'failed', sync_error = 'No such customer.'"
        )
    assert "No such customer." in (await owner.get(f"/invoices/{invoice_id}")).text
    await owner.post(f"/invoices/{invoice_id}/retry-sync")
    page = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "Trying again now." in page
    assert "Waiting to send" in page


async def test_list_says_what_to_do_when_nothing_matches(owner: Visitor, account: Connected) -> None:
    assert "No invoices yet" in (await owner.get("/invoices")).text
    await make_invoice()
    found = (await owner.get("/invoices?q=zzz&tab=paid")).text
    assert "No invoices match" in found
    assert 'href="/invoices"' in found


async def test_tabs_keep_the_search(owner: Visitor, account: Connected) -> None:
    await make_invoice()
    answer = await owner.get("/invoices?q=glob", **HTMX)
    assert 'href="/invoices?tab=paid&amp;q=glob"' in answer.text
    assert "<html" not in answer.text


@pytest.mark.parametrize("query", ["tab=nonsense", "page_at=%00", "q=%25%5C", "page_at=offffffffffffffff"])
async def test_strange_address_shows_the_list(owner: Visitor, account: Connected, query: str) -> None:
    assert (await owner.get(f"/invoices?{query}")).status_code == 200


async def make_paid(account: Connected) -> int:
    """An invoice with a failed attempt and a payment."""
    invoice_id = await make_invoice()
    now, amount = datetime.now(UTC), Money(48_000, "usd")
    failed = PaymentFailed(invoice_id, "pi_1", amount, now, "insufficient_funds", "Not enough funds.")
    paid = PaymentSucceeded(invoice_id, "pi_2", amount, now, method="Visa ending 4242", attempt_id="pi_2")
    async with transaction() as tx:
        source = Source(account.id, Mode.TEST, STRIPE)
        await apply_invoice_facts(tx.connection, source, invoice_id, [failed, paid])
        await source.write(tx.connection)
    return invoice_id


async def test_customers_failed_payment_is_told_as_theirs_and_as_free_of_charge(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await make_invoice(10_000)
    async with connection() as held:
        await held.execute("UPDATE invoice SET attempts = 1, collection_failure = 'Not enough funds.'")
    page = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "The customer's last payment failed: Not enough funds." in unescape(page)
    assert "No further attempt is planned" not in page
