"""Reminders: found by the day, stored once for each of them, and dropped at the last moment if in vain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from portal.database.transaction import Connection, connection, transaction
from portal.finance.services import Organisation
from portal.mail.letters import Letter
from portal.mail.servers import may_write_by_itself
from portal.mail.services import Mail, queue_mail
from portal.messages.rules import may_write_now, step_days
from portal.messages.texts import Facts, Kind, write_letter
from portal.money import Money
from portal.settings import Settings, current_settings

BATCH = 200
EXAMPLE_MINOR = 48_000


@dataclass(frozen=True, slots=True)
class Reminders:
    """What the finance settings say of reminders. `days` after the due date, below zero before it."""

    on: bool
    days: tuple[int, ...]
    note: str


async def read_reminders() -> Reminders:
    """As saved."""
    async with connection() as held:
        row = await held.fetchrow("SELECT reminders_on, reminder_days, reminder_note FROM organisation")
    return Reminders(row[0], tuple(row[1]), row[2]) if row else Reminders(False, (), "")  # noqa: FBT003 - off


async def queue_reminders(now: datetime | None = None) -> int:
    """Store every reminder that is due and was not stored yet; returns how many.

    Test and live invoices are looked through apart: the former are written about where mail becomes files.
    """
    now, settings, queued = now or datetime.now(UTC), current_settings(), 0
    for mode in ("live", "test"):
        while fresh := await _queue_batch(mode, now, settings):
            queued += fresh
    return queued


async def _queue_batch(mode: str, now: datetime, settings: Settings) -> int:
    if not may_write_by_itself(mode, settings):
        return 0
    async with transaction() as tx:
        company = await tx.connection.fetchrow(
            "SELECT reminder_days, time_zone FROM organisation WHERE reminders_on"
        )
        if company is None or not may_write_now(now, company["time_zone"]):
            return 0
        today = now.astimezone(ZoneInfo(company["time_zone"])).date()
        days = step_days(today, company["reminder_days"])
        return await _queue_for(tx.connection, mode, days, company["time_zone"])


async def _queue_for(held: Connection, mode: str, days: list[tuple[date, date]], time_zone: str) -> int:
    rows = await held.fetch(_DUE, mode, [due for due, _ in days], [day for _, day in days], time_zone, BATCH)
    for row in rows:
        mail = Mail(row["key"], Kind.REMINDER.value, ("invoice", row["id"]), mode, row["email"])
        await queue_mail(held, mail)
    return len(rows)


def reminder_preview(company: Organisation, day: int, *, note: str = "", today: date | None = None) -> Letter:
    """What an example invoice would get this many days after its due date, or before it (below zero)."""
    today = today or company.today
    owed = Money(EXAMPLE_MINOR, company.default_currency)
    facts = Facts(
        company=company.name,
        contact=company.contact_email,
        customer="Jo Example",
        number=f"{company.invoice_prefix}0001",
        total=owed,
        due=owed,
        paid=Money(0, company.default_currency),
        due_date=today - timedelta(days=day),
        today=today,
        link=f"{current_settings().base_url}/pay/…",
        note=note,
    )
    return write_letter(Kind.REMINDER, facts)


_DUE = """
SELECT i.id, c.email, 'reminder:' || i.id || ':' || step.day AS key
FROM unnest($2::date[], $3::date[]) AS step (due, day)
JOIN invoice i ON i.due_date = step.due
JOIN customer c ON c.id = i.customer
WHERE i.status IN ('open', 'partly_paid') AND i.mode = $1 AND i.origin = 'portal' AND NOT i.reminders_paused
  AND c.email <> '' AND c.erased_at IS NULL
  -- Who got the invoice after the day of a reminder needs none.
  AND (i.finalised_at AT TIME ZONE $4)::date < step.day
  AND NOT EXISTS (SELECT FROM payment_attempt a WHERE a.invoice = i.id AND a.state = 'processing')
  AND NOT EXISTS (SELECT FROM dispute d WHERE d.invoice = i.id AND (d.withdrawn OR NOT (
      d.status IN ('won', 'lost', 'prevented') OR d.status LIKE '%closed')))
  AND NOT EXISTS (SELECT FROM mail_message m WHERE m.key = 'reminder:' || i.id || ':' || step.day)
ORDER BY i.due_date, i.id LIMIT $5
"""
