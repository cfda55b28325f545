"""Whether a provider's copy of an invoice of ours still says what the invoice says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portal.audit.sources import Source
from portal.contract.facts import InvoicePublished
from portal.database.transaction import Connection
from portal.money import Money
from portal.sync.differences import Difference, Trusted, close_differences, note_difference
from portal.sync.queueing import queue_task

FIELDS = ("total", "due date", "memo", "status")
CUT = 200
"""Providers cut long memos: one that goes on here and not there is the same from this length on."""
MOST_WEST, MOST_EAST = timedelta(hours=-12), timedelta(hours=14)
PAID = frozenset({"paid", "partly_paid", "refunded"})
MISSING = {("paid", "open"): "settle_invoice", ("paid", "uncollectible"): "settle_invoice"} | {
    ("uncollectible", "open"): "uncollectible_invoice",
    ("partly_paid", "open"): "report_payments",
    ("partly_paid", "uncollectible"): "report_payments",
}
"""Status here and there -> what the provider has not heard, when the copy came into being afterwards."""
_OURS = """
SELECT i.id, i.status, i.total_minor, i.currency, i.due_date, i.memo, i.voided_at,
       coalesce((SELECT time_zone FROM organisation LIMIT 1), 'UTC') AS zone,
       ARRAY(SELECT kind FROM sync_task t WHERE t.subject_id = i.id AND t.account = $2 AND t.state <> 'done')
       AS unsent,
       EXISTS (SELECT FROM sync_difference d
               WHERE d.account = $2 AND d.external_id = $3 AND d.state = 'open') AS reported
FROM invoice i WHERE i.id = $1
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """How many values differ, and whether a report may have said so of the object before."""

    differing: int = 0
    reported: bool = True


@dataclass(frozen=True, slots=True)
class _Found:
    field: str
    ours: str
    theirs: str
    cause: str
    rule: str
    trusted: Trusted = "person"


async def compare_copy(
    held: Connection, source: Source, invoice_id: int, fact: InvoicePublished, *, found_by: str
) -> Compared:
    """Note what differs inside the caller's transaction, close what does not.

    Call it after the fact was applied. Of a copy that somebody closed here and that is still open there, the
    provider is told.
    """
    if fact.status is None:
        return Compared()
    ours = await held.fetchrow(_OURS, invoice_id, source.account_id, fact.external_id)
    if ours is None or ours["status"] == "draft":
        return Compared()
    found = list(_differing(ours, fact, source.actor.name))
    for one in found:
        about = (invoice_id, fact.external_id)
        await note_difference(held, _difference(source, about, one, found_by))
    if ours["reported"]:
        agreed = [field for field in FIELDS if field not in {one.field for one in found}]
        await close_differences(held, source.account_id, fact.external_id, fields=agreed)
    await _send_what_is_missing(held, source, ours, fact.status)
    return Compared(len(found), reported=ours["reported"])


def shown_date(day: date) -> str:
    """A day as it stands in a difference: `30 Nov 2026`."""
    return f"{day:%-d %b %Y}"


def shown_total(total: Money) -> str:
    """A total as it stands in a difference, with its currency by name: `USD 90.00`."""
    return f"{total.currency.upper()} {total.plain()}"


def _differing(ours: Any, fact: InvoicePublished, provider: str) -> Iterator[_Found]:
    total = Money(ours["total_minor"], ours["currency"])
    if fact.total is not None and fact.total != total and fact.status != "void":
        yield _Found(
            "total",
            shown_total(total),
            shown_total(fact.total),
            f"{provider}'s copy adds up to something else.",
            "Nobody can pay until somebody chooses.",
        )
    if fact.status == "open":
        yield from _details(ours, fact, provider)
    yield from _status(ours, fact, provider)


def _details(ours: Any, fact: InvoicePublished, provider: str) -> Iterator[_Found]:
    cause, rule = f"It was changed in {provider}.", "Both stay as they are until somebody chooses."
    zone = ZoneInfo(ours["zone"])
    if ours["due_date"] is not None and fact.due_at is not None:
        theirs, sent = fact.due_at.astimezone(zone).date(), fact.occurred_at.astimezone(zone).date()
        # What was overdue when it was sent is due at once there: no due date may lie in the past.
        overdue = ours["due_date"] <= sent <= theirs
        if theirs != ours["due_date"] and not overdue and not _ends(ours["due_date"], fact.due_at):
            yield _Found("due date", shown_date(ours["due_date"]), shown_date(theirs), cause, rule)
    memo = fact.memo
    cut = memo is not None and len(memo) >= CUT and ours["memo"].startswith(memo)
    if memo is not None and memo != ours["memo"] and not cut:
        yield _Found("memo", ours["memo"], memo, cause, rule)


def _ends(day: date, moment: datetime) -> bool:
    """Whether the day ended somewhere then: the company may have had another time zone when it was sent."""
    offset = datetime.combine(day, time(23, 59, 59), UTC) - moment
    return MOST_WEST <= offset <= MOST_EAST and not offset % timedelta(minutes=15)


def _status(ours: Any, fact: InvoicePublished, provider: str) -> Iterator[_Found]:
    if fact.status == "void" and ours["status"] in PAID and ours["total_minor"] > 0:
        cause = f"It was voided in {provider}, and money for it arrived here."
        rule = "The money decides: it stays as it is here. What is void there stays void."
        yield _Found("status", _shown(ours["status"]), "Void", cause, rule, "ours")
    elif (
        fact.status == "paid" and ours["voided_at"] is not None and ours["status"] in ("paid", "partly_paid")
    ):
        cause = "It was voided here, and a payment met it on the way."
        rule = "The money decides: it counts as paid. Refund it if it should not have been."
        yield _Found("status", "Void", "Paid", cause, rule, "theirs")
    elif fact.status == "void" and "uncollectible_invoice" in ours["unsent"]:
        cause = f"It was marked as uncollectible here and voided in {provider}."
        rule = "Void is final there, so it counts here as well."
        yield _Found("status", "Uncollectible", "Void", cause, rule, "theirs")


def _shown(status: str) -> str:
    return status.replace("_", " ").capitalize()


async def _send_what_is_missing(held: Connection, source: Source, ours: Any, theirs: str | None) -> None:
    kind = MISSING.get((ours["status"], theirs or ""))
    if kind == "report_payments" and not await _was_paid_before(held, ours["id"]):
        return
    if kind is not None and kind not in ours["unsent"] and ours["total_minor"] > 0:
        await queue_task(held, account_id=source.account_id, kind=kind, subject_id=ours["id"])


async def _was_paid_before(held: Connection, invoice_id: int) -> bool:
    """Whether people recorded a part before there was a copy: nobody has told the provider of it yet."""
    found: bool = await held.fetchval(
        """
        SELECT EXISTS (SELECT FROM payment WHERE invoice = $1 AND kind = 'offline' AND account IS NULL)
           AND NOT EXISTS (SELECT FROM sync_task WHERE subject_id = $1 AND kind = 'report_payments')
        """,
        invoice_id,
    )
    return found


def _difference(source: Source, about: tuple[int, str], found: _Found, found_by: str) -> Difference:
    invoice_id, external_id = about
    return Difference(
        account_id=source.account_id,
        mode=source.mode,
        subject_kind="invoice",
        subject_id=invoice_id,
        external_id=external_id,
        field=found.field,
        ours=found.ours,
        theirs=found.theirs,
        kind="conflict",
        cause=found.cause,
        rule=found.rule,
        trusted=found.trusted,
        found_by=found_by,
    )
