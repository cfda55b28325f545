"""The inbox cut into months, keys that keep modes apart, one run at a time."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T17:20:00"
VERSION = "1.38.0"
DESCRIPTION = "exchange"

MONTHS = """
-- The inbox is cut by its own ids: the month of receipt leads, a number that only rises follows. So a month is
-- a range of ids, an id alone finds its month, and the order of ids is the order of arrival.
CREATE SEQUENCE webhook_event_number AS bigint;
CREATE FUNCTION webhook_event_first_id(at timestamptz) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN (extract(year FROM at AT TIME ZONE 'UTC')::bigint * 100
            + extract(month FROM at AT TIME ZONE 'UTC')::bigint - 200000) * 1000000000000;
CREATE FUNCTION new_webhook_event_id() RETURNS bigint LANGUAGE sql VOLATILE
    RETURN webhook_event_first_id(now()) + nextval('webhook_event_number');

ALTER TABLE webhook_event RENAME TO webhook_event_uncut;
CREATE TABLE webhook_event (LIKE webhook_event_uncut INCLUDING DEFAULTS) PARTITION BY RANGE (id);
ALTER TABLE webhook_event ALTER COLUMN id SET DEFAULT new_webhook_event_id();
ALTER SEQUENCE webhook_event_number OWNED BY webhook_event.id;
CREATE TABLE webhook_event_before PARTITION OF webhook_event FOR VALUES FROM (MINVALUE) TO (1000000000000);
CREATE TABLE webhook_event_default PARTITION OF webhook_event DEFAULT;

