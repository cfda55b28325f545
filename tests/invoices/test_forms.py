"""The invoice form: what is typed becomes a draft, or a sentence beside the field."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import InvalidInput
from portal.invoices.forms import (
    InvoiceInput,
    LineInput,
    blank_input,
    parse_input,
    preview,
    read_input,
    with_more_rows,
    with_one_row,
    without_row,
)
from portal.money import Money
from portal.web.forms import Form

LINE = LineInput("Design", "2", "480.00", "19")
GOOD = InvoiceInput(customer="7", currency="usd", due_date="2026-12-24", lines=(LINE, LineInput()))
WORDS = st.text(max_size=12)


def problems_of(given_input: InvoiceInput) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        parse_input(given_input)
    return refused.value.fields


def with_line(**changes: str) -> InvoiceInput:
    values = {"description": LINE.description, "quantity": "2", "unit": "480.00", "tax": "19", **changes}
    return replace(GOOD, lines=(LineInput(spare=False, **values),))


def test_typed_lines_become_a_draft_and_blank_ones_nothing() -> None:
    draft = parse_input(GOOD)
    assert (draft.customer_id, draft.due_date, len(draft.lines)) == (7, date(2026, 12, 24), 1)
    assert draft.lines[0].amount == Money(96_000, "usd")
    assert draft.lines[0].tax_rate == Decimal(19)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"description": ""}, "line-0-description"),
        ({"description": "x" * 501}, "line-0-description"),
        ({"quantity": ""}, "line-0-quantity"),
        ({"quantity": "0"}, "line-0-quantity"),
        ({"quantity": "1.5"}, "line-0-quantity"),
        ({"quantity": "²"}, "line-0-quantity"),
        ({"quantity": "9" * 400}, "line-0-quantity"),
        ({"unit": "12,x"}, "line-0-unit"),
        ({"unit": "-5"}, "line-0-unit"),
        ({"unit": "1.234"}, "line-0-unit"),
        ({"unit": "NaN"}, "line-0-unit"),
        ({"unit": "9" * 300}, "line-0-unit"),
        ({"tax": "-1"}, "line-0-tax"),
        ({"tax": "101"}, "line-0-tax"),
        ({"tax": "NaN"}, "line-0-tax"),
        ({"tax": "1e-9999"}, "line-0-tax"),
        ({"tax": "19.0001"}, "line-0-tax"),
    ],
)
def test_unreadable_line_names_its_field(change: dict[str, str], field: str) -> None:
    found = problems_of(with_line(**change))
    assert list(found) == [field]
    assert found[field].startswith("Line 1: ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"customer": ""}, "customer"),
        ({"customer": "1 OR 1"}, "customer"),
        ({"customer": "9" * 40}, "customer"),
        ({"currency": "xxx1"}, "currency"),
        ({"due_date": "24.12.2026"}, "due_date"),
        ({"due_date": "0001-01-01"}, "due_date"),
        ({"memo": "x" * 501}, "memo"),
        ({"lines": ()}, "line-0-description"),
        ({"lines": (replace(LINE, quantity="999999", unit="999999"),)}, "line-0-unit"),
    ],
)
def test_unreadable_head_names_its_field(change: dict[str, str], field: str) -> None:
    assert list(problems_of(replace(GOOD, **change))) == [field]  # type: ignore[arg-type]  # a table of cases


def test_amounts_follow_the_currency() -> None:
    yen = parse_input(replace(with_line(unit="500"), currency="jpy"))
    assert yen.lines[0].unit == Money(500, "jpy")
    assert list(problems_of(replace(with_line(unit="5.50"), currency="jpy"))) == ["line-0-unit"]


def test_preview_counts_what_can_be_read() -> None:
    shown = preview(replace(GOOD, lines=(LINE, replace(LINE, unit="abc"), LineInput())))
    assert shown.amounts == (Money(96_000, "usd"), None, None)
    assert shown.totals.total == Money(114_240, "usd")


def test_added_row_takes_the_last_tax_and_drops_spare_rows() -> None:
    started = blank_input("usd", date(2026, 12, 7))
    assert len(started.lines) == 5
    filled = replace(started, lines=(LINE, *started.lines[1:]))
    added = with_one_row(filled)
    assert added.lines == (LINE, LineInput(tax="19"))


def test_spare_row_that_was_filled_in_stays() -> None:
    spare = replace(LINE, description="Without scripts", spare=True)
    assert [line.description for line in with_one_row(replace(GOOD, lines=(LINE, spare))).lines] == [
        "Design",
        "Without scripts",
        "",
    ]


def test_removing_the_last_row_leaves_a_blank_one() -> None:
    assert without_row(replace(GOOD, lines=(LINE,)), 0).lines == (LineInput(),)


def test_rows_end_at_a_hundred() -> None:
    many = replace(GOOD, lines=(LINE,) * 99)
    assert len(with_more_rows(many).lines) == 100
    assert len(with_one_row(with_more_rows(many)).lines) == 100


def test_rows_come_in_order_and_gaps_are_closed() -> None:
    sent = Form({"line-7-description": ["B"], "line-2-description": [" A "], "line-x-unit": ["9"]})
    assert [line.description for line in read_input(sent).lines] == ["A", "B"]


@given(typed=st.fixed_dictionaries({"quantity": WORDS, "unit": WORDS, "tax": WORDS}), due=WORDS)
def test_no_text_breaks_the_form(typed: dict[str, str], due: str) -> None:
    nobody = replace(with_line(**typed), customer="", due_date=due)
    preview(nobody)
    assert all(words.endswith(".") for words in problems_of(nobody).values())
