"""The invoice form, judged: what is typed becomes a draft, or a sentence beside its field. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from portal.errors import InvalidInput
from portal.invoices.drafts import DraftInvoice
from portal.invoices.inputs import AMOUNT, NO_DUE_DATE, ON_A_DATE, InvoiceInput, LineInput
from portal.invoices.sums import Discount, DraftLine, Totals, discount_title, totals
from portal.money import Money, MoneyError, example_amount, is_currency, parse_money, total
from portal.web.forms import Problems

LARGEST_QUANTITY = 999_999
LARGEST_TOTAL = 99_999_999
LONGEST_TEXT = 500
LONGEST_NAME = 60
LONGEST_TERMS = 365


@dataclass(frozen=True, slots=True)
class Preview:
    """What the typed lines come to. A line that cannot be read counts nothing and shows no amount."""

    amounts: tuple[Money | None, ...]
    totals: Totals
    discount_title: str
    due: date | None


def preview(given: InvoiceInput, today: date) -> Preview:
    """Add up what can be read so far. An unknown currency counts as US dollars: nothing is stored."""
    currency = given.currency if is_currency(given.currency) else "usd"
    read = [_try_line(line, currency) for line in given.lines]
    lines = [line for line in read if line]
    discount = _read_discount(given, lines, currency, Problems())
    return Preview(
        amounts=tuple(line.amount if line else None for line in read),
        totals=totals(lines, currency, discount),
        discount_title=discount_title(discount.percent if discount else None),
        due=_read_due(given, today, Problems()),
    )


def parse_input(given: InvoiceInput, today: date) -> DraftInvoice:
    """What the form says, ready to be stored. Terms count from `today`.

    Raises:
        InvalidInput: with what to do, field by field (`line-0-unit` for the first line's price).
    """
    problems = Problems()
    customer = _read_customer(given, problems)
    currency = given.currency if is_currency(given.currency) else ""
    problems.add("currency", None if currency else "Choose a currency.")
    due = _read_due(given, today, problems)
    _check_length(given, problems)
    lines = _read_lines(given, currency or "usd", problems)
    discount = _read_discount(given, lines, currency or "usd", problems)
    if not problems.fields and totals(lines, currency, discount).total.amount_minor > LARGEST_TOTAL:
        largest = Money(LARGEST_TOTAL, currency).format()
        problems.add(
            "line-0-unit", f"The total is more than {largest}, which is the most an invoice can ask for."
        )
    problems.raise_if_any()
    return DraftInvoice(
        customer_id=customer,
        currency=currency,
        due_date=due,
        memo=given.memo,
        footer=given.footer,
        lines=tuple(lines),
        discount=discount,
    )


def typed_problems(given: InvoiceInput, today: date) -> dict[str, str]:
    """What is wrong with fields that hold something: shown while others are still to be filled in."""
    try:
        parse_input(given, today)
    except InvalidInput as refused:
        typed = _typed_fields(given)
        return {name: words for name, words in refused.fields.items() if name in typed}
    return {}


def _typed_fields(given: InvoiceInput) -> set[str]:
    fields = {name for name in ("due_date", "discount", "memo", "footer") if getattr(given, name)}
    for index, line in enumerate(given.lines):
        typed = ("description", "quantity", "unit", "tax")
        fields |= {f"line-{index}-{name}" for name in typed if getattr(line, name)}
    return fields


def _read_customer(given: InvoiceInput, problems: Problems) -> int:
    if given.customer.isascii() and given.customer.isdecimal() and len(given.customer) < 19:
        return int(given.customer)
    problems.add("customer", "Choose a customer.")
    return 0


def _read_due(given: InvoiceInput, today: date, problems: Problems) -> date | None:
    if given.terms == NO_DUE_DATE:
        return None
    if given.terms in ("", ON_A_DATE):
        problems.add("due_date", "Enter the due date." if given.terms and not given.due_date else None)
        return _read_date(given.due_date, problems) if given.due_date else None
    days = given.terms if given.terms.isascii() and given.terms.isdecimal() else ""
    if not days or int(days[:5]) > LONGEST_TERMS:
        problems.add("terms", "Choose when the invoice is due.")
        return None
    return today + timedelta(days=int(days[:5]))


def _read_date(text: str, problems: Problems) -> date | None:
    try:
        due = date.fromisoformat(text)
    except ValueError:
        problems.add("due_date", "Enter the due date as year, month, day, for example 2026-12-24.")
        return None
    if not 2000 <= due.year <= 2100:
        problems.add("due_date", "Enter a due date between 2000 and 2100.")
    return due


def _check_length(given: InvoiceInput, problems: Problems) -> None:
    for name in ("memo", "footer"):
        if len(getattr(given, name)) > LONGEST_TEXT:
            problems.add(name, f"Use at most {LONGEST_TEXT} characters.")


def _read_discount(
    given: InvoiceInput, lines: list[DraftLine], currency: str, problems: Problems
) -> Discount | None:
    if not given.discount:
        return None
    if given.discount_kind != AMOUNT:
        percent = _percentage(given.discount)
        if percent is None:
            problems.add("discount", "Enter the discount in percent from 0 to 100, for example 10.")
        return Discount(percent=percent) if percent else None
    return _read_amount_off(given.discount, total([line.amount for line in lines], currency), problems)


def _read_amount_off(text: str, most: Money, problems: Problems) -> Discount | None:
    try:
        amount = parse_money(text, most.currency)
    except MoneyError as error:
        problems.add("discount", str(error))
        return None
    if amount.amount_minor < 0:
        problems.add("discount", "Enter a discount of 0 or more.")
    if amount.amount_minor > most.amount_minor:
        problems.add("discount", f"The discount is more than the lines come to, {most.format()}.")
    return Discount(amount=amount) if amount.amount_minor > 0 else None


def _read_lines(given: InvoiceInput, currency: str, problems: Problems) -> list[DraftLine]:
    lines = []
    for index, line in enumerate(given.lines):
        if line.blank:
            continue
        wrong = Problems()
        read = _read_line(line, currency, wrong)
        for name, what_to_do in wrong.fields.items():
            problems.add(f"line-{index}-{name}", f"Line {index + 1}: {what_to_do}")
        if read:
            lines.append(read)
    if not lines and not problems.fields:
        problems.add("line-0-description", "Add at least one line with a description and a price.")
    return lines


def _read_line(line: LineInput, currency: str, problems: Problems) -> DraftLine | None:
    if not line.description:
        problems.add("description", "describe what is sold.")
    if len(line.description) > LONGEST_TEXT:
        problems.add("description", f"use at most {LONGEST_TEXT} characters.")
    quantity = _read_quantity(line.quantity, problems)
    unit = _read_unit(line.unit, currency, problems)
    rate, name = _read_rate(line.tax, problems)
    if problems.fields or unit is None:
        return None
    return DraftLine(line.description, quantity, unit, rate, name)


def _read_quantity(text: str, problems: Problems) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= LARGEST_QUANTITY and len(text) < 9:
        return int(text)
    problems.add("quantity", f"enter a whole number from 1 to {LARGEST_QUANTITY:,}.")
    return 1


def _read_unit(text: str, currency: str, problems: Problems) -> Money | None:
    if not text:
        problems.add("unit", f"enter a price, for example {example_amount(currency)}.")
        return None
    try:
        unit = parse_money(text, currency)
    except MoneyError as error:
        words = str(error)
        problems.add("unit", words[0].lower() + words[1:] if words.startswith("Enter") else words)
        return None
    if unit.amount_minor < 0:
        problems.add("unit", "enter a price of 0 or more.")
    return unit


def _read_rate(text: str, problems: Problems) -> tuple[Decimal, str]:
    """The rate in percent, and what it is called: `19`, `19 %` and `19 VAT` are read."""
    number, _, name = text.strip().partition(" ")
    name = name.removeprefix("%").strip()
    rate = _percentage(number or "0")
    if rate is None:
        problems.add("tax", "enter the tax in percent from 0 to 100, for example 19 or 8.1.")
    if len(name) > LONGEST_NAME:
        problems.add("tax", f"use at most {LONGEST_NAME} characters for the name of the tax.")
    return rate or Decimal(0), name


def _percentage(text: str) -> Decimal | None:
    """From 0 to 100 with at most three digits after the point, or None."""
    try:
        rate = Decimal(text.strip().removesuffix("%").strip().replace(",", "."))
    except InvalidOperation:
        return None
    fits = rate.is_finite() and 0 <= rate <= 100 and rate == round(rate, 3)
    return (rate or Decimal(0)) if fits else None  # not -0, and not 0e999


def _try_line(line: LineInput, currency: str) -> DraftLine | None:
    if not line.unit:
        return None
    return _read_line(replace(line, description=line.description or "…"), currency, Problems())
