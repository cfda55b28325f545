"""No row of one mode can refer to a row of the other: the database refuses it, whatever the code does."""

from __future__ import annotations

import asyncpg
import pytest

from portal.contract.facts import Mode
from portal.database.transaction import connection
from tests.builders import connect_account, make_invoice

NO_REFERENCE = frozenset({"connected_account", "audit_entry", "mail_message"})
"""Tables with a mode that refer to nothing of a provider's."""
CROSSING = {
    "invoice": """
        INSERT INTO invoice (customer, account, mode, currency, created_at)
        SELECT customer, $1, 'test', 'usd', now() FROM invoice WHERE id = $2
    """,
    "payment (account)": """
        INSERT INTO payment (invoice, account, mode, kind, external_id, amount_minor, currency, occurred_at,
                             recorded_at)
        VALUES ($2, $1, 'test', 'payment', 'pi_1', 1, 'usd', now(), now())
    """,
    "payment (invoice)": """
        INSERT INTO payment (invoice, account, mode, kind, external_id, amount_minor, currency, occurred_at,
                             recorded_at)
        VALUES ($2, $1, 'live', 'payment', 'pi_1', 1, 'usd', now(), now())
    """,
    "payment_attempt (account)": """
        INSERT INTO payment_attempt (invoice, account, mode, external_id, state, amount_minor, currency,
                                     occurred_at, recorded_at)
        VALUES ($2, $1, 'test', 'pi_1', 'failed', 1, 'usd', now(), now())
    """,
    "payment_attempt (invoice)": """
        INSERT INTO payment_attempt (invoice, account, mode, external_id, state, amount_minor, currency,
                                     occurred_at, recorded_at)
        VALUES ($2, $1, 'live', 'pi_1', 'failed', 1, 'usd', now(), now())
    """,
    "credit (account)": """
        INSERT INTO credit (invoice, account, mode, amount_minor, currency, status, created_at, changed_at)
        VALUES ($2, $1, 'test', 1, 'usd', 'requested', now(), now())
    """,
    "credit (invoice)": """
        INSERT INTO credit (invoice, account, mode, amount_minor, currency, status, created_at, changed_at)
        VALUES ($2, $1, 'live', 1, 'usd', 'requested', now(), now())
    """,
    "webhook_event": """
        INSERT INTO webhook_event (account, mode, external_id, type, body, due_at, received_at)
        SELECT $1, 'test', 'evt_1', 'invoice.paid', '', now(), now() WHERE $2 > 0
    """,
    "sync_task (account)": """
        INSERT INTO sync_task (account, mode, kind, subject_id, idempotency_key, due_at, created_at)
        VALUES ($1, 'test', 'publish_invoice', $2, 'k', now(), now())
    """,
    "sync_task (invoice)": """
        INSERT INTO sync_task (account, mode, kind, subject_id, idempotency_key, due_at, created_at)
        VALUES ($1, 'live', 'publish_invoice', $2, 'k', now(), now())
    """,
    "customer_link": """
        INSERT INTO customer_link (account, mode, external_id, seen_at)
        SELECT $1, 'test', 'cus_1', now() WHERE $2 > 0
    """,
    "stripe_link (account)": """
        INSERT INTO stripe_link (account, mode, kind, external_id, invoice, invoice_external_id)
        VALUES ($1, 'test', 'invoice', 'in_1', $2, 'in_1')
    """,
    "stripe_link (invoice)": """
        INSERT INTO stripe_link (account, mode, kind, external_id, invoice, invoice_external_id)
        VALUES ($1, 'live', 'invoice', 'in_1', $2, 'in_1')
    """,
    "stripe_object": """
        INSERT INTO stripe_object (account, mode, kind, external_id, last_read, read_at)
        SELECT $1, 'test', 'customer', 'cus_1', '{}', now() WHERE $2 > 0
    """,
    "webhook_identity": """
        INSERT INTO webhook_identity (account, mode, external_id, event)
        SELECT $1, 'test', 'evt_1', 1 WHERE $2 > 0
    """,
    "event_walk": """
        INSERT INTO event_walk (account, mode, walked_to) SELECT $1, 'test', now() WHERE $2 > 0
    """,
    "object_reading": """
        INSERT INTO object_reading (account, mode, object_key, read_at)
        SELECT $1, 'test', 'invoice:in_1', now() WHERE $2 > 0
    """,
    "sync_difference": """
        INSERT INTO sync_difference (account, mode, subject_kind, external_id, field, ours, theirs, kind,
                                     cause, rule, trusted, found_by, found_at)
        SELECT $1, 'test', 'customer', 'cus_1', 'name', 'A', 'B', 'drift', '', '', 'theirs', 'event', now()
        WHERE $2 > 0
    """,
    "sync_run": """
        INSERT INTO sync_run (account, mode, purpose, kinds, created_at)
        SELECT $1, 'test', 'resync', '{}', now() WHERE $2 > 0
    """,
    "provider_alert": """
        INSERT INTO provider_alert (account, mode, external_id, kind, words, raised_at)
        SELECT $1, 'test', 'issfr_1', 'fraud_warning', '', now() WHERE $2 > 0
    """,
    "payment_method": """
        INSERT INTO payment_method (account, mode, external_id, kind, words, seen_at)
        SELECT $1, 'test', 'pm_1', 'card', '', now() WHERE $2 > 0
    """,
    "refund (account)": """
        INSERT INTO refund (invoice, account, mode, payment_external_id, amount_minor, currency, status,
                            created_at, changed_at)
        VALUES ($2, $1, 'test', 'pi_1', 1, 'usd', 'requested', now(), now())
    """,
    "refund (invoice)": """
        INSERT INTO refund (invoice, account, mode, payment_external_id, amount_minor, currency, status,
                            created_at, changed_at)
        VALUES ($2, $1, 'live', 'pi_1', 1, 'usd', 'requested', now(), now())
    """,
    "dispute (account)": """
        INSERT INTO dispute (invoice, account, mode, external_id, payment_external_id, amount_minor, currency,
                             status, opened_at, changed_at)
        VALUES ($2, $1, 'test', 'dp_1', 'pi_1', 1, 'usd', 'lost', now(), now())
    """,
    "dispute (invoice)": """
        INSERT INTO dispute (invoice, account, mode, external_id, payment_external_id, amount_minor, currency,
                             status, opened_at, changed_at)
        VALUES ($2, $1, 'live', 'dp_1', 'pi_1', 1, 'usd', 'lost', now(), now())
    """,
    "product": """
        INSERT INTO product (account, mode, external_id, name, seen_at)
        SELECT $1, 'test', 'prod_1', 'A', now() WHERE $2 > 0
    """,
    "plan": """
        INSERT INTO plan (account, mode, external_id, product_external_id, currency, words, seen_at)
        SELECT $1, 'test', 'price_1', 'prod_1', 'usd', '', now() WHERE $2 > 0
    """,
    "subscription": """
        INSERT INTO subscription (account, mode, external_id, customer, customer_external_id,
                                  plan_external_id, status, currency, interval, started_at, seen_at)
        SELECT $1, 'test', 'sub_1', customer, 'cus_1', 'price_1', 'active', 'usd', 'month', now(), now()
        FROM invoice WHERE id = $2
    """,
    "recurring_change (account)": """
        WITH s AS (
            INSERT INTO subscription (account, mode, external_id, customer, customer_external_id,
                                      plan_external_id, status, currency, interval, started_at, seen_at)
            SELECT account, mode, 'sub_1', customer, 'cus_1', 'price_1', 'incomplete', 'usd', 'month', now(),
                   now() FROM invoice WHERE id = $2 RETURNING id)
        INSERT INTO recurring_change (account, mode, subscription, kind, currency, before_parts, after_parts,
                                      at)
        SELECT $1, 'test', id, 'new', 'usd', 0, 1, now() FROM s
    """,
    "recurring_change (subscription)": """
        WITH s AS (
            INSERT INTO subscription (account, mode, external_id, customer, customer_external_id,
                                      plan_external_id, status, currency, interval, started_at, seen_at)
            SELECT account, mode, 'sub_1', customer, 'cus_1', 'price_1', 'incomplete', 'usd', 'month', now(),
                   now() FROM invoice WHERE id = $2 RETURNING id)
        INSERT INTO recurring_change (account, mode, subscription, kind, currency, before_parts, after_parts,
                                      at)
        SELECT a.id, a.mode, s.id, 'new', 'usd', 0, 1, now() FROM s, connected_account a WHERE a.id = $1
    """,
    "subscription_order": """
        INSERT INTO subscription_order (account, mode, customer, plan_external_id, created_at)
        SELECT $1, 'test', customer, 'price_1', now() FROM invoice WHERE id = $2
    """,
    "method_link": """
        WITH s AS (
            INSERT INTO subscription (account, mode, external_id, customer, customer_external_id,
                                      plan_external_id, status, currency, interval, started_at, seen_at)
            SELECT account, mode, 'sub_1', customer, 'cus_1', 'price_1', 'incomplete', 'usd', 'month', now(),
                   now() FROM invoice WHERE id = $2 RETURNING id)
        INSERT INTO method_link (mode, subscription, token_hash, sealed_token, expires_at, created_at)
        SELECT a.mode, s.id, '\\x00', '', now(), now() FROM s, connected_account a WHERE a.id = $1
    """,
}
"""What crosses from test ($2: an invoice of test mode) to live ($1: a live connection)."""


