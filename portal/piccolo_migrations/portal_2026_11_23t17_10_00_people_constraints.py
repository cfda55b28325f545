"""What Piccolo cannot say of people, the organisation and the audit log."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-23T17:10:00"
VERSION = "1.38.0"
DESCRIPTION = "people constraints"

CONSTRAINTS = """
ALTER TABLE person
    ADD CONSTRAINT person_email_once UNIQUE (email),
    ADD CONSTRAINT person_email_lower CHECK (email = lower(email)),
    ADD CONSTRAINT person_role CHECK (role IN ('owner', 'admin', 'viewer'));

ALTER TABLE person_session
    ADD CONSTRAINT person_session_token_once UNIQUE (token_hash);
CREATE INDEX person_session_by_person ON person_session (person, id DESC);

ALTER TABLE login_attempt
    ADD CONSTRAINT login_attempt_subject_once UNIQUE (subject);

ALTER TABLE setup_token
    ADD CONSTRAINT setup_token_single CHECK (id = 1);

ALTER TABLE organisation
    ADD CONSTRAINT organisation_single CHECK (id = 1),
    ADD CONSTRAINT organisation_next_number CHECK (next_invoice_number > 0),
    ADD CONSTRAINT organisation_terms CHECK (terms_days BETWEEN 0 AND 365);

ALTER TABLE audit_entry
    ADD CONSTRAINT audit_entry_actor_kind
        CHECK (actor_kind IN ('person', 'plugin', 'provider', 'customer', 'system')),
    ADD CONSTRAINT audit_entry_one_chain UNIQUE (previous_hash);
CREATE INDEX audit_entry_by_object ON audit_entry (object_kind, object_id, id DESC);
CREATE INDEX audit_entry_by_action ON audit_entry (action text_pattern_ops, id DESC);

CREATE FUNCTION organisation_number_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.next_invoice_number < OLD.next_invoice_number THEN
        RAISE EXCEPTION 'invoice numbers cannot go back';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER organisation_number_rises BEFORE UPDATE ON organisation
    FOR EACH ROW EXECUTE FUNCTION organisation_number_rises();

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_entry
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit_entry
    FOR EACH STATEMENT EXECUTE FUNCTION audit_append_only();
"""


async def forwards() -> MigrationManager:
    """Run after the tables exist."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(CONSTRAINTS)

    manager.add_raw(run)
    return manager
