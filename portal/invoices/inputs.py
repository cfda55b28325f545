"""The invoice form as typed: read, shown again, and its table of lines changed. Nothing is judged here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from portal.invoices.details import InvoiceDetail
from portal.invoices.sums import shown_rate
from portal.web.forms import Form

ROWS_WITHOUT_SCRIPTS = 5
MOST_LINES = 100
LINE_FIELD = re.compile(r"line-(\d{1,3})-(description|quantity|unit|tax|spare)")
NAMES = (
    "customer",
    "customer_search",
    "new_name",
    "new_email",
    "new_key",
    "currency",
    "terms",
    "due_date",
    "discount",
    "discount_kind",
    "memo",
    "footer",
    "version",
    "form_key",
    "disputed",
)
FIELDS = (*NAMES, "do", "line-*")
ON_A_DATE = "date"
NO_DUE_DATE = "none"
PERCENT = "percent"
AMOUNT = "amount"


@dataclass(frozen=True, slots=True)
class LineInput:
    """One row of the table, as typed. `spare`: shown only where scripts cannot add rows.

    `tax` is a percentage, and behind a space the name of the rate: `19 VAT`.
    """

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
    customer_search: str = ""
    new_name: str = ""
    new_email: str = ""
    new_key: str = ""
    """Lets a new customer be added once, however often the button is pressed."""
    currency: str = "usd"
    terms: str = ""
    """Days until it is due, `date` (`due_date` says which) or `none`; empty: whatever `due_date` says."""
    due_date: str = ""
    discount: str = ""
    discount_kind: str = PERCENT
    memo: str = ""
    footer: str = ""
    version: str = ""
    form_key: str = ""
    disputed: str = ""
    """Set while somebody decides between what they typed and what somebody else saved."""
    lines: tuple[LineInput, ...] = field(default=())

    @property
    def currency_locked(self) -> bool:
        """Whether amounts were typed: they mean something in this currency alone."""
        return any(line.unit for line in self.lines)


def blank_input(
    currency: str, terms_days: int, *, customer: str = "", footer: str = "", form_key: str = ""
) -> InvoiceInput:
    """The form of a new invoice: one row, and more of them for browsers without scripts."""
    spare = (LineInput(spare=True),) * (ROWS_WITHOUT_SCRIPTS - 1)
    return InvoiceInput(
        customer=customer,
        currency=currency,
        terms=str(terms_days),
        footer=footer,
        form_key=form_key,
        lines=(LineInput(), *spare),
    )


def stored_input(invoice: InvoiceDetail) -> InvoiceInput:
    """The form of a stored draft."""
    lines = [
        LineInput(
            line.description,
            str(line.quantity),
            line.unit.plain(),
            tax_value(shown_rate(line.tax_rate), line.tax_name),
        )
        for line in invoice.lines
    ]
    discount, kind = "", PERCENT
    if invoice.discount_percent is not None:
        discount = shown_rate(invoice.discount_percent)
    elif invoice.discount.amount_minor:
        discount, kind = invoice.discount.plain(), AMOUNT
    return InvoiceInput(
        customer=str(invoice.customer_id),
        currency=invoice.currency,
        terms=ON_A_DATE if invoice.due_date else NO_DUE_DATE,
        due_date=invoice.due_date.isoformat() if invoice.due_date else "",
        discount=discount,
        discount_kind=kind,
        memo=invoice.memo,
        footer=invoice.footer,
        version=str(invoice.version),
        lines=tuple(lines),
    )


def tax_value(rate: str, name: str) -> str:
    """What the tax field of a line holds: `19 VAT`, `8.1`."""
    return f"{rate} {name}".strip()


def read_input(form: Form) -> InvoiceInput:
    """What was sent, as typed. Rows come in the order of their numbers; gaps are closed; one row there is."""
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
    return InvoiceInput(**{name: form.text(name) for name in NAMES}, lines=tuple(lines) or (LineInput(),))


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


def _seen(given: InvoiceInput) -> tuple[LineInput, ...]:
    return tuple(replace(line, spare=False) for line in given.lines if not (line.spare and line.blank))


def _last_tax(given: InvoiceInput) -> str:
    typed: Iterable[str] = (line.tax for line in reversed(given.lines) if not line.blank)
    return next(iter(typed), "0")
