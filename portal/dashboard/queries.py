"""What the dashboard counts. Read-only, straight from the rows of other rooms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.database.transaction import connection
from portal.money import Money

STEPS = """
SELECT EXISTS (SELECT 1 FROM connected_account WHERE state <> 'disconnected') AS connected,
       EXISTS (SELECT 1 FROM customer) AS customer,
       EXISTS (SELECT 1 FROM invoice) AS invoice,
       EXISTS (SELECT 1 FROM invoice WHERE pay_link_opened_at IS NOT NULL) AS opened
"""
COLLECTED = """
SELECT currency,
       coalesce(sum(amount_minor) FILTER (WHERE occurred_at >= $2), 0)::bigint AS now_minor,
       coalesce(sum(amount_minor) FILTER (WHERE occurred_at < $2), 0)::bigint AS before_minor
  FROM payment WHERE mode = $1 AND occurred_at >= $3 GROUP BY currency
"""
OWED = """
SELECT currency,
       sum(total_minor - amount_paid_minor)::bigint AS owed_minor, count(*) AS owed,
       coalesce(sum(total_minor - amount_paid_minor)
                FILTER (WHERE due_date < $2 AND status <> 'processing'), 0)::bigint AS late_minor,
       count(*) FILTER (WHERE due_date < $2 AND status <> 'processing') AS late
  FROM invoice WHERE mode = $1 AND status IN ('open', 'partly_paid', 'processing') GROUP BY currency
"""
ATTENTION = """
SELECT (SELECT count(*) FROM webhook_event WHERE state = 'parked') AS parked,
       (SELECT count(*) FROM sync_task WHERE state IN ('failed', 'unknown')) AS unsent,
       (SELECT count(*) FROM connected_account WHERE state IN ('needs_attention', 'broken')) AS troubled,
       (SELECT count(*) FROM invoice WHERE status IN ('open', 'partly_paid') AND mode = $1
           AND due_date < ($2::date - 30)) AS very_late
"""


@dataclass(frozen=True, slots=True)
class Steps:
    """What was done of the way from an empty portal to a paid invoice."""

    connected: bool
    customer: bool
    invoice: bool
    opened: bool

    @property
    def complete(self) -> bool:
        """Whether all of it was done."""
        return self.connected and self.customer and self.invoice and self.opened


@dataclass(frozen=True, slots=True)
class Figures:
    """Sums by currency, the default currency first."""

    collected: tuple[Money, ...]
    collected_before: tuple[Money, ...]
    """The whole month before, in the same currencies."""
    owed: tuple[Money, ...]
    owed_count: int
    late: tuple[Money, ...]
    late_count: int


@dataclass(frozen=True, slots=True)
class Attention:
    """How many things wait for a person."""

    parked: int
    unsent: int
    troubled: int
    very_late: int

    @property
    def nothing(self) -> bool:
        """Whether all is well."""
        return not (self.parked or self.unsent or self.troubled or self.very_late)


@dataclass(frozen=True, slots=True)
class Period:
    """The month so far, by the clock of the organisation."""

    now: datetime
    """Aware, in the organisation's zone."""

    @property
    def start(self) -> datetime:
        """The first moment of this month."""
        return self.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)

    @property
    def start_before(self) -> datetime:
        """The first moment of the month before."""
        if self.start.month == 1:
            return self.start.replace(year=self.start.year - 1, month=12)
        return self.start.replace(month=self.start.month - 1)


async def read_steps() -> Steps:
    """The checklist's states."""
    async with connection() as held:
        row = await held.fetchrow(STEPS)
    return Steps(**dict(row or {}))


async def read_figures(mode: str, period: Period, *, currency: str) -> Figures:
    """The sums of one mode: test money never counts as real."""
    async with connection() as held:
        collected = await held.fetch(COLLECTED, mode, period.start, period.start_before)
        owed = await held.fetch(OWED, mode, period.now.date())

    def sums(rows: list[dict[str, int | str]], column: str) -> tuple[Money, ...]:
        found = [Money(int(row[column]), str(row["currency"])) for row in rows]
        present = [money for money in found if money.amount_minor] or [Money(0, currency)]
        return tuple(sorted(present, key=lambda money: (money.currency != currency, money.currency)))

    paid, due = [dict(row) for row in collected], [dict(row) for row in owed]
    return Figures(
        collected=sums(paid, "now_minor"),
        collected_before=sums(paid, "before_minor"),
        owed=sums(due, "owed_minor"),
        owed_count=sum(row["owed"] for row in due),
        late=sums(due, "late_minor"),
        late_count=sum(row["late"] for row in due),
    )


async def read_attention(mode: str, period: Period) -> Attention:
    """What went wrong and waits for somebody."""
    async with connection() as held:
        row = await held.fetchrow(ATTENTION, mode, period.now.date())
    return Attention(**dict(row or {}))
