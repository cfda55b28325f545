"""The outbox: what a provider is to be told. The rows are the queue of record; messages only ring."""

from __future__ import annotations

from collections.abc import Collection

from portal.database.transaction import Connection
from portal.errors import PortalError
from portal.queue.rings import ring

TOLD_ON_INVOICE = frozenset(
    {"publish_invoice", "void_invoice", "uncollectible_invoice", "settle_invoice", "report_payments"}
)
"""Kinds whose state is the sync state of their invoice."""
TRIED_ANEW = frozenset(
    {
        "push_customer",
        "change_subscription",
        "use_method",
        "send_credit",
        "send_refund",
        "report_payments",
        "uncollectible_invoice",
        "settle_invoice",
        "void_invoice",
    }
)
"""Kinds of which one that failed is tried again when it is asked for anew: by a person's new word, or by news
of a copy that is still open though its invoice is void. A payment that was under way may have ended."""


async def queue_task(held: Connection, *, account_id: int, kind: str, subject_id: int) -> int:
    """Put a task into the outbox in the caller's transaction; there is one per kind and subject.

    Asked for again it is done again, also when it is being done right now: with keys of the next generation,
    for the provider would answer the old ones as it did before. One that failed waits for a person, or is
    tried anew where its kind allows that.
    """
    row = await held.fetchrow(_QUEUE, account_id, kind, subject_id, kind in TRIED_ANEW)
    if row is None:
        raise PortalError("The connection that should do this is gone.")
    await _tell_waiting(held, kind, subject_id, row["state"])
    await ring(held, f"{row['plugin']}.run_sync_task", row["id"])
    return int(row["id"])


async def revive_tasks(held: Connection, subject_id: int, kinds: Collection[str]) -> int:
    """Try again what failed for good or waits for an answer; returns how many tasks that are.

    The provider may have kept the refusal under the old keys, so new ones are taken. What an earlier attempt
    may have made is looked for first: the count of attempts is never taken back to the first one.
    """
    rows = await held.fetch(
        """
        UPDATE sync_task t SET state = 'waiting', due_at = now(), attempts = 1, finished_at = NULL,
               key_generation = key_generation + CASE t.state WHEN 'failed' THEN 1 ELSE 0 END
        FROM connected_account a
        WHERE a.id = t.account AND t.subject_id = $1 AND t.kind = ANY ($2::text[])
              AND t.state IN ('failed', 'unknown')
        RETURNING t.id, a.plugin
        """,
        subject_id,
        list(kinds),
    )
    for row in rows:
        await ring(held, f"{row['plugin']}.run_sync_task", row["id"])
    return len(rows)


_QUEUE = """
INSERT INTO sync_task AS old (account, mode, kind, subject_id, idempotency_key, due_at, created_at)
SELECT a.id, a.mode, $2::text, $3::bigint,
       concat_ws(':', 'portal', (SELECT instance_id FROM organisation LIMIT 1),
                 a.id, a.mode, $2::text, $3::bigint),
       now(), now()
FROM connected_account a WHERE a.id = $1
ON CONFLICT (idempotency_key) DO UPDATE SET
    asked = old.asked + 1,
    state = CASE WHEN old.state = 'done' OR old.state = 'failed' AND $4 THEN 'waiting' ELSE old.state END,
    -- What was done has left nothing open; what failed may have: the second attempt of a task looks first.
    attempts = CASE WHEN old.state = 'done' THEN 0 WHEN old.state = 'failed' AND $4 THEN 1
                    ELSE old.attempts END,
    key_generation = old.key_generation + CASE WHEN old.state = 'done' OR old.state = 'failed' AND $4 THEN 1
                                               ELSE 0 END,
    due_at = CASE WHEN old.state = 'sending' THEN old.due_at ELSE now() END,
    finished_at = CASE WHEN old.state = 'failed' AND NOT $4 THEN old.finished_at END
RETURNING id, state, (SELECT plugin FROM connected_account WHERE id = $1) AS plugin
"""


async def _tell_waiting(held: Connection, kind: str, subject_id: int, state: str) -> None:
    """An invoice that the provider has waits to be changed there."""
    if kind not in TOLD_ON_INVOICE or state == "failed":
        return
    await held.execute(
        """
        UPDATE invoice SET sync_state = 'waiting', sync_error = ''
        WHERE id = $1 AND external_id IS NOT NULL AND sync_state <> 'waiting'
        """,
        subject_id,
    )
