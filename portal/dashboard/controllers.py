"""The first page: how far set-up is, the figures, and what needs attention."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.params import FromQuery

from portal.dashboard.queries import Attention, Period, read_attention, read_figures, read_steps
from portal.dashboard.rules import compare, join_sums
from portal.finance.services import organisation
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest
from portal.web.responses import page

LIVE = "live"


@get("/", name="dashboard")
async def show_dashboard(request: PortalRequest, mode: FromQuery[str] = "") -> Response[str]:
    """Everything on one page, of one mode: test figures stand alone, and live ones hold no test money."""
    ours = await organisation()
    period = Period(datetime.now(UTC).astimezone(ZoneInfo(ours.time_zone)))
    shown = request.shown_mode(mode) or request.visit.mode or LIVE
    figures = await read_figures(shown, period, currency=ours.default_currency)
    return page(
        request,
        "dashboard/show.html",
        steps=await read_steps(),
        figures=figures,
        join=join_sums,
        month=period.start,
        shown_mode=shown,
        both_modes=request.visit.mode == LIVE and request.visit.has_test,
        comparison=compare(figures.collected, figures.collected_before),
        attention=_attention_rows(request, await read_attention(shown, period)),
        has_page=request.app.state.pages.__contains__,
    )


def _attention_rows(request: PortalRequest, found: Attention) -> list[tuple[str, str]]:
    """Sentence and address of each thing; the address is empty where there is no page yet."""
    rows = [
        (found.troubled, "connected account needs attention", "/settings/connected-accounts"),
        (found.parked, "webhook event could not be handled", "/webhook-events"),
        (found.unsent, "change could not be sent to the provider", "/invoices"),
        (found.very_late, "invoice is past due for more than 30 days", "/invoices?tab=past-due"),
    ]
    pages = request.app.state.pages
    return [
        (_count(number, words), address if address.partition("?")[0] in pages else "")
        for number, words, address in rows
        if number
    ]


def _count(number: int, words: str) -> str:
    """`1 invoice is past due`, `2 invoices are past due`."""
    if number == 1:
        return f"1 {words}"
    for singular, plural in (
        ("account needs", "accounts need"),
        ("invoice is", "invoices are"),
        ("event could", "events could"),
        ("change could", "changes could"),
    ):
        words = words.replace(singular, plural)
    return f"{number} {words}"


routes = [show_dashboard]
nav = [NavEntry("Dashboard", "/", "home", order=10)]
