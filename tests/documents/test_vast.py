"""Documents with far more in them than anybody expects: every line of it stays on the paper."""

from __future__ import annotations

import struct
from dataclasses import replace
from decimal import Decimal

import pytest
from pypdf import PdfReader

from portal.documents.invoice_contents import invoice_contents
from portal.documents.parts import framed_logo
from portal.invoices.sums import DraftLine
from portal.money import Money
from tests.documents.papers import make_sheet, pdf_of


def outside(pdf: PdfReader) -> list[str]:
    """Texts that stand below their page's end."""
    found: list[str] = []
    for page in pdf.pages:

        def visit(text: str, _cm: list[float], tm: list[float], *_: object) -> None:
            if text.strip() and tm[5] < 0:
                found.append(text.strip())

        page.extract_text(visitor_text=visit)
    return found


def test_sums_of_very_many_rates_go_on_on_the_next_page() -> None:
    lines = [DraftLine("Part", 1, Money(100, "eur"), Decimal(19), f"Rate {at}") for at in range(100)]
    pdf = pdf_of("invoice", invoice_contents(make_sheet(*lines)))
    text = "\n".join(page.extract_text() for page in pdf.pages)
    places = {at: page for at, page in enumerate(pdf.pages) if "on €1.00" in page.extract_text()}
    assert len(places) > 1
    assert all(f"Rate {at} 19" in text for at in range(100))
    assert "Amount due" in pdf.pages[-1].extract_text()


def test_bank_details_of_very_many_lines_go_on_on_the_next_page() -> None:
    sheet = replace(make_sheet(), bank_details="\n".join(f"Row {at}" for at in range(60)))
    pdf = pdf_of("invoice", invoice_contents(sheet))
    assert outside(pdf) == []
    assert "Row 59" in pdf.pages[-1].extract_text()


@pytest.mark.parametrize(
    ("width", "height", "tall"),
    [(720, 288, 288), (720, 180, 180), (720, 20, 180), (720, 1, 180), (10, 40, 40)],
)
def test_very_wide_logo_gets_room_above_and_below_so_that_it_is_not_cut(
    width: int, height: int, tall: int
) -> None:
    framed = framed_logo(b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height))
    assert f'width="{width}" height="{tall}" viewBox="0 0 {width} {tall}"' in framed
    assert f'<image y="{(tall - height) // 2}" width="{width}" height="{height}"' in framed
