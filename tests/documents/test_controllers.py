"""Downloads: who gets which file, and with which headers."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
import pytest
from pypdf import PdfReader

from portal.audit.services import Actor
from portal.audit.sources import Source
from portal.contract.facts import Mode, PaymentSucceeded
from portal.database.transaction import transaction
from portal.documents import controllers
from portal.documents.services import invoice_pdf, receipt_pdf
from portal.documents.typesetting import DocumentsBusy
from portal.errors import NotFound
from portal.invoices import services
from portal.invoices.facts import apply_invoice_facts
from portal.money import Money
from tests.builders import Connected, connect_account, make_invoice
from tests.documents.papers import links_of, words_of
from tests.visitors import Visitor

TOKEN = re.compile(r"/pay/[\w-]{43}/")
STRIPE = Actor("provider", "stripe", "Stripe")


@pytest.fixture
async def account(visitor: Visitor) -> Connected:
    return await connect_account()


async def run(query: str, *arguments: object) -> None:
    async with transaction() as tx:
        await tx.connection.execute(query, *arguments)


async def open_invoice() -> tuple[int, str]:
    """Its id, and the path of its pay link."""
    invoice_id = await make_invoice()
    link = await services.pay_link(invoice_id)
    assert link is not None
    return invoice_id, urlsplit(link).path


async def pay(account: Connected, invoice_id: int) -> None:
    fact = PaymentSucceeded(
        invoice_id, "pi_1", Money(48_000, "usd"), datetime.now(UTC), method="Visa •••• 4242"
    )
    async with transaction() as tx:
        await apply_invoice_facts(tx.connection, Source(account.id, Mode.TEST, STRIPE), invoice_id, [fact])


def opened(answer: httpx.Response) -> PdfReader:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
    return PdfReader(io.BytesIO(answer.content))


async def test_customer_downloads_the_invoice_of_the_link_with_its_code(
    visitor: Visitor, account: Connected
) -> None:
    await make_invoice(99_900)
    _, path = await open_invoice()
    pdf = opened(await visitor.get(f"{path}/invoice.pdf"))
    (page,) = words_of(pdf)
    assert "$480.00 due" in page
    assert "Invoice INV-0002" in page
    assert "Test mode" in page
    assert links_of(pdf) == {f"http://testserver.local{path}"}


async def test_files_are_kept_nowhere_and_run_nothing(visitor: Visitor, account: Connected) -> None:
    invoice_id, path = await open_invoice()
    await run("UPDATE invoice SET number = $2 WHERE id = $1", invoice_id, 'X/..\\"; ü\r\n7')
    headers = (await visitor.get(f"{path}/invoice.pdf")).headers
    assert headers["content-disposition"] == 'inline; filename="Invoice-X-7.pdf"'
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]


@pytest.mark.parametrize("name", ["invoice.pdf", "receipt.pdf"])
async def test_wrong_and_expired_links_are_answered_like_the_pay_page(
    visitor: Visitor, account: Connected, name: str
) -> None:
    invoice_id, path = await open_invoice()
    await run("UPDATE invoice SET pay_link_expires_at = now() WHERE id = $1", invoice_id)
    addresses = (f"{path}/{name}", f"/pay/{'w' * 43}/{name}", path)
    answers = [await visitor.get(address) for address in addresses]
    assert {(answer.status_code, answer.headers["x-pay-state"]) for answer in answers} == {(404, "expired")}
    told = {TOKEN.sub("/pay/TOKEN/", answer.text) for answer in answers}
    assert len(told) == 1


async def test_receipt_is_there_once_money_arrived(visitor: Visitor, account: Connected) -> None:
    invoice_id, path = await open_invoice()
    assert (await visitor.get(f"{path}/receipt.pdf")).status_code == 404
    await pay(account, invoice_id)
    await run("UPDATE invoice SET pay_link_expires_at = now() WHERE id = $1", invoice_id)
    (page,) = words_of(opened(await visitor.get(f"{path}/receipt.pdf")))
    assert "$480.00 received on" in page
    assert "Visa •••• 4242 pi_1 $480.00" in page
    paid = opened(await visitor.get(f"{path}/invoice.pdf"))
    assert "PAID" in words_of(paid)[0]
    assert links_of(paid) == set()


async def test_draft_is_no_document_for_customers_but_one_for_people_here(
    owner: Visitor, account: Connected
) -> None:
    invoice_id, path = await open_invoice()
    await run("UPDATE invoice SET status = 'draft' WHERE id = $1", invoice_id)
    assert (await owner.get(f"{path}/invoice.pdf")).status_code == 404
    assert "DRAFT" in words_of(opened(await owner.get(f"/invoices/{invoice_id}/invoice.pdf")))[0]


async def test_pay_token_is_no_way_to_the_documents_of_people_here(
    visitor: Visitor, account: Connected
) -> None:
    invoice_id, _ = await open_invoice()
    for name in ("invoice.pdf", "receipt.pdf"):
        answer = await visitor.get(f"/invoices/{invoice_id}/{name}")
        assert (answer.status_code, answer.headers["location"][:8]) == (303, "/sign-in")


async def test_viewer_downloads_both(viewer: Visitor) -> None:
    account = await connect_account()
    invoice_id, _ = await open_invoice()
    await pay(account, invoice_id)
    for name in ("invoice.pdf", "receipt.pdf"):
        opened(await viewer.get(f"/invoices/{invoice_id}/{name}"))


async def test_invoice_prints_what_the_company_and_the_customer_are(account: Connected) -> None:
    invoice_id, _ = await open_invoice()
    await run("UPDATE organisation SET tax_id = 'US-1', bank_details = 'IBAN 12', address = 'Pier 9'")
    await run("UPDATE customer SET tax_id = 'GB-2', address = 'Dock 4'")
    document = await invoice_pdf(invoice_id)
    (page,) = words_of(PdfReader(io.BytesIO(document.body)))
    for words in (
        "Pier 9 Tax ID US-1 billing@northwind.example",
        "Dock 4 Tax ID GB-2 a•••@globex.example",
        "IBAN 12",
    ):
        assert words in page


async def test_pages_lead_to_the_files_that_there_are(owner: Visitor, account: Connected) -> None:
    invoice_id, path = await open_invoice()
    ours, theirs = f"/invoices/{invoice_id}", path
    assert f'href="{ours}/invoice.pdf"' in (await owner.get(ours)).text
    assert f'href="{theirs}/invoice.pdf"' in (await owner.get(theirs)).text
    assert "receipt.pdf" not in (await owner.get(ours)).text + (await owner.get(theirs)).text
    await pay(account, invoice_id)
    assert f'href="{ours}/receipt.pdf"' in (await owner.get(ours)).text
    assert f'href="{theirs}/receipt.pdf"' in (await owner.get(theirs)).text


async def test_unknown_invoices_have_no_documents(account: Connected) -> None:
    for make in (invoice_pdf, receipt_pdf):
        with pytest.raises(NotFound):
            await make(4711)


async def test_customers_read_why_a_busy_portal_gives_no_file(
    visitor: Visitor, account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def busy(_: int) -> None:
        raise DocumentsBusy("Too many documents are being made just now.", hint="Try again in a minute.")

    _, path = await open_invoice()
    monkeypatch.setattr(controllers, "invoice_pdf", busy)
    answer = await visitor.get(f"{path}/invoice.pdf")
    assert (answer.status_code, "Try again in a minute." in answer.text) == (503, True)
