"""The invoice form: read as typed, shown again as typed, and judged line by line."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from portal.invoices.details import InvoiceDetail, shown_rate
from portal.invoices.rules import DraftLine, Totals, totals
from portal.invoices.services import DraftInvoice
from portal.money import Money, MoneyError, is_currency, parse_money
from portal.web.forms import Form, Problems

ROWS_WITHOUT_SCRIPTS = 5
MOST_LINES = 100
LARGEST_QUANTITY = 999_999
LARGEST_TOTAL = 99_999_999
LONGEST_TEXT = 500
LINE_FIELD = re.compile(r"line-(\d{1,3})-(description|quantity|unit|tax|spare)")
FIELDS = ("customer", "currency", "due_date", "memo", "footer", "version", "form_key", "do", "line-*")
CURRENCIES = tuple(
    """usd eur gbp aed aud bhd brl cad chf clp cny cop czk dkk hkd huf idr ils inr isk jod jpy krw kwd mxn myr
    nok nzd omr pen php pln pyg ron sar sek sgd thb tnd try twd uah ugx vnd xaf xof zar""".split()
)


@dataclass(frozen=True, slots=True)
class LineInput:
    """One row of the table, as typed. `spare`: shown only where scripts cannot add rows."""

    description: str = ""
    quantity: str = "1"
    unit: str = ""
    tax: str = "0"
    spare: bool = False

    @property
    def blank(self) -> bool:
        """Whether nothing was typed that would make a line."""
        return not self.description and not self.unit


@dataclass(frozen=True, slots=True)
class InvoiceInput:
    """The whole form, as typed."""

    customer: str = ""
    currency: str = "usd"
    due_date: str = ""
    memo: str = ""
    footer: str = ""
    version: str = ""
    form_key: str = ""
    lines: tuple[LineInput, ...] = field(default=())

    @property
    def currency_locked(self) -> bool:
        """Whether amounts were typed: they mean something in this currency alone."""
        return any(line.unit for line in self.lines)


@dataclass(frozen=True, slots=True)
class Preview:
    """What the typed lines come to. A line that cannot be read counts nothing and shows no amount."""

    amounts: tuple[Money | None, ...]
    totals: Totals


def blank_input(currency: str, due: date, *, customer: str = "", form_key: str = "") -> InvoiceInput:
    """The form of a new invoice: one row, and more of them for browsers without scripts."""
    spare = (LineInput(spare=True),) * (ROWS_WITHOUT_SCRIPTS - 1)
    return InvoiceInput(
        customer=customer,
        currency=currency,
        due_date=due.isoformat(),
        form_key=form_key,
        lines=(LineInput(), *spare),
    )


def stored_input(invoice: InvoiceDetail) -> InvoiceInput:
    """The form of a stored draft."""
    lines = [
        LineInput(line.description, str(line.quantity), line.unit.plain(), shown_rate(line.tax_rate))
        for line in invoice.lines
    ]
    return InvoiceInput(
        customer=str(invoice.customer_id),
        currency=invoice.currency,
        due_date=invoice.due_date.isoformat() if invoice.due_date else "",
        memo=invoice.memo,
        footer=invoice.footer,
        version=str(invoice.version),
        lines=tuple(lines),
    )


def read_input(form: Form) -> InvoiceInput:
    """What was sent, as typed. Rows come in the order of their numbers; gaps are closed."""
    rows: dict[int, dict[str, str]] = {}
    for name in form.values:
        if found := LINE_FIELD.fullmatch(name):
            rows.setdefault(int(found[1]), {})[found[2]] = form.text(name)
    lines = [
        LineInput(
            description=row.get("description", ""),
            quantity=row.get("quantity", ""),
            unit=row.get("unit", ""),
            tax=row.get("tax", ""),
            spare=bool(row.get("spare")),
        )
        for _, row in sorted(rows.items())[:MOST_LINES]
    ]
    names = ("customer", "currency", "due_date", "memo", "footer", "version", "form_key")
    return InvoiceInput(**{name: form.text(name) for name in names}, lines=tuple(lines))


def with_more_rows(given: InvoiceInput) -> InvoiceInput:
    """The form with five more rows, for browsers without scripts."""
    more = (LineInput(tax=_last_tax(given)),) * ROWS_WITHOUT_SCRIPTS
    return replace(given, lines=(*given.lines, *more)[:MOST_LINES])


def with_one_row(given: InvoiceInput) -> InvoiceInput:
    """The form with one more row; the rows that only scriptless browsers see are gone."""
    added = replace(given, lines=(*_seen(given), LineInput(tax=_last_tax(given))))
    return replace(added, lines=added.lines[:MOST_LINES])


def without_row(given: InvoiceInput, position: int) -> InvoiceInput:
    """The form without one row; a form always keeps one."""
    kept = tuple(line for index, line in enumerate(given.lines) if index != position)
    seen = _seen(replace(given, lines=kept))
    return replace(given, lines=seen or (LineInput(),))


def preview(given: InvoiceInput) -> Preview:
    """Add up what can be read so far. An unknown currency counts as US dollars: nothing is stored."""
    currency = given.currency if is_currency(given.currency) else "usd"
    read = [_try_line(line, currency) for line in given.lines]
    amounts = tuple(line.amount if line else None for line in read)
    return Preview(amounts, totals([line for line in read if line], currency))


def parse_input(given: InvoiceInput) -> DraftInvoice:
    """What the form says, ready to be stored.

    Raises:
        InvalidInput: with what to do, field by field (`line-0-unit` for the first line's price).
    """
    problems = Problems()
    customer = _read_customer(given, problems)
    currency = given.currency if is_currency(given.currency) else ""
    problems.add("currency", None if currency else "Choose a currency.")
    due = _read_due(given, problems)
    _check_length(given, problems)
    lines = _read_lines(given, currency or "usd", problems)
    if not problems.fields and totals(lines, currency).total.amount_minor > LARGEST_TOTAL:
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
    )


def default_due(today: date, terms_days: int) -> date:
    """When a new invoice is due."""
    return today + timedelta(days=terms_days)


def _read_customer(given: InvoiceInput, problems: Problems) -> int:
    if given.customer.isascii() and given.customer.isdecimal() and len(given.customer) < 19:
        return int(given.customer)
    problems.add("customer", "Choose a customer.")
    return 0


def _read_due(given: InvoiceInput, problems: Problems) -> date | None:
    if not given.due_date:
        return None
    try:
        due = date.fromisoformat(given.due_date)
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
    rate = _read_rate(line.tax, problems)
    if problems.fields or unit is None:
        return None
    return DraftLine(line.description, quantity, unit, rate)


def _read_quantity(text: str, problems: Problems) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= LARGEST_QUANTITY and len(text) < 9:
        return int(text)
    problems.add("quantity", f"enter a whole number from 1 to {LARGEST_QUANTITY:,}.")
    return 1


def _read_unit(text: str, currency: str, problems: Problems) -> Money | None:
    if not text:
        problems.add("unit", "enter a price, for example 480.00.")
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


def _read_rate(text: str, problems: Problems) -> Decimal:
    cleaned = text.removesuffix("%").strip().replace(",", ".") or "0"
    try:
        rate = Decimal(cleaned)
    except InvalidOperation:
        rate = Decimal(-1)
    if not (rate.is_finite() and 0 <= rate <= 100 and rate == round(rate, 3)):
        problems.add("tax", "enter the tax in percent from 0 to 100, for example 19 or 8.1.")
        return Decimal(0)
    return rate


def _try_line(line: LineInput, currency: str) -> DraftLine | None:
    if not line.unit:
        return None
    return _read_line(replace(line, description=line.description or "…"), currency, Problems())


def _seen(given: InvoiceInput) -> tuple[LineInput, ...]:
    return tuple(replace(line, spare=False) for line in given.lines if not (line.spare and line.blank))


def _last_tax(given: InvoiceInput) -> str:
    typed: Iterable[str] = (line.tax for line in reversed(given.lines) if not line.blank)
    return next(iter(typed), "0")
