"""What the test before left in the database, removed in the time that its few rows need.

Emptying every table file by file took longer than most tests: 50 ms for some 50 tables.
"""

from __future__ import annotations

import asyncpg

from portal.database import engine
from portal.settings import Settings

UNSAFE = ("fsync = off", "full_page_writes = off", "synchronous_commit = off", "autovacuum = off")
"""For a server whose data nobody misses after a crash. Places of removed rows stay as they are, too: what
is written first comes first in a table, as in one that was emptied whole."""
REMOVE = """
DO $$
DECLARE place regclass;
BEGIN
  SET LOCAL session_replication_role = replica;  -- append-only tables give way here, and nowhere else
  FOR place IN
    SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
    AND relname <> 'migration'
  LOOP
    EXECUTE format('DELETE FROM ONLY %s', place);
    IF pg_relation_size(place) > 1000000 THEN
      EXECUTE format('TRUNCATE %s CASCADE', place);
    END IF;
  END LOOP;
  PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence JOIN pg_depend ON objid = seqrelid
  WHERE classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
  AND pg_sequence_last_value(seqrelid) IS NOT NULL;
END $$
"""
"""A big file goes whole: nobody should read through the places of rows that are gone."""


class Leftovers:
    """One connection that is there for all tests."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._held: asyncpg.Connection | None = None

    async def remove(self) -> None:
        """Remove every row, triggers aside, and restart the counters."""
        if self._held is None or self._held.is_closed():
            self._held = await asyncpg.connect(
                **engine.connection_options(self._settings, name="portal-tests-clean")
            )
        await self._held.execute(REMOVE)

    async def close(self) -> None:
        """End the connection."""
        if self._held is not None:
            await self._held.close()


async def forgo_safety(settings: Settings) -> None:
    """Let the tests' own server not wait for its disk."""
    held = await asyncpg.connect(**engine.connection_options(settings, name="portal-tests-clean"))
    try:
        for statement in (*(f"ALTER SYSTEM SET {setting}" for setting in UNSAFE), "SELECT pg_reload_conf()"):
            await held.execute(statement)
    finally:
        await held.close()
