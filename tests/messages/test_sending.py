"""Sending an invoice, a reminder or a receipt by hand."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portal.audit.services import SYSTEM, timeline
from portal.database.transaction import transaction
from portal.invoices.closing import OfflinePayment, record_offline_payment
from portal.invoices.services import pay_link, void
from portal.messages import controllers, services
from portal.money import Money
from tests.builders import connect_account, make_invoice
from tests.messages.letters import rows, send_all, text_of
from tests.visitors import Visitor

KEY = re.compile(r'name="form_key" value="([^"]+)"')
HTMX = {"hx_request": "true", "hx_request_type": "partial"}


@pytest.fixture
async def invoice_id(owner: Visitor) -> int:
    """An open invoice of a connection in test mode."""
    await connect_account()
    return await make_invoice()


async def form_of(visitor: Visitor, invoice_id: int, **changes: str) -> dict[str, str]:
    """The form as it is when the page is opened, with changes."""
    page = (await visitor.get(f"/invoices/{invoice_id}/send?kind={changes.get('kind', 'invoice')}")).text
    key = KEY.search(page)
    assert key
    given = {"form_key": key[1], "kind": "invoice", "to_address": "ap@globex.example", "words": ""}
    return {**given, "do": "send", **changes}


async def pay(invoice_id: int, amount_minor: int) -> None:
    """Money that came by bank transfer."""
    payment = OfflinePayment(Money(amount_minor, "usd"), "Bank transfer", "R1", datetime.now(UTC))
    await record_offline_payment(invoice_id, payment, actor=SYSTEM)


async def test_an_invoice_goes_out_with_its_link_its_words_and_its_pdf(
    owner: Visitor, invoice_id: int
) -> None:
    page = (await owner.get(f"/invoices/{invoice_id}/send")).text
    assert 'value="ap@globex.example"' in page
    form = await form_of(owner, invoice_id, words="Thank you for your order.\r\n<b>Ana</b>")
    answer = await owner.post(f"/invoices/{invoice_id}/send", form)
    assert answer.headers["location"] == f"/invoices/{invoice_id}"
    (message,) = await send_all()
    assert message["To"] == "ap@globex.example"
    text = text_of(message)
    assert str(await pay_link(invoice_id)) in text
    assert "Thank you for your order.\n<b>Ana</b>" in text
    html = message.get_body(("html",))
    assert html
    assert "&lt;b&gt;Ana" in html.get_content()
    (pdf,) = message.iter_attachments()
    assert pdf.get_content().startswith(b"%PDF-")


async def test_the_timeline_and_the_page_tell_of_it_without_the_address_or_the_link(
    owner: Visitor, invoice_id: int
) -> None:
    await owner.post(f"/invoices/{invoice_id}/send", await form_of(owner, invoice_id))
    assert "Waiting" in (await owner.get(f"/invoices/{invoice_id}")).text
    await send_all()
    entries = await timeline("invoice", invoice_id)
    assert [entry.action for entry in entries[:2]] == ["mail.written", "invoice.emailed"]
    assert entries[1].words == "Invoice sent to a•••@globex.example."
    token = str(await pay_link(invoice_id)).rpartition("/")[2]
    told = " ".join(f"{entry.words} {entry.details}" for entry in entries)
    assert token not in told
    assert "ap@globex" not in told
    shown = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "Send invoice again" in shown
    assert "a•••@globex.example" in shown


async def test_a_double_press_sends_one_message(owner: Visitor, invoice_id: int) -> None:
    form = await form_of(owner, invoice_id)
    for _ in range(2):
        assert (await owner.post(f"/invoices/{invoice_id}/send", form)).status_code == 303
    assert len(await rows()) == 1
    assert [entry.action for entry in await timeline("invoice", invoice_id)].count("invoice.emailed") == 1


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "a@b.example, c@d.example", "a@b.example\r\nBcc: e@f.example", "Jo <a@b.example>"],
)
async def test_a_wrong_address_is_named_and_nothing_typed_is_lost(
    owner: Visitor, invoice_id: int, address: str
) -> None:
    form = await form_of(owner, invoice_id, to_address=address, words="My own words")
    answer = await owner.post(f"/invoices/{invoice_id}/send", form)
    assert answer.status_code == 422
    assert "Enter an email address" in answer.text
    assert "My own words" in answer.text
    assert await rows() == []


async def test_the_preview_shows_what_will_be_sent_and_sends_nothing(owner: Visitor, invoice_id: int) -> None:
    form = await form_of(owner, invoice_id, words="Hi <i>there</i>", do="preview")
    answer = await owner.post(f"/invoices/{invoice_id}/send", form, **HTMX)
    assert "Hi &lt;i&gt;there&lt;/i&gt;" in answer.text
    assert "[Test] Invoice INV-0001 from Northwind Studio" in answer.text
    assert "<html" not in answer.text
    assert await rows() == []


async def test_a_reminder_and_a_receipt_can_be_sent_when_they_make_sense(
    owner: Visitor, invoice_id: int
) -> None:
    shown = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "Send reminder" in shown
    assert "Send receipt" not in shown
    await owner.post(f"/invoices/{invoice_id}/send", await form_of(owner, invoice_id, kind="reminder"))
    await pay(invoice_id, 48_000)
    shown = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "Send reminder" not in shown
    await owner.post(f"/invoices/{invoice_id}/send", await form_of(owner, invoice_id, kind="receipt"))
    (receipt,) = await send_all()
    assert receipt["Subject"] == "[Test] Receipt for invoice INV-0001"
    assert [row["state"] for row in await rows()] == ["dropped", "sent"], "nobody is reminded of what is paid"


async def test_a_receipt_for_nothing_is_refused_though_the_form_is_forged(
    owner: Visitor, invoice_id: int
) -> None:
    form = await form_of(owner, invoice_id)
    answer = await owner.post(f"/invoices/{invoice_id}/send", {**form, "kind": "receipt"})
    assert answer.status_code == 303
    assert await rows() == []


@pytest.mark.parametrize("final", [True, False])
async def test_drafts_and_void_invoices_are_not_sent(owner: Visitor, *, final: bool) -> None:
    await connect_account()
    invoice_id = await make_invoice(final=final)
    if final:
        await void(invoice_id, actor=SYSTEM)
    assert (await owner.get(f"/invoices/{invoice_id}/send")).status_code == 303
    form = {"form_key": "k" * 24, "kind": "invoice", "to_address": "a@b.example", "words": "", "do": "send"}
    assert (await owner.post(f"/invoices/{invoice_id}/send", form)).status_code == 303
    assert await rows() == []
    assert "Send invoice" not in (await owner.get(f"/invoices/{invoice_id}")).text


async def test_an_expired_link_is_made_anew_for_the_message(owner: Visitor, invoice_id: int) -> None:
    async with transaction() as tx:
        await tx.connection.execute("UPDATE invoice SET pay_link_expires_at = now()")
    await owner.post(f"/invoices/{invoice_id}/send", await form_of(owner, invoice_id))
    (message,) = await send_all()
    link = await pay_link(invoice_id)
    assert link
    assert link in text_of(message)


async def test_a_failed_message_can_be_tried_again_from_the_page(owner: Visitor, invoice_id: int) -> None:
    await owner.post(f"/invoices/{invoice_id}/send", await form_of(owner, invoice_id))
    (row,) = await rows()
    async with transaction() as tx:
        await tx.connection.execute("UPDATE mail_message SET state = 'failed', error = '550 No such user'")
    shown = (await owner.get(f"/invoices/{invoice_id}")).text
    assert "550 No such user" in shown
    answer = await owner.post(f"/invoices/{invoice_id}/mail/{row['id']}/retry")
    assert answer.status_code == 303
    assert len(await send_all()) == 1


async def test_who_may_only_read_sends_nothing_and_sees_no_reasons(viewer: Visitor, database: None) -> None:
    await connect_account()
    invoice_id = await make_invoice()
    form = {"form_key": "k" * 24, "kind": "invoice", "to_address": "a@b.example", "words": "", "do": "send"}
    assert (await viewer.get(f"/invoices/{invoice_id}/send")).status_code == 403
    for path in ("send", "mail/1/retry", "reminders"):
        assert (await viewer.post(f"/invoices/{invoice_id}/{path}", form)).status_code == 403
    assert (await viewer.get("/settings/finance/reminder-preview")).status_code == 403
    assert await rows() == []
    assert "Send invoice" not in (await viewer.get(f"/invoices/{invoice_id}")).text


async def test_production_without_a_mail_server_refuses_and_says_what_to_set(
    owner: Visitor, invoice_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = await form_of(owner, invoice_id)
    for room in (controllers, services):
        monkeypatch.setattr(room, "mail_ready", lambda _: False)
    page = await owner.get(f"/invoices/{invoice_id}/send")
    answer = await owner.post(f"/invoices/{invoice_id}/send", form)
    assert "PORTAL_SMTP_URL" in page.text
    assert 'value="send"' not in page.text
    assert answer.status_code == 303
    assert await rows() == []


async def test_reminders_of_one_invoice_can_be_paused(owner: Visitor, invoice_id: int) -> None:
    async with transaction() as tx:
        await tx.connection.execute("UPDATE organisation SET reminders_on = true")
    assert "Pause reminders" in (await owner.get(f"/invoices/{invoice_id}")).text
    await owner.post(f"/invoices/{invoice_id}/reminders", {"paused": "on"})
    await owner.post(f"/invoices/{invoice_id}/reminders", {"paused": "on"})
    assert "Let reminders go on" in (await owner.get(f"/invoices/{invoice_id}")).text
    entries = [entry.words for entry in await timeline("invoice", invoice_id)]
    assert entries.count("Reminders paused.") == 1


async def test_mail_files_lie_in_the_folder_that_the_page_names(owner: Visitor, invoice_id: int) -> None:
    page = (await owner.get(f"/invoices/{invoice_id}/send")).text
    await owner.post(f"/invoices/{invoice_id}/send", await form_of(owner, invoice_id))
    await send_all()
    words = (await timeline("invoice", invoice_id))[0].words
    assert str(Path(words.partition("written to ")[2]).parent) in page