@pytest.mark.parametrize("what", CROSSING)
async def test_a_row_that_crosses_modes_is_refused(database: None, what: str) -> None:
    await connect_account()
    invoice_id = await make_invoice()
    live = await connect_account(mode=Mode.LIVE)
    async with connection() as held:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await held.execute(CROSSING[what], live.id, invoice_id)


@pytest.mark.parametrize("what", [name for name in CROSSING if "invoice" not in name])
async def test_the_same_row_within_one_mode_is_taken(database: None, what: str) -> None:
    account = await connect_account()
    invoice_id = await make_invoice()
    async with connection() as held:
        done = await held.execute(
            CROSSING[what].replace("'k'", "'other'").replace("'in_1'", "'in_2'"), account.id, invoice_id
        )
    assert done == "INSERT 0 1"


async def test_every_table_with_a_mode_is_tried(database: None) -> None:
    async with connection() as held:
        rows = await held.fetch(
            "SELECT table_name FROM information_schema.columns WHERE column_name = 'mode' "
            "AND table_schema = 'public' AND table_name NOT LIKE 'webhook\\_event\\_%'"
        )
    tried = {name.split(" ")[0] for name in CROSSING}
    assert {row[0] for row in rows} - NO_REFERENCE == tried


async def test_a_saved_row_does_not_change_sides(database: None) -> None:
    account = await connect_account()
    await make_invoice()
    async with connection() as held:
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await held.execute("UPDATE connected_account SET mode = 'live' WHERE id = $1", account.id)
        with pytest.raises(asyncpg.ForeignKeyViolationError):
            await held.execute("UPDATE invoice SET mode = 'live'")
