"""The SQL of the queue in PostgreSQL.

A job is a row. `visible_at` alone does three things: a delay (it lies ahead), a lease (a worker set it ahead
and does so again while it runs the job) and redelivery (the lease ran out: the row is visible again).
"""

from __future__ import annotations

CHANNEL = "portal_job"
"""Where PostgreSQL tells waiting workers the name of a queue that has something new."""

CREATE_TABLES = """
CREATE TABLE IF NOT EXISTS portal_job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue_name text NOT NULL DEFAULT 'default',
    actor_name text NOT NULL,
    message_id uuid NOT NULL DEFAULT gen_random_uuid(),
    args jsonb NOT NULL DEFAULT '[]' CHECK (jsonb_typeof(args) = 'array'),
    kwargs jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(kwargs) = 'object'),
    options jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(options) = 'object'),
    enqueued_at timestamptz NOT NULL DEFAULT now(),
    visible_at timestamptz NOT NULL DEFAULT now(),
    owner uuid,
    deliveries integer NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

CREATE INDEX IF NOT EXISTS portal_job_visible ON portal_job (queue_name, visible_at, id);

CREATE TABLE IF NOT EXISTS portal_job_dead (
    id bigint PRIMARY KEY,
    queue_name text NOT NULL,
    actor_name text NOT NULL,
    message_id uuid NOT NULL,
    args jsonb NOT NULL,
    kwargs jsonb NOT NULL,
    options jsonb NOT NULL,
    enqueued_at timestamptz NOT NULL,
    deliveries integer NOT NULL,
    reason text NOT NULL,
    died_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX IF NOT EXISTS portal_job_dead_died ON portal_job_dead (died_at);

CREATE TABLE IF NOT EXISTS portal_schedule (
    name text PRIMARY KEY,
    every_seconds integer NOT NULL CHECK (every_seconds > 0),
    next_run_at timestamptz NOT NULL DEFAULT now(),
    last_run_at timestamptz
);

CREATE OR REPLACE FUNCTION portal_job_announce() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('portal_job', queue_name) FROM (SELECT DISTINCT queue_name FROM added) AS queues;
    RETURN NULL;
END $$;

DROP TRIGGER IF EXISTS portal_job_announce ON portal_job;
CREATE TRIGGER portal_job_announce AFTER INSERT ON portal_job REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION portal_job_announce();
"""
"""Everything the queue needs. The trigger sends the NOTIFY, so that no insert can forget it."""

DROP_TABLES = """
DROP TABLE IF EXISTS portal_job, portal_job_dead, portal_schedule;
DROP FUNCTION IF EXISTS portal_job_announce();
"""

RING_FRESH = """
INSERT INTO portal_job (actor_name, args)
SELECT fresh.actor_name, jsonb_build_array(fresh.id) FROM fresh
"""
"""Rings for each row of a CTE `fresh` with the columns `id` and `actor_name`, in the caller's statement:

    WITH fresh AS (
        INSERT INTO webhook_event (...) VALUES (...) ON CONFLICT DO NOTHING
        RETURNING id, 'stripe.handle_event' AS actor_name
    ), rung AS (<RING_FRESH>)
    SELECT id FROM fresh

The job exists if and only if the event does, and workers wake at the same commit.
"""

ENQUEUE = """
INSERT INTO portal_job (queue_name, actor_name, message_id, args, kwargs, options, visible_at)
SELECT j.queue_name, j.actor_name, j.message_id, j.args, j.kwargs, j.options,
       now() + $7::bigint * interval '1 millisecond'
FROM unnest($1::text[], $2::text[], $3::uuid[], $4::jsonb[], $5::jsonb[], $6::jsonb[])
  AS j(queue_name, actor_name, message_id, args, kwargs, options)
"""

