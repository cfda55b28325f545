"""The first page: how far set-up is, the figures, and what needs attention."""

from __future__ import annotations

from collections.abc import Container
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from litestar import Response, get
from litestar.params import FromQuery

from portal.dashboard.pictures import read_pictures
from portal.dashboard.queries import Attention, Period, read_alarms, read_attention, read_figures, read_steps
from portal.dashboard.rules import compare, join_sums
from portal.finance.services import organisation
from portal.money import Money
from portal.settings import current_settings
from portal.subscriptions.recurring import read_recurring
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest
from portal.web.responses import page

LIVE = "live"
ACCOUNTS = "/settings/connected-accounts"
DIFFERENCES = "/differences"
INVOICE = "/invoices/"
SUBSCRIPTION = "/subscriptions/"


@get("/", name="dashboard")
async def show_dashboard(request: PortalRequest, mode: FromQuery[str] = "") -> Response[str]:
    """Everything on one page, of one mode: test figures stand alone, and live ones hold no test money."""
    ours = await organisation()
    period = Period(datetime.now(UTC).astimezone(ZoneInfo(ours.time_zone)))
    shown = request.shown_mode(mode) or request.visit.mode or LIVE
    steps = await read_steps()
    figures = await read_figures(shown, period, currency=ours.default_currency)
    return page(
        request,
        "dashboard/show.html",
        steps=steps,
        demo=current_settings().local and not steps.invoice,
        figures=figures,
        recurring=await _recurring(shown, ours.default_currency),
        pictures=await read_pictures(
            shown, period.now.date(), zone=ours.time_zone, currency=ours.default_currency
        ),
        join=join_sums,
        month=period.start,
        shown_mode=shown,
        both_modes=request.visit.mode == LIVE and request.visit.has_test,
        comparison=compare(figures.collected, figures.collected_before),
        attention=[
            *await read_alarms(),
            *_attention_rows(request, await read_attention(shown, period)),
        ],
        has_page=request.app.state.pages.__contains__,
    )


async def _recurring(mode: str, currency: str) -> tuple[Money, ...]:
    """Each currency's monthly revenue, the default one first; nothing at all is nothing of that one."""
    found = await read_recurring(mode) or (Money(0, currency),)
    return tuple(sorted(found, key=lambda money: (money.currency != currency, money.currency)))


def _attention_rows(request: PortalRequest, found: Attention) -> list[tuple[str, str]]:
    """Sentence and address of each thing; the address is empty where there is no page yet."""
    rows = [
        (found.troubled, "connected account needs attention", ACCOUNTS),
        (found.disputes, "dispute waits for your answer", f"{INVOICE}{found.disputed_invoice}"),
        (found.refunds, "refund did not go through", f"{INVOICE}{found.refund_invoice}"),
        (found.unmailed, "email could not be delivered", found.unmailed_page or ""),
        (found.held_up, "email is held up: the mail server does not take it", found.held_up_page or ""),
        (found.parked, "webhook event could not be handled", "/webhook-events?status=parked"),
        (found.unsent, "change could not be sent to the provider", f"{ACCOUNTS}/{found.unsent_page}#unsent"),
        (
            found.conflicts,
            "value was changed on both sides: choose which one counts",
            f"{ACCOUNTS}/{found.conflict_plugin}{DIFFERENCES}",
        ),
        (found.very_late, "invoice is past due for more than 30 days", "/invoices?tab=past-due"),
        (found.dunning, "subscription could not be charged", "/subscriptions?tab=in-dunning"),
    ]
    pages = request.app.state.pages
    return [
        (_count(number, words), address if _is_there(pages, address.partition("?")[0]) else "")
        for number, words, address in rows
        if number
    ]


def _is_there(pages: Container[str], path: str) -> bool:
    place, _, number = path.rpartition("/")
    is_one = f"{place}/" in (INVOICE, SUBSCRIPTION) and number.isdecimal()
    return path in pages or is_one or path.endswith((DIFFERENCES, "/sync"))


def _count(number: int, words: str) -> str:
    """`1 invoice is past due`, `2 invoices are past due`."""
    if number == 1:
        return f"1 {words}"
    for singular, plural in (
        ("account needs", "accounts need"),
        ("invoice is", "invoices are"),
        ("event could", "events could"),
        ("change could", "changes could"),
        ("value was", "values were"),
        ("dispute waits", "disputes wait"),
        ("refund did", "refunds did"),
        ("email could", "emails could"),
        (
            "email is held up: the mail server does not take it",
            "emails are held up: the mail server does not take them",
        ),
        ("subscription could", "subscriptions could"),
    ):
        words = words.replace(singular, plural)
    return f"{number} {words}"


routes = [show_dashboard]
nav = [NavEntry("Dashboard", "/", "home", order=10)]
