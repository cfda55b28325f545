"""What the planner believes of tables that a backfill fills."""

from __future__ import annotations

from portal.database.transaction import connection

SMALL_ROWS = 1_000
"""From so many rows on the planner goes by indexes, and what it believes need not be renewed in a hurry."""

# Only tables that were small when they were last looked at, and are four times as large by now.
_OUTGROWN = f"""
SELECT string_agg(oid::regclass::text, ', ') FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND reltuples < {SMALL_ROWS}
      AND pg_relation_size(oid) >= 4 * greatest(relpages, 1) * current_setting('block_size')::bigint
"""  # noqa: S608 - a constant


async def renew_statistics() -> None:
    """Let PostgreSQL look at tables that have outgrown what it believes of them.

    Plans that were made for an empty table go through all of it, for each page anew, and sessions keep them:
    without this the first backfill becomes the slower the more it has written, until the server itself gets
    round to a look.
    """
    async with connection() as held:
        tables = await held.fetchval(_OUTGROWN)
        if tables:
            await held.execute(f"ANALYZE (SKIP_LOCKED) {tables}")
