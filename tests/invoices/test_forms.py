"""The invoice form: what is typed becomes a draft, or a sentence beside the field."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.errors import InvalidInput
from portal.invoices.forms import parse_input, preview, typed_problems
from portal.invoices.inputs import (
    InvoiceInput,
    LineInput,
    blank_input,
    read_input,
    with_more_rows,
    with_one_row,
    without_row,
)
from portal.invoices.sums import Discount
from portal.money import Money
from portal.web.forms import Form

LINE = LineInput("Design", "2", "480.00", "19")
GOOD = InvoiceInput(customer="7", currency="usd", due_date="2026-12-24", lines=(LINE, LineInput()))
TODAY = date(2026, 11, 26)
WORDS = st.text(max_size=12)


def problems_of(given_input: InvoiceInput) -> dict[str, str]:
    with pytest.raises(InvalidInput) as refused:
        parse_input(given_input, TODAY)
    return refused.value.fields


def with_line(**changes: str) -> InvoiceInput:
    values = {"description": LINE.description, "quantity": "2", "unit": "480.00", "tax": "19", **changes}
    return replace(GOOD, lines=(LineInput(spare=False, **values),))


def test_typed_lines_become_a_draft_and_blank_ones_nothing() -> None:
    draft = parse_input(GOOD, TODAY)
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
        ({"tax": "VAT"}, "line-0-tax"),
        ({"tax": "19 " + "x" * 61}, "line-0-tax"),
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
        ({"due_date": "24.12.2026", "terms": "date"}, "due_date"),
        ({"due_date": "", "terms": "date"}, "due_date"),
        ({"terms": "soon"}, "terms"),
        ({"terms": "366"}, "terms"),
        ({"terms": "9" * 400}, "terms"),
        ({"discount": "abc"}, "discount"),
        ({"discount": "101"}, "discount"),
        ({"discount": "-1"}, "discount"),
        ({"discount": "-1", "discount_kind": "amount"}, "discount"),
        ({"discount": "960.01", "discount_kind": "amount"}, "discount"),
        ({"discount": "1.001", "discount_kind": "amount"}, "discount"),
        ({"memo": "x" * 501}, "memo"),
        ({"lines": ()}, "line-0-description"),
        ({"lines": (replace(LINE, quantity="999999", unit="999999"),)}, "line-0-unit"),
    ],
)
def test_unreadable_head_names_its_field(change: dict[str, str], field: str) -> None:
    assert list(problems_of(replace(GOOD, **change))) == [field]  # type: ignore[arg-type]  # a table of cases


def test_amounts_follow_the_currency() -> None:
    yen = parse_input(replace(with_line(unit="500"), currency="jpy"), TODAY)
    assert yen.lines[0].unit == Money(500, "jpy")
    assert list(problems_of(replace(with_line(unit="5.50"), currency="jpy"))) == ["line-0-unit"]


def test_preview_counts_what_can_be_read() -> None:
    shown = preview(replace(GOOD, lines=(LINE, replace(LINE, unit="abc"), LineInput())), TODAY)
    assert shown.amounts == (Money(96_000, "usd"), None, None)
    assert shown.totals.total == Money(114_240, "usd")


@pytest.mark.parametrize(
    ("terms", "due_date", "due"),
    [
        ("0", "", TODAY),
        ("14", "", date(2026, 12, 10)),
        ("30", "2027-06-30", date(2026, 12, 26)),
        ("date", "2027-06-30", date(2027, 6, 30)),
        ("none", "2027-06-30", None),
        ("", "2027-06-30", date(2027, 6, 30)),
        ("", "", None),
    ],
)
def test_terms_say_when_it_is_due_and_a_date_counts_where_it_was_asked_for(
    terms: str, due_date: str, due: date | None
) -> None:
    given_input = replace(GOOD, terms=terms, due_date=due_date)
    assert parse_input(given_input, TODAY).due_date == preview(given_input, TODAY).due == due


@pytest.mark.parametrize(
    ("text", "kind", "discount"),
    [
        ("", "percent", None),
        ("0", "percent", None),
        ("0", "amount", None),
        ("10", "percent", Discount(percent=Decimal(10))),
        ("12,5 %", "percent", Discount(percent=Decimal("12.5"))),
        ("100", "percent", Discount(percent=Decimal(100))),
        ("10", "amount", Discount(amount=Money(1_000, "usd"))),
        ("960.00", "amount", Discount(amount=Money(96_000, "usd"))),
    ],
)
def test_discount_is_a_percentage_or_an_amount(text: str, kind: str, discount: Discount | None) -> None:
    given_input = replace(GOOD, discount=text, discount_kind=kind)
    assert parse_input(given_input, TODAY).discount == discount


@pytest.mark.parametrize(
    ("tax", "rate", "name"),
    [
        ("19", "19", ""),
        ("19 %", "19", ""),
        ("19%", "19", ""),
        ("19 VAT", "19", "VAT"),
        ("8.875 NY sales tax", "8.875", "NY sales tax"),
        ("0 Reverse charge", "0", "Reverse charge"),
        ("", "0", ""),
    ],
)
def test_tax_of_a_line_is_a_rate_and_its_name(tax: str, rate: str, name: str) -> None:
    (line,) = parse_input(with_line(tax=tax), TODAY).lines
    assert (line.tax_rate, line.tax_name) == (Decimal(rate), name)


def test_only_what_holds_something_is_judged_while_typing() -> None:
    half = replace(
        GOOD, customer="", due_date="", lines=(LineInput(description="Design"), replace(LINE, unit="12,x"))
    )
    assert list(typed_problems(half, TODAY)) == ["line-1-unit"]
    assert typed_problems(GOOD, TODAY) == {}


@pytest.mark.parametrize(
    ("unit", "currency", "words"), [("1.234", "kwd", "last digit"), ("10.50", "isk", "whole units")]
)
def test_steps_of_a_currency_are_told_while_typing(unit: str, currency: str, words: str) -> None:
    found = typed_problems(replace(with_line(unit=unit), currency=currency, customer=""), TODAY)
    assert words in found["line-0-unit"]


def test_added_row_takes_the_last_tax_and_drops_spare_rows() -> None:
    started = blank_input("usd", 14)
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
    preview(nobody, TODAY)
    assert all(words.endswith(".") for words in problems_of(nobody).values())
