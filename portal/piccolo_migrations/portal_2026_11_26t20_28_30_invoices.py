"""What Piccolo cannot say about mail, credits, tax rates and discounts."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T20:28:30"
VERSION = "1.38.0"
DESCRIPTION = "invoices"

CONSTRAINTS = """
ALTER TABLE invoice
    DROP CONSTRAINT invoice_amounts,
    ADD CONSTRAINT invoice_amounts CHECK (
        total_minor = subtotal_minor - discount_minor + tax_minor AND amount_paid_minor >= 0),
    ADD CONSTRAINT invoice_discount CHECK (
        discount_minor >= 0 AND (discount_percent IS NULL OR discount_percent BETWEEN 0 AND 100));

ALTER TABLE credit
    ADD CONSTRAINT credit_status CHECK (status IN ('requested', 'issued', 'failed', 'void')),
    ADD CONSTRAINT credit_amount CHECK (amount_minor > 0),
    ADD CONSTRAINT credit_external UNIQUE (account, external_id),
    ADD CONSTRAINT credit_invoice_mode FOREIGN KEY (invoice, mode) REFERENCES invoice (id, mode),
    ADD CONSTRAINT credit_account_mode FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode);
CREATE INDEX credit_by_invoice ON credit (invoice, id);

ALTER TABLE tax_rate
    ADD CONSTRAINT tax_rate_percent CHECK (percent BETWEEN 0 AND 100);
CREATE UNIQUE INDEX tax_rate_once ON tax_rate (lower(name), percent);

ALTER TABLE organisation
    ADD CONSTRAINT organisation_pay_link_days CHECK (pay_link_days BETWEEN 1 AND 3650);

ALTER TABLE customer
    ADD CONSTRAINT customer_merged_into FOREIGN KEY (merged_into) REFERENCES customer (id),
    ADD CONSTRAINT customer_not_into_itself CHECK (merged_into <> id);

ALTER TABLE mail_message
    ADD CONSTRAINT mail_message_once UNIQUE (key),
    ADD CONSTRAINT mail_message_state CHECK (state IN ('waiting', 'sending', 'sent', 'failed', 'dropped'));
CREATE INDEX mail_message_due ON mail_message (due_at, id) WHERE state IN ('waiting', 'sending');
CREATE INDEX mail_message_subject ON mail_message (subject_kind, subject_id, id);
"""


async def forwards() -> MigrationManager:
    """Run after the columns exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(CONSTRAINTS)

    manager.add_raw(run)
    return manager
