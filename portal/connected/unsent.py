"""What the portal could not tell a provider: for whom it is, why, and another try."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.audit.services import Actor, record
from portal.database.transaction import connection, transaction
from portal.errors import NotFound
from portal.invoices.services import retry_sync
from portal.sync.queueing import TOLD_ON_INVOICE, revive_tasks

SHOWN = 20
KINDS = {
    "publish_invoice": "Create or change the invoice",
    "void_invoice": "Void the invoice",
    "uncollectible_invoice": "Mark the invoice as uncollectible",
    "settle_invoice": "Mark the invoice as paid outside",
    "report_payments": "Tell of a part that was paid elsewhere",
    "push_customer": "Change the customer",
    "change_subscription": "Change the subscription",
    "use_method": "Charge the subscription to another method",
    "collect_invoice": "Charge the customer's saved method",
    "send_refund": "Refund",
    "send_credit": "Credit",
    "start_subscription": "Start a subscription",
}
RETRIED = TOLD_ON_INVOICE | {
    "push_customer",
    "change_subscription",
    "use_method",
    "send_refund",
    "send_credit",
    "start_subscription",
}
"""Each looks first at what an earlier attempt may have done."""


@dataclass(frozen=True, slots=True)
class Unsent:
    """A change that failed for good, or whose answer never came."""

    id: int
    kind: str
    state: str
    error: str
    at: datetime
    name: str
    href: str
    wanted: bool
    """Whether anybody still waits for it: what was refused to an order is over, and asked for anew."""

    @property
    def words(self) -> str:
        """What should have been done."""
        return KINDS.get(self.kind, self.kind.replace("_", " ").capitalize())

    @property
    def may_retry(self) -> bool:
        """Whether a press of a button can set it going again."""
        return self.state == "failed" and self.wanted and self.kind in RETRIED


async def unsent_of(account_id: int) -> list[Unsent]:
    """The newest of an account."""
    async with connection() as held:
        rows = await held.fetch(_UNSENT, account_id, list(TOLD_ON_INVOICE), SHOWN)
    return [Unsent(**dict(row)) for row in rows]


async def retry_task(account_id: int, task_id: int, *, actor: Actor) -> None:
    """Try one of them again.

    Raises:
        NotFound: nothing of this account failed under this number.
    """
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT kind, subject_id, mode FROM sync_task
            WHERE id = $1 AND account = $2 AND state = 'failed'
            """,
            task_id,
            account_id,
        )
    if row is None or row["kind"] not in RETRIED:
        raise NotFound("There is nothing left to try again there.")
    if row["kind"] in TOLD_ON_INVOICE:
        await retry_sync(row["subject_id"], actor=actor)
        return
    async with transaction() as tx:
        await revive_tasks(tx.connection, row["subject_id"], [row["kind"]])
        await record(
            tx.connection,
            actor=actor,
            action="task.retried",
            words=f"Asked to try again: {KINDS[row['kind']].lower()}.",
            subject=(_about(row["kind"]), row["subject_id"]),
            mode=row["mode"],
        )


def _about(kind: str) -> str:
    return "subscription" if kind == "use_method" else kind.rpartition("_")[2]


_UNSENT = """
SELECT t.id, t.kind, t.state, t.error, coalesce(t.finished_at, t.created_at) AS at,
       coalesce(i.number, c.name, s.external_id, '') AS name,
       CASE WHEN i.id IS NOT NULL THEN '/invoices/' || i.id
            WHEN o.id IS NOT NULL THEN '/subscriptions/orders/' || o.id
            WHEN c.id IS NOT NULL THEN '/customers/' || c.id
            WHEN s.id IS NOT NULL THEN '/subscriptions/' || s.id ELSE '' END AS href,
       coalesce(r.status = 'requested', d.status = 'requested', o.status = 'asked', true) AS wanted
FROM sync_task t
LEFT JOIN refund r ON t.kind = 'send_refund' AND r.id = t.subject_id
LEFT JOIN credit d ON t.kind = 'send_credit' AND d.id = t.subject_id
LEFT JOIN invoice i ON i.id = CASE WHEN t.kind = ANY ($2::text[]) THEN t.subject_id
                                   ELSE coalesce(r.invoice, d.invoice) END
LEFT JOIN subscription_order o ON t.kind = 'start_subscription' AND o.id = t.subject_id
LEFT JOIN customer c ON c.id = CASE WHEN t.kind = 'push_customer' THEN t.subject_id ELSE o.customer END
LEFT JOIN subscription s ON t.kind IN ('change_subscription', 'use_method') AND s.id = t.subject_id
WHERE t.account = $1 AND t.state IN ('failed', 'unknown') ORDER BY t.id DESC LIMIT $3
"""
