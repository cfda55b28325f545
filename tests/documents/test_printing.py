"""The invoice page and the pay page on paper, as a browser prints them in dark colours."""

from __future__ import annotations

import io
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser
from pypdf import PdfReader

from portal.audit.services import SYSTEM
from portal.invoices import services
from portal.invoices.sums import Discount, DraftLine
from portal.money import Money
from tests.builders import connect_account, make_customer
from tests.documents.papers import words_of
from tests.visitors import Visitor
from tests.web.browser_pages import Answer, make_site, open_browser, open_page

pytestmark = pytest.mark.browser
LINE = "Work package {}: consulting on the new warehouse"
COLOURS = """
() => [...document.querySelectorAll('h1, h2, th, td, dd, p')].filter(e => e.checkVisibility())
    .map(e => getComputedStyle(e).color)
"""


async def ten_lines() -> int:
    """A final invoice with all that an invoice can have."""
    draft = services.DraftInvoice(
        customer_id=await make_customer(),
        currency="usd",
        due_date=date(2030, 12, 10),
        memo="Purchase order 4711",
        footer="Thank you.",
        lines=tuple(
            DraftLine(LINE.format(number), number, Money(12_500, "usd"), Decimal("8.875"), "Sales tax")
            for number in range(1, 11)
        ),
        discount=Discount(percent=Decimal(5)),
    )
    invoice_id = await services.create_draft(draft, actor=SYSTEM)
    await services.finalise(invoice_id, actor=SYSTEM)
    return invoice_id


async def printed(browser: Browser, html: str) -> tuple[PdfReader, set[str]]:
    """The paper, and the colours of its texts."""
    site = make_site()
    site.answers["/page"] = Answer(html)
    async with open_page(browser, site, "/page", theme="dark", scripts=False) as page:
        paper = PdfReader(io.BytesIO(await page.pdf(format="A4", print_background=True)))
        await page.emulate_media(media="print")
        return paper, set(await page.evaluate(COLOURS))


async def test_ten_lines_are_printed_black_on_white_on_one_page_without_navigation(owner: Visitor) -> None:
    await connect_account()
    invoice_id = await ten_lines()
    link = await services.pay_link(invoice_id)
    assert link is not None
    pages = [(await owner.get(path)).text for path in (f"/invoices/{invoice_id}", urlsplit(link).path)]
    async with open_browser() as browser:
        for html in pages:
            paper, colours = await printed(browser, html)
            (words,) = words_of(paper)
            assert all(LINE.format(number) in words for number in range(1, 11))
            assert "Sales tax 8.875 %" in words
            assert "Globex Trading" in words
            assert not {"Dashboard", "Sign out", "Timeline", "Pay invoice", "PDF"} & set(words.split())
            assert colours == {"rgb(0, 0, 0)"}
