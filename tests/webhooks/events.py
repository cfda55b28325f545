"""Rows of the inbox for tests of its pages."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from portal.database.transaction import transaction
from tests.builders import Connected

BODY = b"""{"id": "evt_1", "data": {"object": {"id": "in_1", "client_secret": "pi_1_secret_abcdef",
 "note": "key sk_live_abcdefghijk", "customer_email": "ap@globex.example"}}}"""


async def make_event(
    account: Connected,
    *,
    state: str = "processed",
    type_: str = "invoice.paid",
    body: bytes = BODY,
    object_id: str = "in_1",
    external_id: str | None = None,
    at: datetime | None = None,
    history: list[dict[str, object]] | None = None,
) -> int:
    """A stored event; both of an event and its identity, as intake writes them. Returns the id."""
    ended = state in ("processed", "ignored")
    received_at = at or datetime.now(UTC)
    async with transaction() as tx:
        event_id: int = await tx.connection.fetchval(
            """
            INSERT INTO webhook_event
                (account, mode, external_id, type, object_kind, object_id, group_id, body, state, attempts,
                 due_at, error_code, error_words, received_at, processed_at, history)
            VALUES ($1, $2, coalesce($3, gen_random_uuid()::text), $4, 'invoice', $5, $5, $6, $7, 12,
                    now(), $8, $9, $10, $11, to_jsonb($12::json))
            RETURNING id
            """,
            account.id,
            account.mode.value,
            external_id,
            type_,
            object_id,
            body,
            state,
            "" if ended else "STRIPE_OBJECT_MISSING",
            "" if ended else "Stripe does not know this payment.",
            received_at,
            received_at if ended else None,
            json.dumps(history or []),
        )
        await tx.connection.execute(
            """
            INSERT INTO webhook_identity (account, mode, external_id, event)
            SELECT account, mode, external_id, id FROM webhook_event WHERE id = $1
            """,
            event_id,
        )
    return event_id
