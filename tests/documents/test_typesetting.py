"""The PDF itself: what can be read in it, page by page, and what making it may cost the process."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import subprocess
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import psutil
import pytest
import typst
from pypdf.generic import StreamObject

from portal.documents import child, typesetting
from portal.documents.child import HERE, LAYOUTS
from portal.documents.invoice_contents import invoice_contents
from portal.documents.receipt_contents import receipt_contents
from portal.documents.typesetting import DocumentsBusy, make_pdf, typeset
from portal.invoices.rules import InvoiceStatus
from portal.invoices.sums import Discount, DraftLine
from portal.money import Money
from tests.documents.papers import LINK, NOON, links_of, make_sheet, moved, pdf_of, words_of

ROW = re.compile(r"^\| ([\w.]+\.ttf) \|.*\| ([0-9a-f]{64}) \|$", re.MULTILINE)
MARKUP = (
    '#panic("x") *bold* _slanted_ $x^2$ `raw` ] [ } { \\ @ref <label> // gone /* too */ -- ~ -> "q" '
    '= h + e / t: #image("/etc/passwd") #eval("1+1") #import "@preview/x:1.0.0"'
)


def line(text: str, number: int = 1) -> DraftLine:
    return DraftLine(text, number, Money(12_345, "eur"), Decimal(19), "VAT")


def without_spaces(text: str) -> str:
    """A line may break after a sign."""
    return "".join(text.split())


@pytest.mark.parametrize(
    "text", [MARKUP, "Привет, Ελλάδα, Việt Nam", "ÄÖÜ ß € £ ½ × …"], ids=["markup", "scripts", "signs"]
)
def test_text_is_printed_as_it_was_typed(text: str) -> None:
    (page,) = words_of(pdf_of("invoice", invoice_contents(make_sheet(line(text), memo=text, footer=text))))
    assert without_spaces(page).count(without_spaces(text)) == 3


@pytest.mark.parametrize(
    "text", ["🎉 release", "日本語 한국어", "שלום עולם 12", "مرحبا", "\u202eevil", "\x00\x07 bell", "a\tb"]
)
def test_no_text_keeps_an_invoice_from_being_made(text: str) -> None:
    (page,) = words_of(pdf_of("invoice", invoice_contents(make_sheet(line(text), customer_name=text))))
    assert "€123.45" in page


def test_lines_of_an_address_stay_lines() -> None:
    pdf = pdf_of("invoice", invoice_contents(make_sheet()))
    assert "Torstraße 12\n10119 Berlin\nTax ID DE 123 456 789\n" in pdf.pages[0].extract_text()


def test_word_longer_than_its_column_is_broken_and_nothing_is_lost() -> None:
    word = "https://example.com/" + "W" * 400
    pdf = pdf_of("invoice", invoice_contents(make_sheet(line(word))))
    assert word in without_spaces(words_of(pdf)[0])
    longest = max(len(each) for each in pdf.pages[0].extract_text().splitlines())
    assert longest < 120


def test_hundred_lines_break_into_pages_with_their_head_and_number() -> None:
    many = [line(f"Consulting, part {number} of the work", number) for number in range(1, 101)]
    pages = words_of(pdf_of("invoice", invoice_contents(make_sheet(*many))))
    assert len(pages) > 2
    for number, page in enumerate(pages, 1):
        assert f"Page {number} of {len(pages)}" in page
        assert "Description Quantity Unit price Tax Amount" in page or number == len(pages)
    assert all("Northwind Studio Invoice INV-0043" in page for page in pages[1:])
    text = " ".join(pages)
    assert [text.count(f"part {number} of the work") for number in range(1, 101)] == [1] * 100
    assert pages[-1].count("Amount due €") == 1


def test_pay_link_can_be_clicked_while_it_can_be_paid() -> None:
    pdf = pdf_of("invoice", invoice_contents(make_sheet()))
    assert links_of(pdf) == {LINK}


def test_file_has_title_author_language_tags_and_the_invoices_time() -> None:
    pdf = pdf_of("invoice", invoice_contents(make_sheet()))
    assert pdf.metadata is not None
    assert pdf.metadata.title == "Invoice INV-0043 from Northwind Studio"
    assert pdf.metadata.author == "Northwind Studio"
    assert pdf.metadata.creation_date == NOON
    root = pdf.root_object
    assert str(root["/Lang"]) == "en"
    assert str(root["/MarkInfo"]) == "{'/Marked': True, '/Suspects': False}"
    standards = root["/Metadata"].get_object()
    assert isinstance(standards, StreamObject)
    assert b"<pdfuaid:part>1</pdfuaid:part>" in standards.get_data()


def test_receipt_lists_its_payments_and_what_they_were_for() -> None:
    paid = moved("payment", 57_120, "pi_1", method="Visa •••• 4242")
    sheet = make_sheet(status=InvoiceStatus.PAID, paid_at=NOON, payments=(paid,))
    (page,) = words_of(pdf_of("receipt", receipt_contents(sheet)))
    assert "26 November 2026 Payment Visa •••• 4242 pi_1 €571.20" in page
    assert "Brand guidelines" in page
    assert "PAID 26 November 2026" in page


@pytest.mark.parametrize("status", [InvoiceStatus.DRAFT, InvoiceStatus.VOID])
def test_draft_and_void_are_written_across_every_page(status: InvoiceStatus) -> None:
    many = [line(f"Part {number}") for number in range(60)]
    pages = words_of(pdf_of("invoice", invoice_contents(make_sheet(*many, status=status))))
    assert len(pages) > 1
    assert all(status.value.upper() in page for page in pages)


def test_equal_contents_give_equal_bytes() -> None:
    contents = json.dumps(invoice_contents(make_sheet()))
    first = make_pdf("invoice", 1_700_000_000, contents)
    make_pdf.cache_clear()
    assert make_pdf("invoice", 1_700_000_000, contents) == first
    assert make_pdf("invoice", 1_700_000_001, contents) != first


def test_layouts_reach_for_nothing_outside_and_run_nothing_from_data() -> None:
    for path in LAYOUTS.glob("*.typ"):
        source = path.read_text()
        assert re.findall(r"\b(?:eval|read|include|plugin)\b|@\w+/", source) == [], path.name
        assert set(re.findall(r'#import "([^"]+)"', source)) <= {"parts.typ"}


def test_fonts_are_what_their_authors_published() -> None:
    rows = dict(ROW.findall((HERE / "fonts" / "VENDOR.md").read_text()))
    assert {path.name for path in (HERE / "fonts").glob("*.ttf")} == set(rows)
    assert {name: hashlib.sha256((HERE / "fonts" / name).read_bytes()).hexdigest() for name in rows} == rows
    assert "SIL Open Font License" in (HERE / "fonts" / "LICENSE").read_text()


async def test_more_documents_than_can_wait_are_refused_and_pages_go_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    begun = threading.Semaphore(0)
    working: list[int] = []
    most: list[int] = []

    def slow(*_: object) -> bytes:
        working.append(1)
        most.append(len(working))
        begun.release()
        gate.wait(60)
        working.pop()
        return b"%PDF"

    monkeypatch.setattr(typesetting, "make_pdf", slow)
    asked = [asyncio.create_task(typeset("invoice", {}, at=NOON)) for _ in range(30)]
    await asyncio.sleep(0)
    refused = [task for task in asked if task.done()]
    for _ in range(typesetting.MOST_AT_ONCE):
        assert await asyncio.to_thread(begun.acquire, timeout=15)
    gate.set()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert len(refused) == 30 - typesetting.MOST_WAITING
    assert {type(task.exception()) for task in refused} == {DocumentsBusy}
    assert answers.count(b"%PDF") == typesetting.MOST_WAITING
    assert max(most) == typesetting.MOST_AT_ONCE


async def test_document_that_takes_too_long_is_given_up_and_its_place_is_free_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = threading.Event()
    monkeypatch.setattr(typesetting, "SECONDS", 0.001)
    monkeypatch.setattr(typesetting, "make_pdf", lambda *_: gate.wait(10))
    for _ in range(typesetting.MOST_WAITING + 1):
        with pytest.raises(DocumentsBusy, match="Too many documents"):
            await typeset("invoice", {}, at=NOON)
    gate.set()
    monkeypatch.undo()
    assert (await typeset("invoice", invoice_contents(make_sheet()), at=NOON)).startswith(b"%PDF")


def test_process_that_hangs_is_stopped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hanging = tmp_path / "hanging.py"
    hanging.write_text("import time; time.sleep(60)")
    monkeypatch.setattr(typesetting, "CHILD", hanging)
    monkeypatch.setattr(typesetting, "SECONDS", 0.5)
    with pytest.raises(subprocess.TimeoutExpired):
        make_pdf("invoice", 1, "{}")
    assert not [each for each in psutil.Process().children() if str(hanging) in each.cmdline()]


def test_process_knows_nothing_but_the_document(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    telling = tmp_path / "telling.py"
    telling.write_text("import os, sys\nprint(sorted(os.environ), sys.flags.isolated, sys.argv[1:])")
    monkeypatch.setattr(typesetting, "CHILD", telling)
    monkeypatch.setenv("PORTAL_KEYRING_FILE", "secret")
    told = make_pdf("invoice", 1, "{}").decode()
    assert "PORTAL" not in told
    assert "1 ['invoice', '1']" in told


def test_layout_cannot_read_what_lies_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "layouts").mkdir()
    (tmp_path / "secret.txt").write_text("hidden")
    (tmp_path / "layouts/nosy.typ").write_text('#read("../secret.txt")')
    monkeypatch.setattr(child, "LAYOUTS", tmp_path / "layouts")
    with pytest.raises(typst.TypstError):
        child.make_pdf("nosy", 1, "{}")


@pytest.mark.parametrize("currency", ["eur", "usd"])
def test_ten_lines_with_everything_around_them_fit_on_one_page(currency: str) -> None:
    ten = [line(f"Consulting, part {number} of the work", number) for number in range(1, 11)]
    full = make_sheet(*ten, mode="test", discount=Discount(percent=Decimal(5)), footer="Thank you.")
    sheet = replace(full, default_currency=currency, bank_details="First Bank\nACH 021\nAccount 123")
    (page,) = words_of(pdf_of("invoice", invoice_contents(sheet)))
    assert "Page 1 of 1" in page
