"""Every macro in each of its states, on one page: for authors, and for the scan that CI makes of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from litestar import Response, get

from portal.money import Money
from portal.web.charts import Chart, Series
from portal.web.request import PortalRequest
from portal.web.responses import page

TEMPLATE = "_gallery.html"
MONTHS = ("Dec", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov")
COLLECTED = tuple(100_000 * hundreds for hundreds in (29, 31, 24, 36, 33, 40, 37, 41, 39, 43, 43, 48))
RECURRING = tuple(
    1_000 * dollars for dollars in (810, 830, 829, 861, 902, 930, 941, 990, 1012, 1020, 1061, 1104)
)
RECOVERED = (3, 5, 2, 4, 6, 3, 2, 5)
LOST = (1, 0, 2, 1, 1, 0, 1, 2)


@get("/_gallery", include_in_schema=False)
async def show_gallery(request: PortalRequest) -> Response[str]:
    """The page. The app adds this route on a person's own machine only."""
    return page(request, TEMPLATE, **gallery_context())


def gallery_context() -> dict[str, Any]:
    """Made-up data for the template."""
    return {
        "at": datetime(2026, 11, 23, 9, 14, 5, tzinfo=UTC),
        "invoices": _invoices(),
        "collected": _collected(),
        "recurring": _recurring(),
        "failures": _failures(),
        "nothing": _nothing(),
        "payload": '{\n  "id": "evt_1Qa7",\n  "type": "invoice.paid",\n  "livemode": false\n}',
    }


def _invoices() -> list[dict[str, Any]]:
    rows = (
        ("INV-0043", "Globex Trading Ltd", 48_000, "run", "Open", ""),
        ("INV-0042", "Initech GmbH", 1_250_000, "ok", "Paid", ""),
        (
            "INV-0041",
            "Umbrella Foods and Beverages International",
            19_900,
            "bad",
            "Past due",
            "alert-triangle",
        ),
        ("INV-0040", "Hooli", 7_450, "warn", "Partly paid", "circle-dot"),
        ("INV-0039", "Stark Industries", 0, "mute", "Void", "ban"),
    )
    names = ("number", "customer", "minor", "tone", "status", "icon")
    return [
        dict(zip(names, row, strict=True)) | {"amount": Money(row[2], "usd"), "test": at == 0}
        for at, row in enumerate(rows)
    ]


def _dollars(minor: int) -> str:
    return Money(minor, "usd").format()


def _thousands(minor: int) -> str:
    return f"${minor // 100_000}k"


def _collected() -> Chart:
    return Chart(
        id="collected",
        title="Collected by month",
        summary="Collected $48,200 in November, 12% up on October.",
        labels=MONTHS,
        series=(Series("Collected", COLLECTED),),
        show=_dollars,
        show_short=_thousands,
    )


def _recurring() -> Chart:
    return Chart(
        id="recurring",
        title="Monthly recurring revenue",
        summary="Recurring revenue reached $11,040 in November.",
        labels=MONTHS,
        series=(Series("MRR", RECURRING),),
        show=_dollars,
        show_short=_thousands,
    )


def _failures() -> Chart:
    return Chart(
        id="failed",
        title="Failed payments by week",
        summary="5 of 7 failed payments were recovered last week.",
        labels=tuple(f"W{week}" for week in range(40, 48)),
        series=(Series("Recovered", RECOVERED, "ok"), Series("Lost", LOST, "bad")),
    )


def _nothing() -> Chart:
    return Chart(
        id="nothing",
        title="Collected by month, nothing yet",
        summary="Nothing was collected yet.",
        labels=MONTHS,
        series=(Series("Collected", (0,) * len(MONTHS)),),
    )
