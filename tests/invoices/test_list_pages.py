"""The list of invoices as a browser meets it: its addresses, its filters in words, and the same as a file."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from html import unescape

import pytest

from portal.database.transaction import connection, transaction
from portal.invoices.exports import csv_lines
from portal.invoices.filters import InvoiceFilter, read_filter
from tests.builders import make_customer, make_invoice
from tests.invoices.test_list_walks import FRAME
from tests.visitors import Visitor

TABLE = {"hx_request": "true", "hx_request_type": "partial"}
CHIP = re.compile(r'<a class="p-pill mute" href="([^"]+)" aria-label="Drop the filter ([^"]+)">')


async def rows_of(wanted: InvoiceFilter, **sizes: int) -> list[list[str]]:
    text = "".join([part async for part in csv_lines(wanted, **sizes)])
    return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"))))


async def chips(visitor: Visitor, address: str) -> dict[str, str]:
    """Each active filter in words, with the address without it."""
    found = CHIP.findall((await visitor.get(address)).text)
    return {unescape(words): unescape(href) for href, words in found}


# ---- addresses


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("?q=&status=&min=&who=", "/invoices"),
        ("?q=inv&status=&sync=failed&min=&due_from=", "/invoices?q=inv&sync=failed"),
        ("?tab=open&q=&sort=-amount", "/invoices?tab=open&sort=-amount"),
        ("?min=12%2Cx&max=", "/invoices?currency=usd&min=12%2Cx"),
        ("?q=&who=glo", "/invoices?who=glo"),
    ],
)
async def test_a_form_sent_without_scripts_leads_to_the_address_without_its_empty_fields(
    owner: Visitor, sent: str, kept: str
) -> None:
    answer = await owner.get(f"/invoices{sent}")
    assert (answer.status_code, answer.headers["location"]) == (303, kept)
    assert (await owner.get(kept)).status_code == 200


async def test_a_filter_used_with_scripts_changes_the_address_and_sends_the_table_alone(
    owner: Visitor,
) -> None:
    answer = await owner.get("/invoices?q=inv&status=", hx_source="form#filters", **TABLE)
    assert answer.headers["hx-replace-url"] == "/invoices?q=inv"
    assert "<title>" not in answer.text


async def test_the_form_works_without_scripts(owner: Visitor) -> None:
    shown = (await owner.get("/invoices?tab=open&sort=-amount&q=inv")).text
    form = re.search(r'<form[^>]*action="/invoices"[^>]*>.*?</form>', shown, re.DOTALL)
    assert form
    for expected in (
        'name="tab" value="open"',
        'name="sort" value="-amount"',
        'type="submit"',
        'value="inv"',
    ):
        assert expected in form[0]


@pytest.mark.parametrize(
    ("address", "typed", "what_to_do"),
    [
        ("?min=12%2Cx", "12,x", "Enter an amount"),
        ("?max=1.005", "1.005", "at most 2 digits"),
        ("?due_from=31.12.2026", "31.12.2026", "Enter a date such as"),
        ("?created_to=2026-02-30", "2026-02-30", "Enter a date such as"),
    ],
)
async def test_a_value_that_cannot_be_read_filters_nothing_and_stays_beside_what_to_do(
    owner: Visitor, address: str, typed: str, what_to_do: str
) -> None:
    await make_invoice()
    shown = unescape((await owner.get(f"/invoices{address}")).text)
    assert "INV-0001" in shown
    assert f'value="{typed}"' in shown
    assert what_to_do in shown
    assert '<details class="p-more" open' in shown


@pytest.mark.parametrize(
    "address", ["?status=<b>", "?tab=x", "?sync=1", "?sort=;--", "?customer=x", "?currency=q"]
)
async def test_a_choice_that_does_not_exist_is_none(owner: Visitor, address: str) -> None:
    await make_invoice()
    answer = await owner.get(f"/invoices{address}")
    assert answer.status_code == 200
    assert "INV-0001" in answer.text
    assert await chips(owner, f"/invoices{address}") == {}


# ---- filters in words


async def test_each_filter_is_named_and_can_be_dropped_alone(owner: Visitor) -> None:
    customer = await make_customer("Globex Trading")
    address = (
        f"/invoices?tab=open&q=INV&status=partly_paid&sync=failed&customer={customer}&currency=usd&min=10"
        "&max=20&due_from=2026-11-01&due_to=2026-11-30"
    )
    found = await chips(owner, address)
    assert list(found) == [
        "Starts with “INV”",
        "Partly paid",
        "Sync: Failed",
        "Globex Trading",
        "Amount $10.00 to $20.00",
        "USD",
        "Due 1 Nov 2026 to 30 Nov 2026",
    ]
    assert "customer=" not in found["Globex Trading"]
    assert "min=10" in found["Globex Trading"]
    assert "min=" not in found["USD"], "an amount means nothing without its currency"
    assert "currency=usd" in found["Amount $10.00 to $20.00"]
    assert all("tab=open" in href for href in found.values())


async def test_nothing_found_offers_to_clear_the_filters_and_keeps_the_tab(owner: Visitor) -> None:
    await make_invoice()
    shown = (await owner.get("/invoices?tab=open&q=zz")).text
    assert "No invoices match" in shown
    assert 'href="/invoices?tab=open"' in shown


# ---- the same as a file


async def test_the_file_holds_what_the_list_shows_in_its_order(owner: Visitor) -> None:
    for amount in (300, 100, 200):
        await make_invoice(amount)
    answer = await owner.get("/invoices/export.csv?sort=amount&q=INV")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="invoices-')
    assert answer.headers["cache-control"] == "no-store"
    head, *rows = csv.reader(io.StringIO(answer.text.removeprefix("\ufeff")))
    assert head[:6] == ["Number", "Customer", "Status", "Currency", "Amount", "Amount due"]
    assert [row[4] for row in rows] == ["1.00", "2.00", "3.00"]
    assert rows[0][:4] == ["INV-0002", "Globex Trading", "Open", "USD"]
    assert rows[0][8:] == ["Not sent", "Live"]


async def test_the_file_goes_on_past_its_pages_and_ends_at_its_limit(owner: Visitor) -> None:
    for _ in range(3):
        await make_invoice()
    wanted = read_filter({"sort": "number"}, InvoiceFilter(FRAME.today))
    numbers = ["INV-0001", "INV-0002", "INV-0003"]
    assert [row[0] for row in (await rows_of(wanted, at_once=2))[1:]] == numbers
    assert [row[0] for row in (await rows_of(wanted, at_once=2, most=2))[1:]] == numbers[:2]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
@pytest.mark.parametrize("name", ["created_from", "created_to", "due_from", "due_to"])
def test_a_day_at_the_end_of_the_calendar_is_told_as_no_date(name: str, day: str) -> None:
    read = read_filter({name: day}, replace(FRAME, zone="Pacific/Auckland"))
    assert read.refused == {name: day}
    assert "Enter a date" in read.problems[name]
    assert read.narrows is False


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("x;=1+1;y", "x;'=1+1;y"),
        ("x; @SUM(A1)", "x;' @SUM(A1)"),
        ("x\t-1", "x\t'-1"),
        ("x\n+1", "x\n'+1"),
        ("＝1", "'＝1"),
        ("Smith; Jones - and = sons", "Smith; Jones - and = sons"),
    ],
)
async def test_nothing_within_a_name_is_calculated_either(owner: Visitor, name: str, kept: str) -> None:
    await make_invoice()
    async with transaction() as tx:
        await tx.connection.execute("UPDATE customer SET name = $1", name)
    [_, row] = await rows_of(InvoiceFilter(FRAME.today))
    assert row[1] == kept


@pytest.mark.parametrize("name", ['=HYPERLINK("http://a")', "+1", "-1", "@SUM(A1)", "\tx"])
async def test_a_spreadsheet_calculates_nothing_that_a_customer_is_called(owner: Visitor, name: str) -> None:
    await make_invoice()
    async with transaction(), connection() as held:
        await held.execute("UPDATE customer SET name = $1", name)
    assert (await rows_of(InvoiceFilter(FRAME.today)))[1][1] == f"'{name}"


async def test_nobody_reads_the_file_who_is_not_signed_in(visitor: Visitor) -> None:
    answer = await visitor.get("/invoices/export.csv")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/sign-in")
