"""Drafts: what is stored of them, how they become invoices, and what their pages show."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

import pytest
from asyncpg import RaiseError, UniqueViolationError

from portal.audit.services import SYSTEM, timeline
from portal.database.transaction import Connection, connection
from portal.errors import Conflict
from portal.invoices import services
from portal.invoices.details import InvoiceDetail, find_invoice
from portal.invoices.payable import payable_invoice
from portal.invoices.services import DraftInvoice
from portal.invoices.sums import Discount, DraftLine, TaxLine
from portal.money import Money
from tests.builders import Connected, connect_account, make_customer, make_invoice
from tests.visitors import Visitor

KEY = re.compile(r'/duplicate"[^>]*>.*?name="form_key" value="([^"]+)"', re.DOTALL)
TODAY = date(2026, 11, 26)


def usd(minor: int) -> Money:
    return Money(minor, "usd")


LINES = (
    DraftLine("Design", 1, usd(10_000), Decimal(20), "VAT"),
    DraftLine("Books", 1, usd(30_000), Decimal(5), "VAT"),
    DraftLine("Deposit", 1, usd(10_000)),
)
TENTH = Discount(percent=Decimal(10))


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


async def detail_of(invoice_id: int) -> InvoiceDetail:
    return await find_invoice(invoice_id, today=TODAY)


async def value(query: str, *arguments: object) -> object:
    async with connection() as held:
        found: object = await held.fetchval(query, *arguments)
    return found


@pytest.mark.parametrize(
    ("discount", "off", "percent"),
    [
        (TENTH, 5_000, Decimal(10)),
        (Discount(amount=usd(2_500)), 2_500, None),
        (None, 0, None),
    ],
)
async def test_discount_and_names_of_rates_are_kept(
    account: Connected, discount: Discount | None, off: int, percent: Decimal | None
) -> None:
    invoice = await detail_of(await make_invoice(final=False, lines=LINES, discount=discount))
    assert (invoice.discount, invoice.discount_percent) == (usd(off), percent)
    assert [line.tax_name for line in invoice.lines] == ["VAT", "VAT", ""]
    assert invoice.total == invoice.subtotal - invoice.discount + invoice.tax


async def test_stored_invoice_says_its_tax_by_rate(account: Connected) -> None:
    invoice = await detail_of(await make_invoice(lines=LINES, discount=TENTH))
    assert invoice.taxes == (
        TaxLine("VAT", Decimal(20), usd(9_000), usd(1_800)),
        TaxLine("VAT", Decimal(5), usd(27_000), usd(1_350)),
    )
    assert (invoice.tax, invoice.total) == (usd(3_150), usd(48_150))


async def test_discount_changes_with_the_draft(account: Connected) -> None:
    invoice_id = await make_invoice(final=False, lines=LINES, discount=TENTH)
    changed = DraftInvoice(await make_customer("B", "b@example.com"), "usd", None, "", "", LINES)
    await services.update_draft(invoice_id, changed, version=1, actor=SYSTEM)
    invoice = await detail_of(invoice_id)
    assert (invoice.discount, invoice.discount_percent, invoice.total) == (usd(0), None, usd(53_500))


async def test_log_says_what_an_edit_changed(account: Connected) -> None:
    invoice_id = await make_invoice(final=False, lines=LINES, discount=TENTH)
    customer = int(str(await value("SELECT customer FROM invoice")))
    changed = DraftInvoice(customer, "usd", TODAY, "For May", "", LINES)
    await services.update_draft(invoice_id, changed, version=1, actor=SYSTEM)
    edit, *_ = await timeline("invoice", invoice_id)
    assert edit.action == "invoice.edited"
    assert edit.details["total"] == {"before": "$481.50", "after": "$535.00"}
    assert edit.details["memo"] == {"before": "", "after": "For May"}
    assert set(edit.details) == {"total", "tax", "discount", "memo", "due_date"}


async def test_page_and_pay_page_show_discount_and_each_rate(owner: Visitor, account: Connected) -> None:
    invoice_id = await make_invoice(lines=LINES, discount=TENTH)
    link = await services.pay_link(invoice_id)
    assert link
    for place in (f"/invoices/{invoice_id}", urlsplit(link).path):
        shown = (await owner.get(place)).text.replace("\u00a0", " ")
        for part in ("Discount 10 %", "−$50.00", "VAT 20 %", "$18.00", "VAT 5 %", "$13.50", "$481.50"):
            assert part in shown, (place, part)


async def test_providers_learn_the_discount(account: Connected) -> None:
    payable = await payable_invoice(await make_invoice(lines=LINES, discount=TENTH))
    assert (payable.discount, payable.tax, payable.total) == (usd(5_000), usd(3_150), usd(48_150))


async def test_pay_link_works_as_many_days_as_the_settings_say(account: Connected) -> None:
    await value("UPDATE organisation SET pay_link_days = 7 RETURNING id")
    invoice = await detail_of(await make_invoice())
    assert invoice.pay_link_expires_at
    left = invoice.pay_link_expires_at - datetime.now(UTC)
    assert timedelta(days=6) < left <= timedelta(days=7)


async def test_new_drafts_begin_with_the_footer_of_the_settings(owner: Visitor, account: Connected) -> None:
    await value("UPDATE organisation SET footer = 'Thank you & goodbye' RETURNING id")
    assert "Thank you &amp; goodbye</textarea>" in (await owner.get("/invoices/new")).text


async def test_copy_has_lines_discount_texts_and_terms_but_a_day_of_its_own(account: Connected) -> None:
    original = await make_invoice(lines=LINES, discount=TENTH)
    await value(
        "UPDATE invoice SET memo = 'For May', footer = 'Thanks', finalised_at = '2026-10-01T12:00Z',"
        " due_date = '2026-10-31' WHERE id = $1 RETURNING id",
        original,
    )
    copy = await detail_of(await services.duplicate_invoice(original, today=TODAY, actor=SYSTEM))
    before = await detail_of(original)
    assert (copy.status, copy.number, copy.due_date) == ("draft", None, date(2026, 12, 26))
    for part in ("customer_id", "currency", "lines", "discount_percent", "taxes", "total", "memo", "footer"):
        assert getattr(copy, part) == getattr(before, part), part


async def test_copy_of_a_customer_who_was_merged_goes_to_the_one_who_stayed(account: Connected) -> None:
    original, other = await make_invoice(), await make_customer("Stays", "stays@example.com")
    await value(
        "UPDATE customer SET merged_into = $2 WHERE id = (SELECT customer FROM invoice WHERE id = $1)"
        " RETURNING id",
        original,
        other,
    )
    copy = await detail_of(await services.duplicate_invoice(original, today=TODAY, actor=SYSTEM))
    assert copy.customer_id == other


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("UPDATE invoice SET origin = 'provider' RETURNING id", "made at the provider"),
        ("UPDATE customer SET erased_at = now() RETURNING id", "erased"),
    ],
)
async def test_what_cannot_be_copied_says_why(account: Connected, change: str, words: str) -> None:
    original = await make_invoice()
    await value(change)
    with pytest.raises(Conflict, match=words):
        await services.duplicate_invoice(original, today=TODAY, actor=SYSTEM)


async def test_duplicate_button_makes_one_copy_however_often_it_is_pressed(
    owner: Visitor, account: Connected
) -> None:
    original = await make_invoice(lines=LINES)
    key = KEY.search((await owner.get(f"/invoices/{original}")).text)
    assert key
    answers = [await owner.post(f"/invoices/{original}/duplicate", {"form_key": key[1]}) for _ in range(2)]
    assert {answer.headers["location"] for answer in answers} == {f"/invoices/{original + 1}/edit"}
    assert await value("SELECT count(*) FROM invoice") == 2
    shown = (await owner.get(f"/invoices/{original + 1}/edit")).text
    assert "copy" in shown


async def test_viewer_cannot_duplicate(viewer: Visitor, owner: Visitor, account: Connected) -> None:
    original = await make_invoice()
    assert "/duplicate" not in (await viewer.get(f"/invoices/{original}")).text
    form = {"form_key": "k" * 24}
    assert (await viewer.post(f"/invoices/{original}/duplicate", form)).status_code == 403


@pytest.mark.parametrize(
    ("first", "then", "number"),
    [
        # Made of other parts, what is next would be a number that an invoice has already.
        (("INV-1", 1), ("INV-", 10_001), "INV-10003"),
        (("2026", 1), ("", 20_260_001), "20260003"),
    ],
)
async def test_number_that_an_earlier_prefix_made_is_passed_over(
    account: Connected, first: tuple[str, int], then: tuple[str, int], number: str
) -> None:
    await set_numbering(*first)
    await make_invoice()
    await make_invoice()
    draft = await make_invoice(final=False)
    await set_numbering(*then)
    assert await services.finalise(draft, actor=SYSTEM) == number
    after = await make_invoice()
    assert (await find_invoice(after, today=TODAY)).number == f"{number[:-1]}{int(number[-1]) + 1}"


async def set_numbering(prefix: str, number: int) -> None:
    """As the finance settings would, where numbers may go up alone."""
    async with connection() as held:
        await held.execute(
            "UPDATE organisation SET invoice_prefix = $1, "
            "next_invoice_number = greatest(next_invoice_number, $2)",
            prefix,
            number,
        )


async def test_numbers_have_neither_gaps_nor_twins_when_many_finalise_and_some_fail(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that took a number and then failed gives it back; nobody else sees it meanwhile."""
    drafts = [await make_invoice(final=False) for _ in range(30)]
    doomed = set(drafts[::3])

    async def queue(held: Connection, *, subject_id: int, **task: object) -> None:
        if subject_id in doomed:
            raise InterruptedError

    monkeypatch.setattr(services, "queue_task", queue)
    found = await asyncio.gather(
        *(services.finalise(draft, actor=SYSTEM) for draft in (*drafts, *drafts[::5])), return_exceptions=True
    )
    numbers = sorted(each for each in found if isinstance(each, str))
    assert numbers == [f"INV-{n:04d}" for n in range(1, 21)]
    assert await value("SELECT count(*) FROM invoice WHERE number IS NOT NULL") == 20
    assert await value("SELECT next_invoice_number FROM organisation") == 21
    monkeypatch.undo()
    late = await asyncio.gather(*(services.finalise(draft, actor=SYSTEM) for draft in doomed))
    assert sorted(late) == [f"INV-{n:04d}" for n in range(21, 31)]


async def test_numbers_go_up_in_the_order_in_which_they_were_committed(account: Connected) -> None:
    first = await services.finalise(await make_invoice(final=False), actor=SYSTEM)
    draft = await make_invoice(final=False)
    with pytest.raises(Conflict):
        await services.finalise(await make_invoice(), actor=SYSTEM)
    assert [first, await services.finalise(draft, actor=SYSTEM)] == ["INV-0001", "INV-0003"]


async def test_numbers_neither_go_back_nor_come_twice(account: Connected) -> None:
    await make_invoice()
    other = await make_invoice()
    with pytest.raises(RaiseError, match="cannot go back"):
        await value("UPDATE organisation SET next_invoice_number = 2 RETURNING id")
    with pytest.raises(UniqueViolationError):
        await value("UPDATE invoice SET number = 'INV-0001' WHERE id = $1 RETURNING id", other)
