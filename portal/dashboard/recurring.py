"""What recurs month by month and what moved it, as pictures: two for each currency."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import partial

from portal.dashboard.months import MONTHS, MOST_CHARTS
from portal.dashboard.rules import by_use, month_label, months_before, movement_summary, recurring_summary
from portal.money import Money
from portal.subscriptions.movements import Movements, read_movements
from portal.web.charts import Chart, Series, SeriesTone
from portal.web.formats import show_short_money

NAMES: dict[str, tuple[str, SeriesTone]] = {
    "new": ("New", "run"),
    "expansion": ("Expansion", "ok"),
    "reactivation": ("Reactivation", "mute"),
    "contraction": ("Contraction", "warn"),
    "churn": ("Churn", "bad"),
}


async def read_recurring_charts(mode: str, today: date, *, zone: str, currency: str) -> tuple[Chart, ...]:
    """The last twelve months of one mode; nothing where nothing recurred or moved."""
    months = months_before(today, MONTHS)
    found = {each.currency: each for each in await read_movements(mode, months, zone=zone)}
    used = {name: each.months_in_use for name, each in found.items() if each.months_in_use}
    order = by_use(used, currency, MOST_CHARTS)
    return tuple(chart for each in order for chart in _charts(found[each], months))


def _charts(found: Movements, months: Sequence[date]) -> tuple[Chart, Chart]:
    return _recurring(found, months), _moved(found, months)


def _recurring(found: Movements, months: Sequence[date]) -> Chart:
    return Chart(
        id=f"recurring-{found.currency}",
        title=f"Monthly recurring in {found.currency.upper()}",
        summary=recurring_summary(found.currency, list(zip(months, found.recurring, strict=True))),
        labels=tuple(map(month_label, months)),
        series=(Series("At the end of the month", found.recurring),),
        show=partial(_words, found.currency),
        show_short=partial(_short_words, found.currency),
        drawn="line",
    )


def _moved(found: Movements, months: Sequence[date]) -> Chart:
    columns = list(zip(*found.by_kind.values(), strict=True))
    gained = [sum(max(each, 0) for each in column) for column in columns]
    lost = [sum(min(each, 0) for each in column) for column in columns]
    return Chart(
        id=f"moved-{found.currency}",
        title=f"Recurring gained and lost in {found.currency.upper()}",
        summary=movement_summary(found.currency, list(zip(months, gained, lost, strict=True))),
        labels=tuple(map(month_label, months)),
        series=tuple(
            Series(NAMES[kind][0], values, NAMES[kind][1]) for kind, values in found.by_kind.items()
        ),
        show=partial(_words, found.currency),
        show_short=partial(_short_words, found.currency),
        empty="No changes",
        signed=True,
    )


def _words(currency: str, amount_minor: int) -> str:
    return Money(amount_minor, currency).format()


def _short_words(currency: str, amount_minor: int) -> str:
    return show_short_money(Money(amount_minor, currency))
