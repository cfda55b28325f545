"""What Piccolo cannot say: composite keys that keep modes apart, partial indexes, checks, the ledger's trigger."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-23T17:00:00"
VERSION = "1.38.0"
DESCRIPTION = "constraints"

CONSTRAINTS = """
ALTER TABLE connected_account
    ADD CONSTRAINT connected_account_mode CHECK (mode IN ('test', 'live')),
    ADD CONSTRAINT connected_account_state
        CHECK (state IN ('ready', 'needs_attention', 'broken', 'disconnected')),
    ADD CONSTRAINT connected_account_id_mode UNIQUE (id, mode);
CREATE UNIQUE INDEX connected_account_once
    ON connected_account (plugin, external_account_id, mode) WHERE state <> 'disconnected';
CREATE UNIQUE INDEX connected_account_webhook_token
    ON connected_account (webhook_token_hash) WHERE webhook_token_hash IS NOT NULL;
CREATE UNIQUE INDEX pending_endpoint_token ON pending_endpoint (token_hash);

CREATE INDEX customer_name ON customer (lower(name) text_pattern_ops, id);
CREATE INDEX customer_email ON customer (lower(email) text_pattern_ops, id);
CREATE INDEX customer_newest ON customer (created_at DESC, id DESC);

ALTER TABLE customer_link
    ADD CONSTRAINT customer_link_external UNIQUE (account, external_id),
    ADD CONSTRAINT customer_link_customer UNIQUE (account, customer),
    ADD CONSTRAINT customer_link_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);

ALTER TABLE invoice
    ADD CONSTRAINT invoice_mode CHECK (mode IN ('test', 'live')),
    ADD CONSTRAINT invoice_status CHECK (status IN ('draft', 'open', 'processing', 'partly_paid', 'paid',
        'refunded', 'uncollectible', 'void')),
    ADD CONSTRAINT invoice_amounts CHECK (total_minor = subtotal_minor + tax_minor AND amount_paid_minor >= 0),
    ADD CONSTRAINT invoice_number_when_final CHECK (status = 'draft' OR number IS NOT NULL),
    ADD CONSTRAINT invoice_number_once UNIQUE (number),
    ADD CONSTRAINT invoice_id_mode UNIQUE (id, mode),
    ADD CONSTRAINT invoice_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE UNIQUE INDEX invoice_pay_token ON invoice (pay_token_hash) WHERE pay_token_hash IS NOT NULL;
CREATE UNIQUE INDEX invoice_external ON invoice (account, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX invoice_newest ON invoice (id DESC);
CREATE INDEX invoice_by_status ON invoice (status, id DESC);
CREATE INDEX invoice_by_customer ON invoice (customer, id DESC);
CREATE INDEX invoice_past_due ON invoice (due_date, id) WHERE status IN ('open', 'partly_paid');

ALTER TABLE invoice_line
    ADD CONSTRAINT invoice_line_position UNIQUE (invoice, position),
    ADD CONSTRAINT invoice_line_quantity CHECK (quantity > 0),
    ADD CONSTRAINT invoice_line_amount CHECK (amount_minor = quantity * unit_minor);

ALTER TABLE payment
    ADD CONSTRAINT payment_kind CHECK (kind IN ('payment', 'refund', 'dispute', 'offline')),
    ADD CONSTRAINT payment_once UNIQUE NULLS NOT DISTINCT (account, external_id, kind),
    ADD CONSTRAINT payment_invoice_mode FOREIGN KEY (invoice, mode) REFERENCES invoice (id, mode),
    ADD CONSTRAINT payment_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX payment_by_invoice ON payment (invoice, id);
CREATE INDEX payment_by_time ON payment (mode, currency, occurred_at);

ALTER TABLE payment_attempt
    ADD CONSTRAINT payment_attempt_state CHECK (state IN ('processing', 'succeeded', 'failed')),
    ADD CONSTRAINT payment_attempt_once UNIQUE (account, external_id),
    ADD CONSTRAINT payment_attempt_invoice_mode FOREIGN KEY (invoice, mode) REFERENCES invoice (id, mode),
    ADD CONSTRAINT payment_attempt_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX payment_attempt_by_invoice ON payment_attempt (invoice, id);

ALTER TABLE webhook_event
    ADD CONSTRAINT webhook_event_state CHECK (state IN ('received', 'processing', 'processed', 'ignored',
        'parked', 'rejected')),
    ADD CONSTRAINT webhook_event_once UNIQUE (account, external_id),
    ADD CONSTRAINT webhook_event_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX webhook_event_due ON webhook_event (due_at, id) WHERE state IN ('received', 'processing');
CREATE INDEX webhook_event_group ON webhook_event (account, group_id, id) WHERE state IN ('received', 'processing');
CREATE INDEX webhook_event_object ON webhook_event (object_id, id);
CREATE INDEX webhook_event_newest ON webhook_event (id DESC);
CREATE INDEX webhook_event_parked ON webhook_event (account, id) WHERE state = 'parked';

ALTER TABLE sync_task
    ADD CONSTRAINT sync_task_state CHECK (state IN ('waiting', 'sending', 'done', 'failed', 'unknown')),
    ADD CONSTRAINT sync_task_key UNIQUE (idempotency_key),
    ADD CONSTRAINT sync_task_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX sync_task_due ON sync_task (due_at, id) WHERE state IN ('waiting', 'sending', 'unknown');
CREATE INDEX sync_task_subject ON sync_task (kind, subject_id);

CREATE FUNCTION payment_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.method IS NULL
       AND to_jsonb(NEW) - 'method' = to_jsonb(OLD) - 'method' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the ledger is append-only';
END $$;
CREATE TRIGGER payment_append_only BEFORE UPDATE OR DELETE ON payment
    FOR EACH ROW EXECUTE FUNCTION payment_append_only();
"""


async def forwards() -> MigrationManager:
    """Run after the tables exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(CONSTRAINTS)

    manager.add_raw(run)
    return manager
