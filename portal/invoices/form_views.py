"""What the invoice form is rendered from: the choices it offers, and what the provider would charge."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from babel.core import get_global
from babel.numbers import get_territory_currencies

from portal.accounts.services import default_account, load_summary
from portal.audit.services import timeline
from portal.contract.descriptions import FieldFeedback
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.customers.queries import customer_options
from portal.database.transaction import connection
from portal.finance.choices import currency_choices
from portal.finance.services import organisation
from portal.finance.taxes import TaxRate, tax_rates
from portal.invoices.details import find_invoice
from portal.invoices.disputes import Dispute, compare
from portal.invoices.forms import preview
from portal.invoices.inputs import NO_DUE_DATE, ON_A_DATE, InvoiceInput, stored_input, tax_value
from portal.invoices.rules import InvoiceStatus
from portal.money import Money
from portal.web.forms import feedback_on
from portal.web.submissions import new_form_key

TERMS = (7, 14, 30, 60, 90)
Options = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Charge:
    """What pressing *Pay* will do. `tone`: `warn` when the provider would not charge the amount."""

    tone: str
    words: str


async def form_context(
    given: InvoiceInput, invoice_id: int | None, today: date, *, problems: dict[str, str] | None = None
) -> dict[str, Any]:
    """Everything that the templates of the form need, but for its customers."""
    settings = await organisation()
    shown = preview(given, today)
    rates = await tax_rates(active=True)
    return {
        "given": given if given.new_key else replace(given, new_key=new_form_key()),
        "invoice_id": invoice_id,
        "action": f"/invoices/{invoice_id}/edit" if invoice_id else "/invoices/new",
        "problems": problems or {},
        "feedback": feedback_on(problems or {}),
        "preview": shown,
        "charge": charge_of(shown.totals.total, await _collecting(invoice_id))
        if any(shown.amounts)
        else None,
        "currencies": currency_options(given.currency),
        "terms": terms_options(given.terms, settings.terms_days),
        "rates": [tax_options(rates, line.tax) for line in given.lines],
        "due_words": due_feedback(shown.due, given.terms),
        "company": settings,
        "today": today,
        "dispute": None,
    }


def charge_of(total: Money, plugin: Plugin | None) -> Charge | None:
    """What the provider will charge for the total; None without a provider."""
    if plugin is None:
        return None
    if total.amount_minor == 0:
        return Charge("mute", "Nothing to pay: the invoice counts as paid once it is final.")
    provider, problem = plugin.manifest.title, plugin.amount_problem(total)
    if problem:
        return Charge("warn", f"{problem} This total can only be paid outside {provider}.")
    return Charge("mute", f"{provider} will charge {total.format()} ({total.currency.upper()}).")


def tax_options(rates: Sequence[TaxRate], chosen: str) -> Options | None:
    """The rates to choose from, and one that was chosen earlier. None: there are none, type a percentage.

    The number comes first: narrow columns cut off what comes last.
    """
    if not rates:
        return None
    options = [("0", "No tax")]
    options += [
        (tax_value(rate.shown_percent, rate.name), f"{rate.shown_percent}\u00a0% {rate.name}")
        for rate in rates
    ]
    if chosen and chosen not in dict(options):
        number, _, name = chosen.partition(" ")
        options.append((chosen, f"{number}\u00a0% {name or 'tax'}"))
    return options


def terms_options(chosen: str, usual: int) -> Options:
    """Days, with the usual ones and the chosen ones among them; a date; or none."""
    days = {*TERMS, usual, 0} | ({int(chosen)} if chosen.isdecimal() and len(chosen) < 4 else set())
    return [
        *((str(each), _terms_words(each)) for each in sorted(days)),
        (ON_A_DATE, "On a date"),
        (NO_DUE_DATE, "No due date"),
    ]


def currency_options(chosen: str) -> Options:
    """Every currency that is in use somewhere, and the chosen one."""
    return [(code, words) for code, words in currency_choices() if code == chosen or code in _in_use()]


def due_feedback(due: date | None, terms: str) -> FieldFeedback | None:
    """The day that the terms mean, beside them."""
    if due is None or terms == ON_A_DATE:
        return None
    return FieldFeedback("mute", f"Due {due:%-d %B %Y}.")


async def dispute_on(given: InvoiceInput, invoice_id: int, today: date) -> tuple[Dispute, InvoiceInput]:
    """What somebody else saved meanwhile beside what was typed, and the stored form with its version."""
    stored = await find_invoice(invoice_id, today=today)
    theirs = stored_input(stored)
    names = dict(await customers_for(given)) | {theirs.customer: stored.customer_name}
    last = next(iter(await timeline("invoice", invoice_id, limit=1)), None)
    dispute = Dispute(
        who=last.actor.name if last else "Somebody",
        at=last.at if last else None,
        rows=compare(given, theirs, names, today),
        final=stored.status is not InvoiceStatus.DRAFT,
    )
    return dispute, theirs


async def customers_for(given: InvoiceInput) -> Options:
    """Customers that the search finds, by name, and the chosen one."""
    chosen = int(given.customer) if given.customer.isdecimal() and len(given.customer) < 19 else None
    found = await customer_options(given.customer_search, chosen=chosen)
    return [(str(customer_id), words) for customer_id, words in found]


async def _collecting(invoice_id: int | None) -> Plugin | None:
    """Who collects the draft: its own connection, or the one that new invoices get."""
    if invoice_id is None:
        account = await default_account()
    else:
        async with connection() as held:
            found = await held.fetchval("SELECT account FROM invoice WHERE id = $1", invoice_id)
        account = await load_summary(found) if found else None
    return plugin_by_id(account.plugin) if account and account.state != "disconnected" else None


@functools.cache
def _in_use() -> frozenset[str]:
    territories = get_global("territory_currencies")
    codes = {code for territory in territories for code in get_territory_currencies(territory)}
    return frozenset(code.lower() for code in codes)


def _terms_words(days: int) -> str:
    return "At once" if days == 0 else f"In {days} day{'' if days == 1 else 's'}"
