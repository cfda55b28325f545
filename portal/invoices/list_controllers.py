"""The pages of the list of invoices: the list itself, and the same as a file."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromQuery
from litestar.response import Stream

from portal.contract.facts import Mode
from portal.customers.queries import customer_options
from portal.finance.services import organisation
from portal.invoices.exports import MOST_EXPORTED, csv_lines
from portal.invoices.filters import Column, InvoiceFilter, SyncState, Tab, read_filter
from portal.invoices.list_views import chips_of, customer_name, status_choices
from portal.invoices.queries import count_invoices, known_currencies, list_cursor, list_invoices
from portal.invoices.views import today_of
from portal.web.forms import feedback_on
from portal.web.request import PortalRequest, Role
from portal.web.responses import page, redirect

CHOICES_SHOWN: Final = 8
SHORTEST_NAME: Final = 2


@get("/invoices", name="invoices")
async def show_list(
    request: PortalRequest, page_at: FromQuery[str] = "", who: FromQuery[str] = ""
) -> Response[Any]:
    """The list, or its table alone for htmx. Beside a live connection test invoices have their own list."""
    wanted = await _wanted(request)
    who = who.replace("\0", "").strip()[:100] if not wanted.customer else ""
    if not request.by_htmx and "" in request.query_params.values():
        # A form sends its empty fields, too; each state of the list has one address.
        return redirect(request, wanted.href(who=who))
    found = await list_invoices(wanted, list_cursor(wanted, page_at))
    counts = await count_invoices(wanted.today, wanted.mode)
    name = await customer_name(wanted.customer) if wanted.customer else ""
    answer = page(
        request,
        "invoices/list.html",
        fragment="invoices/_list_update.html",
        wanted=wanted,
        found=found,
        tabs=Tab,
        columns=Column,
        counts=counts,
        chips=chips_of(wanted, name),
        who=who,
        choices=(await customer_options(who))[:CHOICES_SHOWN] if len(who) >= SHORTEST_NAME else [],
        currencies=[] if request.wants_fragment else await known_currencies(),
        statuses=status_choices(),
        syncs=SyncState,
        feedback=feedback_on(wanted.problems),
        modes=_modes(wanted) if wanted.mode and request.visit.has_test else [],
        most_exported=MOST_EXPORTED,
        may_write=request.user.role.covers(Role.ADMIN),
    )
    if request.source.startswith("form"):
        answer.headers["HX-Replace-Url"] = wanted.href()
    return answer


@get("/invoices/export.csv", name="invoices-export")
async def export_list(request: PortalRequest) -> Stream:
    """The filtered list as a file, in its order."""
    wanted = await _wanted(request)
    headers = {
        "Content-Disposition": f'attachment; filename="invoices-{wanted.today.isoformat()}.csv"',
        "Cache-Control": "no-store",
    }
    return Stream(csv_lines(wanted), media_type="text/csv", headers=headers)


async def _wanted(request: PortalRequest) -> InvoiceFilter:
    values = dict(request.query_params)
    shown = request.shown_mode(values.get("mode", ""))
    frame = InvoiceFilter(
        today_of(request), mode=Mode(shown) if shown else None, zone=request.visit.time_zone
    )
    named = values.get("currency") or not (values.get("min") or values.get("max"))
    currency = "" if named else (await organisation()).default_currency
    return read_filter(values, frame, currency=currency)


def _modes(wanted: InvoiceFilter) -> list[tuple[str, str, Mode]]:
    """Label and address of the list in each mode, live first."""
    return [(mode.value.capitalize(), wanted.in_mode(mode).href(), mode) for mode in (Mode.LIVE, Mode.TEST)]


routes = [show_list, export_list]
