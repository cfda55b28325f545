"""The last day of deliveries as a picture."""

from __future__ import annotations

from portal.web.charts import Chart, Series
from portal.webhooks.days import DayOfEvents


def chart_of_day(day: DayOfEvents, *, zone_hours: tuple[str, ...]) -> Chart:
    """Bars by hour: what was accepted, what failed afterwards, what was refused at the door."""
    hours = day.hours
    return Chart(
        id="day",
        title="Webhook deliveries in the last 24 hours",
        summary=_summary(day),
        labels=zone_hours,
        series=(
            Series("Handled", tuple(hour.accepted - hour.failed for hour in hours), "ok"),
            Series("Failed", tuple(hour.failed for hour in hours), "bad"),
            Series("Refused", tuple(hour.refused for hour in hours), "warn"),
        ),
        empty="No deliveries in the last 24 hours",
    )


def _summary(day: DayOfEvents) -> str:
    parts = [f"{day.accepted:,} {'event' if day.accepted == 1 else 'events'} accepted"]
    parts += [f"{day.failed:,} failed"] if day.failed else []
    parts += [f"{day.refused:,} refused"] if day.refused else []
    return ", ".join(parts) + " in the last 24 hours."
