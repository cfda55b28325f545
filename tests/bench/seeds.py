"""A large inbox, as a year of work leaves it."""

from __future__ import annotations

MONTHS = (
    "SELECT ensure_webhook_event_month(now() - make_interval(months => n)) FROM generate_series(0, 3) AS n"
)
SEED = """
WITH given AS (SELECT id, mode FROM connected_account LIMIT 1), made AS (
    SELECT webhook_event_first_id(now() - make_interval(months => n % 4))
               + nextval('webhook_event_number') AS id,
           given.id AS account, given.mode, 'evt_seed' || n AS external_id, n, 'in_seed' || n / 7 AS object,
           now() - make_interval(months => n % 4) - (n % 600) * interval '1 minute' AS at
    FROM given, generate_series(1, {events}) AS n
), told AS (
    INSERT INTO webhook_identity (account, mode, external_id, event)
    SELECT account, mode, external_id, id FROM made
)
INSERT INTO webhook_event (id, account, mode, external_id, type, object_kind, object_id, group_id, body,
                           state, due_at, received_at, processed_at)
SELECT id, account, mode, external_id, 'invoice.paid', 'invoice', object, object,
       convert_to(repeat(md5(n::text), 40), 'UTF8'), 'processed', at, at, at FROM made
"""
"""Spread over four months; bodies of 1.3 kB that do not compress."""