# ARRAY(...) keeps the planner on the primary key, whatever it believes about the size of the table.
FETCH = """
UPDATE portal_job SET visible_at = now() + $3::float8 * interval '1 second', owner = $4,
       deliveries = deliveries + 1
WHERE id = ANY (ARRAY(
    SELECT id FROM portal_job WHERE queue_name = $1 AND visible_at <= now()
    ORDER BY visible_at, id LIMIT $2 FOR UPDATE SKIP LOCKED))
RETURNING id, queue_name, actor_name, message_id, args, kwargs, options, enqueued_at, deliveries
"""

NEXT_VISIBLE = """
SELECT extract(epoch FROM min(visible_at) - clock_timestamp())::float8 FROM portal_job WHERE queue_name = $1
"""

RENEW = """
UPDATE portal_job SET visible_at = now() + $3::float8 * interval '1 second'
WHERE id = ANY ($1::bigint[]) AND owner = $2
"""

FINISH = "DELETE FROM portal_job WHERE id = ANY ($1::bigint[]) AND owner = $2"

# A retry is the same row later, so that no outage between "enqueue the retry" and "acknowledge" can lose it.
RETRY = """
UPDATE portal_job AS job SET owner = NULL, deliveries = 0, options = later.options,
       visible_at = now() + later.delay_ms * interval '1 millisecond'
FROM unnest($1::bigint[], $3::bigint[], $4::jsonb[]) AS later(id, delay_ms, options)
WHERE job.id = later.id AND job.owner = $2
"""

# A released job was handed out but never begun: the delivery does not count against it.
RELEASE = """
WITH released AS (
    UPDATE portal_job SET visible_at = now(), owner = NULL, deliveries = greatest(deliveries - 1, 0)
    WHERE id = ANY ($1::bigint[]) AND owner = $2 RETURNING queue_name)
SELECT pg_notify('portal_job', queue_name) FROM (SELECT DISTINCT queue_name FROM released) AS queues
"""

BURY = """
WITH gone AS (
    DELETE FROM portal_job WHERE id = ANY ($1::bigint[]) AND owner = $2 RETURNING *)
INSERT INTO portal_job_dead
    (id, queue_name, actor_name, message_id, args, kwargs, options, enqueued_at, deliveries, reason)
SELECT gone.id, queue_name, actor_name, message_id, args, kwargs, options, enqueued_at, deliveries, why.reason
FROM gone JOIN unnest($1::bigint[], $3::text[]) AS why(id, reason) ON why.id = gone.id
"""

PURGE_DEAD = "DELETE FROM portal_job_dead WHERE died_at < now() - $1::integer * interval '1 day'"

COUNT = """
SELECT queue_name,
       count(*) FILTER (WHERE owner IS NULL AND visible_at <= now()) AS ready,
       count(*) FILTER (WHERE owner IS NULL AND visible_at > now()) AS delayed,
       count(*) FILTER (WHERE owner IS NOT NULL) AS running,
       coalesce(extract(epoch FROM now() - min(visible_at) FILTER (WHERE owner IS NULL)), 0)::float8 AS behind
FROM portal_job GROUP BY queue_name ORDER BY queue_name
"""
COUNT_DEAD = "SELECT count(*) FROM portal_job_dead"
HAS_JOBS = "SELECT EXISTS (SELECT FROM portal_job WHERE queue_name = $1)"
FLUSH = "DELETE FROM portal_job WHERE queue_name = $1"

KNOW_SCHEDULE = """
INSERT INTO portal_schedule (name, every_seconds)
SELECT name, every_seconds FROM unnest($1::text[], $2::integer[]) AS s(name, every_seconds) ORDER BY name
ON CONFLICT (name) DO UPDATE SET every_seconds = excluded.every_seconds,
    next_run_at = least(portal_schedule.next_run_at, now() + excluded.every_seconds * interval '1 second')
WHERE portal_schedule.every_seconds <> excluded.every_seconds
"""

TAKE_DUE = """
UPDATE portal_schedule SET last_run_at = now(), next_run_at = now() + every_seconds * interval '1 second'
WHERE name = ANY (ARRAY(
    SELECT name FROM portal_schedule WHERE name = ANY ($1::text[]) AND next_run_at <= now()
    FOR UPDATE SKIP LOCKED))
RETURNING name
"""
