"""Who is proposed as the same customer, and who took over a merged one."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-26T21:28:00"
VERSION = "1.38.0"
DESCRIPTION = "matches"

MATCHES = """
CREATE INDEX customer_link_unknown ON customer_link (lower(email), account)
    WHERE customer IS NULL AND NOT deleted AND email <> '';
CREATE INDEX customer_merged ON customer (merged_into) WHERE merged_into IS NOT NULL;
ALTER TABLE customer_apart
    ADD CONSTRAINT customer_apart_once UNIQUE NULLS NOT DISTINCT (customer, link, other),
    ADD CONSTRAINT customer_apart_from_one CHECK (num_nonnulls(link, other) = 1),
    ADD CONSTRAINT customer_apart_from_another CHECK (other <> customer);
CREATE INDEX customer_apart_by_link ON customer_apart (link);
CREATE INDEX customer_apart_by_other ON customer_apart (other);

-- Whoever names a customer that is being merged right now, or was a moment ago, means the one that took over.
CREATE FUNCTION name_customer_that_took_over() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept bigint;
BEGIN
    WHILE NEW.customer IS NOT NULL LOOP
        SELECT merged_into INTO kept FROM customer WHERE id = NEW.customer FOR KEY SHARE;
        EXIT WHEN kept IS NULL;
        NEW.customer := kept;
    END LOOP;
    RETURN NEW;
END $$;
CREATE TRIGGER invoice_of_kept BEFORE INSERT OR UPDATE OF customer ON invoice
    FOR EACH ROW EXECUTE FUNCTION name_customer_that_took_over();
CREATE TRIGGER subscription_of_kept BEFORE INSERT OR UPDATE OF customer ON subscription
    FOR EACH ROW EXECUTE FUNCTION name_customer_that_took_over();

-- The same of a link. Where the kept customer has a living one already, nobody knows this one.
CREATE FUNCTION link_customer_that_took_over() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    kept bigint;
    moved boolean := false;
BEGIN
    WHILE NEW.customer IS NOT NULL LOOP
        SELECT merged_into INTO kept FROM customer WHERE id = NEW.customer FOR KEY SHARE;
        EXIT WHEN kept IS NULL;
        NEW.customer := kept;
        moved := true;
    END LOOP;
    IF moved AND NOT NEW.deleted AND EXISTS (
        SELECT FROM customer_link o
        WHERE o.account = NEW.account AND o.customer = NEW.customer AND NOT o.deleted AND o.id <> NEW.id
    ) THEN
        NEW.customer := NULL;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER customer_link_of_kept BEFORE INSERT OR UPDATE OF customer ON customer_link
    FOR EACH ROW EXECUTE FUNCTION link_customer_that_took_over();
"""


async def forwards() -> MigrationManager:
    """Run after the table exists."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        await execute_script(MATCHES)

    manager.add_raw(run)
    return manager
