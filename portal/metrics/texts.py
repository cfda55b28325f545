"""The figures in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from portal.metrics.readings import AccountFigures, Counts, Figures

LABELS = ("account", "plugin", "mode")
Family = GaugeMetricFamily | CounterMetricFamily
HOURLY = "Begins again at each full hour, as a counter of a process that was restarted does."


class _Kept(Collector):
    """Gives the registry what was read before."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Every family, in the order of the page."""
        figures = self._figures
        yield from _of_accounts(figures)
        for name, words, by, counts in (
            ("portal_events_open", "Events that wait or are parked.", "state", figures.events),
            ("portal_tasks_open", "Outbox tasks that are not done.", "state", figures.tasks),
        ):
            yield _filled(GaugeMetricFamily(name, words, labels=(*LABELS, by)), figures, counts)
        for name, words, by, counts in (
            ("portal_happened", "What happened on an account.", "what", figures.happened),
            ("portal_deliveries_refused", "Deliveries that were refused.", "reason", figures.refused),
        ):
            yield _filled(
                CounterMetricFamily(name, f"{words} {HOURLY}", labels=(*LABELS, by)), figures, counts
            )
        yield from _of_queues(figures)


def written(figures: Figures) -> bytes:
    """The whole page, with the figures of the process that answers at its end."""
    registry = CollectorRegistry()
    registry.register(_Kept(figures))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _labels(account: AccountFigures) -> list[str]:
    return [account.account, account.plugin, account.mode]


def _of_accounts(figures: Figures) -> Iterator[Metric]:
    state = GaugeMetricFamily("portal_account_state", "1 for the state it is in.", labels=(*LABELS, "state"))
    gauges = {
        "lag": GaugeMetricFamily(
            "portal_event_lag_seconds", "Age of the oldest event that is due; 0: none is.", labels=LABELS
        ),
        "last_event_age": GaugeMetricFamily(
            "portal_last_event_age_seconds", "Since the last event arrived.", labels=LABELS
        ),
        "tokens": GaugeMetricFamily("portal_budget_tokens", "Calls left in the budget.", labels=LABELS),
        "per_second": GaugeMetricFamily(
            "portal_budget_calls_per_second", "How fast the budget fills.", labels=LABELS
        ),
    }
    for account in figures.accounts:
        state.add_metric([*_labels(account), account.state], 1)
        gauges["lag"].add_metric(_labels(account), account.lag or 0.0)
        for name in ("last_event_age", "tokens", "per_second"):
            if (value := getattr(account, name)) is not None:
                gauges[name].add_metric(_labels(account), value)
    yield state
    yield from gauges.values()


def _filled(metric: Family, figures: Figures, counts: Counts) -> Metric:
    for account in figures.accounts:
        for (owner, what), number in sorted(counts.items()):
            if owner == account.account:
                metric.add_metric([*_labels(account), what], number)
    return metric


def _of_queues(figures: Figures) -> Iterator[Metric]:
    depth = GaugeMetricFamily("portal_queue_jobs", "Jobs in PostgreSQL's queue.", labels=("queue", "state"))
    behind = GaugeMetricFamily(
        "portal_queue_behind_seconds", "How long its oldest job waits.", labels=("queue",)
    )
    for queue in figures.queues:
        for state in ("ready", "delayed", "running"):
            depth.add_metric([queue.queue_name, state], getattr(queue, state))
        behind.add_metric([queue.queue_name], queue.behind_seconds)
    yield depth
    yield behind
    yield GaugeMetricFamily("portal_queue_dead_jobs", "Dead letters that are kept.", value=figures.dead_jobs)