-- The partition of the month that `at` lies in; events that came before it existed move over from the default.
CREATE FUNCTION ensure_webhook_event_month(at timestamptz) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    first_moment timestamptz := date_trunc('month', at AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
    next_moment timestamptz := (date_trunc('month', at AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    from_id bigint := webhook_event_first_id(first_moment);
    to_id bigint := webhook_event_first_id(next_moment);
    name text := 'webhook_event_' || to_char(at AT TIME ZONE 'UTC', 'YYYY_MM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('webhook_event months'));
    IF to_regclass(name) IS NOT NULL THEN
        RETURN NULL;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE webhook_event INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format('WITH moved AS (DELETE FROM webhook_event_default WHERE id >= %s AND id < %s RETURNING *) '
                   'INSERT INTO %I SELECT * FROM moved', from_id, to_id, name);
    EXECUTE format('ALTER TABLE webhook_event ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                   name, from_id, to_id);
    RETURN name;
END $$;

INSERT INTO webhook_event SELECT * FROM webhook_event_uncut;
INSERT INTO webhook_identity (account, mode, external_id, event)
    SELECT account, mode, external_id, id FROM webhook_event_uncut;
DROP TABLE webhook_event_uncut;

ALTER TABLE webhook_event
    ADD PRIMARY KEY (id),
    ADD CONSTRAINT webhook_event_account FOREIGN KEY (account) REFERENCES connected_account (id),
    ADD CONSTRAINT webhook_event_state CHECK (state IN ('received', 'processing', 'processed', 'ignored',
        'parked', 'rejected')),
    ADD CONSTRAINT webhook_event_origin CHECK (origin IN ('delivery', 'list')),
    ADD CONSTRAINT webhook_event_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX webhook_event_due ON webhook_event (due_at, id) WHERE state IN ('received', 'processing');
CREATE INDEX webhook_event_group ON webhook_event (account, group_id, id) WHERE state IN ('received', 'processing');
CREATE INDEX webhook_event_object ON webhook_event (object_id, id);
CREATE INDEX webhook_event_parked ON webhook_event (account, id) WHERE state = 'parked';
CREATE INDEX webhook_event_received ON webhook_event USING brin (received_at)
    WITH (pages_per_range = 32, autosummarize = on);
SELECT ensure_webhook_event_month(now() + make_interval(months => ahead)) FROM generate_series(0, 3) AS ahead;
"""

KEYS = """
ALTER TABLE webhook_identity
    ADD CONSTRAINT webhook_identity_once UNIQUE (account, external_id),
    ADD CONSTRAINT webhook_identity_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX webhook_identity_event ON webhook_identity (event);
CREATE INDEX webhook_identity_external ON webhook_identity (external_id);
ALTER TABLE event_walk
    ADD CONSTRAINT event_walk_once UNIQUE (account),
    ADD CONSTRAINT event_walk_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);

ALTER TABLE object_reading
    ADD CONSTRAINT object_reading_once UNIQUE (account, object_key),
    ADD CONSTRAINT object_reading_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
ALTER TABLE sync_difference
    ADD CONSTRAINT sync_difference_kind CHECK (kind IN ('conflict', 'drift')),
    ADD CONSTRAINT sync_difference_trusted CHECK (trusted IN ('ours', 'theirs', 'person')),
    ADD CONSTRAINT sync_difference_state
        CHECK (state IN ('open', 'kept_ours', 'took_theirs', 'repaired', 'gone')),
    ADD CONSTRAINT sync_difference_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE UNIQUE INDEX sync_difference_open ON sync_difference (account, external_id, field) WHERE state = 'open';
CREATE INDEX sync_difference_subject ON sync_difference (subject_kind, subject_id, id DESC);
CREATE INDEX sync_difference_newest ON sync_difference (account, state, id DESC);
ALTER TABLE sync_run
    ADD CONSTRAINT sync_run_purpose CHECK (purpose IN ('resync', 'comparison')),
    ADD CONSTRAINT sync_run_state
        CHECK (state IN ('waiting', 'running', 'paused', 'stopped', 'done', 'failed')),
    ADD CONSTRAINT sync_run_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE UNIQUE INDEX sync_run_one_at_a_time ON sync_run (account) WHERE state IN ('waiting', 'running', 'paused');
CREATE INDEX sync_run_newest ON sync_run (account, id DESC);
ALTER TABLE sync_cursor ADD CONSTRAINT sync_cursor_once UNIQUE (run, kind, slice);
ALTER TABLE account_count ADD CONSTRAINT account_count_once UNIQUE (account, hour, what);

ALTER TABLE provider_alert
    ADD CONSTRAINT provider_alert_once UNIQUE (account, external_id),
    ADD CONSTRAINT provider_alert_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX provider_alert_open ON provider_alert (account, id DESC) WHERE seen_at IS NULL;
ALTER TABLE payment_method
    ADD CONSTRAINT payment_method_once UNIQUE (account, external_id),
    ADD CONSTRAINT payment_method_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX payment_method_customer ON payment_method (account, customer_external_id);
ALTER TABLE refund
    ADD CONSTRAINT refund_status
        CHECK (status IN ('requested', 'pending', 'requires_action', 'succeeded', 'failed', 'canceled')),
    ADD CONSTRAINT refund_amount CHECK (amount_minor > 0),
    ADD CONSTRAINT refund_invoice_mode FOREIGN KEY (invoice, mode) REFERENCES invoice (id, mode),
    ADD CONSTRAINT refund_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE UNIQUE INDEX refund_external ON refund (account, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX refund_by_invoice ON refund (invoice, id);
ALTER TABLE dispute
    ADD CONSTRAINT dispute_once UNIQUE (account, external_id),
    ADD CONSTRAINT dispute_invoice_mode FOREIGN KEY (invoice, mode) REFERENCES invoice (id, mode),
    ADD CONSTRAINT dispute_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX dispute_by_invoice ON dispute (invoice, id);

ALTER TABLE product
    ADD CONSTRAINT product_once UNIQUE (account, external_id),
    ADD CONSTRAINT product_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
ALTER TABLE plan
    ADD CONSTRAINT plan_once UNIQUE (account, external_id),
    ADD CONSTRAINT plan_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX plan_by_product ON plan (account, product_external_id);
ALTER TABLE subscription
    ADD CONSTRAINT subscription_once UNIQUE (account, external_id),
    ADD CONSTRAINT subscription_status CHECK (status IN ('incomplete', 'incomplete_expired', 'trialing', 'active',
        'past_due', 'unpaid', 'paused', 'canceled')),
    ADD CONSTRAINT subscription_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX subscription_newest ON subscription (mode, id DESC);
CREATE INDEX subscription_by_customer ON subscription (customer, id DESC);

-- Numbers are the portal's own promise; those that a provider gave are its own business.
ALTER TABLE invoice
    DROP CONSTRAINT invoice_number_once,
    ADD CONSTRAINT invoice_origin CHECK (origin IN ('portal', 'provider'));
CREATE UNIQUE INDEX invoice_number_once ON invoice (number) WHERE origin = 'portal';
CREATE INDEX invoice_by_subscription ON invoice (account, subscription_external_id, id DESC)
    WHERE subscription_external_id IS NOT NULL;
"""


async def forwards() -> MigrationManager:
    """Run after the columns exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(MONTHS)
        await execute_script(KEYS)

    manager.add_raw(run)
    return manager
