"""The pictures of the dashboard: collected, recurring and what moved it by month, failures by week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from portal.dashboard.failures import WEEKS, read_failures
from portal.dashboard.months import read_collected
from portal.dashboard.recurring import read_recurring_charts
from portal.web.charts import Chart


@dataclass(frozen=True, slots=True)
class Pictures:
    """Charts of one mode, each of one currency; only of what was collected there always is one."""

    collected: tuple[Chart, ...]
    recurring: tuple[Chart, ...]
    """For each currency what recurred, and what moved it."""
    failures: tuple[Chart, ...]
    weeks: int = WEEKS
    """How far the last ones reach back."""


async def read_pictures(mode: str, today: date, *, zone: str, currency: str) -> Pictures:
    """What there is to draw up to `today`; months and weeks begin in `zone`, `currency` comes first."""
    collected = await read_collected(mode, today, zone=zone, currency=currency)
    failures = await read_failures(mode, today, zone=zone, currency=currency)
    return Pictures(
        collected=tuple(each.chart() for each in collected),
        recurring=await read_recurring_charts(mode, today, zone=zone, currency=currency),
        failures=tuple(each.chart() for each in failures),
    )
