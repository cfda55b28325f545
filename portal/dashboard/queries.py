"""What the dashboard counts. Read-only, straight from the rows of other rooms."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.database.transaction import connection
from portal.money import Money
from portal.payments.rules import COLLECTED as MONEY_MOVED

STEPS = """
SELECT EXISTS (SELECT 1 FROM connected_account WHERE state <> 'disconnected') AS connected,
       EXISTS (SELECT 1 FROM customer) AS customer,
       EXISTS (SELECT 1 FROM invoice) AS invoice,
       EXISTS (SELECT 1 FROM invoice WHERE pay_link_opened_at IS NOT NULL) AS opened
"""
COLLECTED = f"""
SELECT currency,
       coalesce(sum(amount_minor) FILTER (WHERE occurred_at >= $2), 0)::bigint AS now_minor,
       coalesce(sum(amount_minor) FILTER (WHERE occurred_at < $2), 0)::bigint AS before_minor
  FROM payment WHERE mode = $1 AND occurred_at >= $3 AND {MONEY_MOVED} GROUP BY currency
"""  # noqa: S608 - a constant
OWED = """
SELECT currency,
       sum(due_minor)::bigint AS owed_minor, count(*) AS owed,
       coalesce(sum(due_minor) FILTER (WHERE shown = 'past_due'), 0)::bigint AS late_minor,
       count(*) FILTER (WHERE shown = 'past_due') AS late
  FROM (SELECT currency, total_minor - amount_paid_minor - amount_returned_minor AS due_minor,
               shown_invoice_status(
                   status, due_date, origin = 'provider' AND due_date IS NULL AND attempts > 0, $2) AS shown
          FROM invoice WHERE mode = $1 AND status IN ('open', 'partly_paid', 'processing')) i
 GROUP BY currency
"""
# A letter that arrived later, of the same kind and about the same, makes up for one that failed.
ATTENTION = """
WITH unmailed AS (
    SELECT id, '/' || subject_kind || 's/' || subject_id AS page FROM mail_message m
    WHERE state = 'failed' AND created_at > now() - interval '30 days'
      AND NOT EXISTS (SELECT FROM mail_message l
                      WHERE l.subject_kind = m.subject_kind AND l.subject_id = m.subject_id
                        AND l.kind = m.kind AND l.state = 'sent' AND l.sent_at > m.created_at)),
held_up AS (
    SELECT id, '/' || subject_kind || 's/' || subject_id AS page FROM mail_message
    WHERE state IN ('waiting', 'sending') AND error <> '' AND attempts >= 3)
SELECT (SELECT count(*) FROM webhook_event WHERE state = 'parked') AS parked,
       (SELECT count(*) FROM sync_task WHERE state IN ('failed', 'unknown')) AS unsent,
       (SELECT a.plugin || '/sync?account=' || a.id
         FROM sync_task t JOIN connected_account a ON a.id = t.account
         WHERE t.state IN ('failed', 'unknown') ORDER BY t.id LIMIT 1) AS unsent_page,
       (SELECT count(*) FROM connected_account WHERE state IN ('needs_attention', 'broken')) AS troubled,
       (SELECT count(*) FROM invoice WHERE status IN ('open', 'partly_paid') AND mode = $1
           AND due_date < ($2::date - 30)) AS very_late,
       (SELECT count(*) FROM subscription WHERE mode = $1 AND status IN ('past_due', 'unpaid')) AS dunning,
       (SELECT count(*) FROM dispute WHERE mode = $1 AND status LIKE '%needs_response') AS disputes,
       (SELECT invoice FROM dispute WHERE mode = $1 AND status LIKE '%needs_response'
         ORDER BY respond_by NULLS LAST, id LIMIT 1) AS disputed_invoice,
       (SELECT count(*) FROM refund WHERE mode = $1 AND status IN ('failed', 'requires_action')
           AND changed_at > now() - interval '30 days') AS refunds,
       (SELECT invoice FROM refund WHERE mode = $1 AND status IN ('failed', 'requires_action')
           AND changed_at > now() - interval '30 days' ORDER BY id DESC LIMIT 1) AS refund_invoice,
       (SELECT count(*) FROM unmailed) AS unmailed,
       (SELECT page FROM unmailed ORDER BY id DESC LIMIT 1) AS unmailed_page,
       (SELECT count(*) FROM held_up) AS held_up,
       (SELECT page FROM held_up ORDER BY id LIMIT 1) AS held_up_page,
       (SELECT count(*) FROM sync_difference WHERE state = 'open' AND kind = 'conflict') AS conflicts,
       (SELECT a.plugin FROM sync_difference d JOIN connected_account a ON a.id = d.account
         WHERE d.state = 'open' AND d.kind = 'conflict' ORDER BY d.id LIMIT 1) AS conflict_plugin
"""
# Events that could not be handled have a count of their own.
ALARMS = """
SELECT a.id, a.plugin, a.title, a.mode, h.words
FROM health_alarm h JOIN connected_account a ON a.id = h.account
WHERE a.state <> 'disconnected' AND h.code <> 'parked' ORDER BY h.raised_at DESC, h.id LIMIT 5
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
    unsent_page: str | None
    """The account whose page has the oldest of them: its plugin and query."""
    troubled: int
    very_late: int
    dunning: int
    """Subscriptions whose last invoice could not be collected."""
    disputes: int
    """Customers' banks that wait for an answer."""
    disputed_invoice: int | None
    """The one to answer first."""
    refunds: int
    """Refunds of the last 30 days that failed or wait for somebody."""
    refund_invoice: int | None
    unmailed: int
    """Mail of the last 30 days that could not be delivered."""
    unmailed_page: str | None
    held_up: int
    """Mail that was tried several times, and is tried again."""
    held_up_page: str | None
    conflicts: int
    """Values that both sides tell differently."""
    conflict_plugin: str | None
    """Whose page has the oldest of them."""

    @property
    def nothing(self) -> bool:
        """Whether all is well."""
        return not (
            self.parked
            or self.unsent
            or self.troubled
            or self.very_late
            or self.dunning
            or self.disputes
            or self.refunds
            or self.unmailed
            or self.held_up
            or self.conflicts
        )


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


async def read_alarms() -> list[tuple[str, str]]:
    """What is wrong with connections, in words, and the page that says what to do."""
    async with connection() as held:
        rows = await held.fetch(ALARMS)
    return [
        (
            f"{row['title']} ({row['mode']}): {row['words']}",
            f"/settings/connected-accounts/{row['plugin']}?account={row['id']}",
        )
        for row in rows
    ]


async def read_attention(mode: str, period: Period) -> Attention:
    """What went wrong and waits for somebody."""
    async with connection() as held:
        row = await held.fetchrow(ATTENTION, mode, period.now.date())
    return Attention(**dict(row or {}))
