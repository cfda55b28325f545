"""Each change of what a subscription brings a month is noted with the row itself, whoever writes it."""

from __future__ import annotations

from piccolo.apps.migrations.auto.migration_manager import MigrationManager

from portal.database.migrations import execute_script

ID = "2026-11-27T03:31:00"
VERSION = "1.38.0"
DESCRIPTION = "recurring"

# 30,270,240 parts make one minor unit (`portal.subscriptions.rules.PARTS`): a day counts 365/12 of a month.
RULES = """
CREATE FUNCTION period_parts(amount_minor bigint, rhythm text, count bigint) RETURNS numeric
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN round(greatest(coalesce(amount_minor, 0), 0)::numeric * CASE rhythm
        WHEN 'day' THEN 920719800 WHEN 'week' THEN 131531400
        WHEN 'month' THEN 30270240 WHEN 'year' THEN 2522520 ELSE 0 END / greatest(count, 1));

CREATE FUNCTION recurring_parts(s subscription) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
SELECT CASE WHEN s.status IN ('active', 'past_due') AND s.pause = ''
            THEN period_parts(s.amount_minor, s.interval, s.interval_count) ELSE 0 END
$$;

CREATE FUNCTION recurring_kind(before_parts numeric, after_parts numeric, known boolean) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN before_parts = after_parts THEN NULL
                WHEN before_parts = 0 THEN CASE WHEN known THEN 'reactivation' ELSE 'new' END
                WHEN after_parts = 0 THEN 'churn'
                WHEN after_parts > before_parts THEN 'expansion' ELSE 'contraction' END;
"""
KEYS = """
ALTER TABLE subscription ADD CONSTRAINT subscription_id_mode UNIQUE (id, mode);
ALTER TABLE recurring_change
    ADD CONSTRAINT recurring_change_kind CHECK (before_parts >= 0 AND after_parts >= 0
        AND kind = recurring_kind(before_parts, after_parts, kind <> 'new')),
    ADD CONSTRAINT recurring_change_account_mode
        FOREIGN KEY (account, mode) REFERENCES connected_account (id, mode),
    ADD CONSTRAINT recurring_change_subscription_mode
        FOREIGN KEY (subscription, mode) REFERENCES subscription (id, mode);
CREATE UNIQUE INDEX recurring_change_new_once ON recurring_change (subscription) WHERE kind = 'new';
CREATE INDEX recurring_change_by_subscription ON recurring_change (subscription, id);
CREATE INDEX recurring_change_by_time ON recurring_change (mode, at)
    INCLUDE (currency, kind, before_parts, after_parts);
"""
# A subscription's rows always add up to what it brings now: the row's lock makes them one after the other.
CHANGES = """
CREATE FUNCTION add_recurring_change(
    s subscription, was numeric, brings numeric, took_effect timestamptz, known boolean
) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF was <> brings THEN
        INSERT INTO recurring_change (account, mode, subscription, kind, currency, before_parts, after_parts, at)
        VALUES (s.account, s.mode, s.id, recurring_kind(was, brings, known), s.currency, was, brings,
                least(took_effect, now()));
    END IF;
END $$;

-- What came before it was known: it brought the same from its start, or the end of its trial, until its end.
CREATE FUNCTION note_recurring_past(s subscription) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    began timestamptz := greatest(s.started_at, s.trial_end);
    brought numeric := period_parts(s.amount_minor, s.interval, s.interval_count);
BEGIN
    IF s.status = 'canceled' AND s.ended_at > began THEN
        PERFORM add_recurring_change(s, 0, brought, began, false);
        PERFORM add_recurring_change(s, brought, 0, s.ended_at, true);
    ELSE
        PERFORM add_recurring_change(s, 0, recurring_parts(s), began, false);
    END IF;
END $$;

-- When the provider says it; else with the new period; else now, or at the start of the period that runs by
-- the provider's clock where that is not ours.
CREATE FUNCTION recurring_moment(old subscription, new subscription) RETURNS timestamptz LANGUAGE sql STABLE AS $$
SELECT coalesce(
    CASE WHEN new.status = 'canceled' THEN coalesce(new.ended_at, new.canceled_at)
         WHEN old.status = 'trialing' AND new.trial_end <= now() THEN new.trial_end
         WHEN new.period_start > old.period_start OR now() NOT BETWEEN new.period_start AND new.period_end
         THEN new.period_start END,
    now())
$$;

CREATE FUNCTION note_recurring_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was numeric := recurring_parts(OLD);
    brings numeric := recurring_parts(NEW);
    known boolean := EXISTS (SELECT FROM recurring_change WHERE subscription = NEW.id);
BEGIN
    IF OLD.currency <> NEW.currency THEN
        PERFORM add_recurring_change(OLD, was, 0, recurring_moment(OLD, NEW), true);
        was := 0;
    END IF;
    IF OLD.status = 'trialing' AND NEW.status = 'canceled' AND NOT known THEN  -- what lay between was missed
        PERFORM note_recurring_past(NEW);
    ELSIF OLD.status = 'canceled' AND brings > 0 THEN  -- nothing comes back from its end: it had not ended
        DELETE FROM recurring_change WHERE kind = 'churn' AND id = (
            SELECT max(id) FROM recurring_change WHERE subscription = NEW.id)
        RETURNING before_parts INTO was;
        PERFORM add_recurring_change(NEW, coalesce(was, 0), brings, recurring_moment(OLD, NEW), known);
    ELSE
        PERFORM add_recurring_change(NEW, was, brings, recurring_moment(OLD, NEW), known);
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION note_recurring_start() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM note_recurring_past(NEW);
    RETURN NULL;
END $$;

CREATE TRIGGER subscription_recurs AFTER INSERT ON subscription
    FOR EACH ROW EXECUTE FUNCTION note_recurring_start();
CREATE TRIGGER subscription_recurs_otherwise
    AFTER UPDATE OF status, pause, amount_minor, currency, interval, interval_count ON subscription
    FOR EACH ROW EXECUTE FUNCTION note_recurring_change();
"""
KNOWN = "SELECT count(note_recurring_past(s)) FROM subscription s"


async def forwards() -> MigrationManager:
    """Run after the table exists."""
    manager = MigrationManager(migration_id=ID, app_name="portal", description=DESCRIPTION)

    async def run() -> None:
        for script in (RULES, KEYS, CHANGES, KNOWN):
            await execute_script(script)

    manager.add_raw(run)
    return manager
