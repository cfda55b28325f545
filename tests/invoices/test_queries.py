"""The list of invoices: tabs that never overlap, search by what it starts with, pages without gaps."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from portal.audit.services import SYSTEM
from portal.database.transaction import transaction
from portal.errors import NotFound
from portal.invoices import services
from portal.invoices.details import find_invoice
from portal.invoices.filters import InvoiceFilter, Tab
from portal.invoices.queries import count_invoices, list_cursor, list_invoices
from portal.invoices.sums import DraftLine
from portal.money import Money
from portal.web.keysets import START
from tests.builders import connect_account, make_customer, make_invoice

TODAY = date(2026, 11, 23)
YESTERDAY = TODAY - timedelta(days=1)


async def make_state(status: str, due: date | None) -> int:
    """An invoice that stands like this, however it came there."""
    invoice_id = await make_invoice(final=status != "draft")
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE invoice SET status = $2, due_date = $3 WHERE id = $1", invoice_id, status, due
        )
    return invoice_id


async def ids(tab: Tab, search: str = "") -> list[int]:
    return [row.id for row in (await list_invoices(InvoiceFilter(TODAY, tab, search), START)).rows]


@pytest.fixture
async def states(database: None) -> dict[str, int]:
    await connect_account()
    return {
        "draft late": await make_state("draft", YESTERDAY),
        "open": await make_state("open", TODAY),
        "open for ever": await make_state("open", None),
        "open late": await make_state("open", YESTERDAY),
        "partly late": await make_state("partly_paid", YESTERDAY),
        "processing late": await make_state("processing", YESTERDAY),
        "paid late": await make_state("paid", YESTERDAY),
        "void": await make_state("void", YESTERDAY),
    }


@pytest.mark.parametrize(
    ("tab", "names"),
    [
        (Tab.DRAFT, ["draft late"]),
        (Tab.OPEN, ["open", "open for ever", "processing late"]),
        (Tab.PAST_DUE, ["open late", "partly late"]),
        (Tab.PAID, ["paid late"]),
        (Tab.VOID, ["void"]),
    ],
)
async def test_tab_shows_its_invoices_alone(states: dict[str, int], tab: Tab, names: list[str]) -> None:
    assert sorted(await ids(tab)) == sorted(states[name] for name in names)
    assert (await count_invoices(TODAY))[tab] == len(names)


async def test_nobody_is_late_on_the_due_date_itself(states: dict[str, int]) -> None:
    assert (await find_invoice(states["open"], today=TODAY)).shown_status == "open"
    assert (await find_invoice(states["open"], today=TODAY + timedelta(days=1))).shown_status == "past_due"


async def test_search_finds_number_name_and_address(database: None) -> None:
    await connect_account()
    globex, other = await make_invoice(), await make_customer("Initech", "bill@initech.example")
    draft = services.DraftInvoice(other, "usd", None, "", "", (DraftLine("X", 1, Money(100, "usd")),))
    initech = await services.create_draft(draft, actor=SYSTEM)
    assert await ids(Tab.ALL, "inv-0001") == [globex]
    assert await ids(Tab.ALL, "INIT") == [initech]
    assert await ids(Tab.ALL, "bill@") == [initech]
    assert await ids(Tab.OPEN, "init") == []
    assert await ids(Tab.ALL, "%v") == []
    assert len(await ids(Tab.ALL, "i")) == 2


async def test_pages_hold_every_invoice_once(database: None) -> None:
    await connect_account()
    made = [await make_invoice() for _ in range(5)]
    wanted = InvoiceFilter(TODAY)
    first = await list_invoices(wanted, START, size=2)
    second = await list_invoices(wanted, list_cursor(wanted, first.older), size=2)
    third = await list_invoices(wanted, list_cursor(wanted, second.older), size=2)
    assert [row.id for page in (first, second, third) for row in page.rows] == made[::-1]
    back = await list_invoices(wanted, list_cursor(wanted, third.newer), size=2)
    assert [row.id for row in back.rows] == [row.id for row in second.rows]
    assert third.older == ""


async def test_search_pages_like_the_list(database: None) -> None:
    await connect_account()
    made = [await make_invoice() for _ in range(3)]
    wanted = InvoiceFilter(TODAY, search="glob")
    first = await list_invoices(wanted, START, size=2)
    second = await list_invoices(wanted, list_cursor(wanted, first.older), size=2)
    assert [row.id for page in (first, second) for row in page.rows] == made[::-1]


async def test_detail_has_lines_in_order_and_sums(database: None) -> None:
    await connect_account()
    invoice = await find_invoice(await make_invoice(48_000), today=datetime.now(UTC).date())
    assert [line.description for line in invoice.lines] == ["Brand guidelines"]
    assert (invoice.total, invoice.amount_due) == (Money(48_000, "usd"), Money(48_000, "usd"))
    assert invoice.name == "INV-0001"


async def test_unknown_invoice_is_not_found(database: None) -> None:
    with pytest.raises(NotFound):
        await find_invoice(404, today=TODAY)
