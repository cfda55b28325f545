"""How often a person may run the checks: every run asks the provider a dozen questions."""

from __future__ import annotations

import math

from portal.database.transaction import connection
from portal.errors import PortalError

RUNS = 6
RUNS_AND_SAVES = 12
"""Saving, mending and one row again ask less, and must still be possible for somebody who checked a lot."""
SECONDS = 60


class TooManyRuns(PortalError):
    """The person ran the checks too often; `wait_seconds` tells when the next run is free."""

    code = "TOO_MANY_CHECKS"
    status_code = 429

    def __init__(self, wait_seconds: int) -> None:
        super().__init__(
            "You ran the checks too often in the last minute.",
            hint=f"Try again in {wait_seconds} second{'' if wait_seconds == 1 else 's'}.",
        )
        self.wait_seconds = wait_seconds


async def take_run(person_id: int, *, limit: int = RUNS) -> None:
    """Use up one run.

    Raises:
        TooManyRuns: `limit` were used in the last minute, in whatever process.
    """
    async with connection() as held:
        # The conflicting row is locked, so that runs side by side are counted one after the other.
        granted = await held.fetchval(
            """
            INSERT INTO check_allowance AS mine (person, runs) VALUES ($1, ARRAY[clock_timestamp()])
            ON CONFLICT (person) DO UPDATE SET runs = array_append(ARRAY(
                SELECT run FROM unnest(mine.runs) AS run WHERE run > now() - make_interval(secs => $2)
            ), clock_timestamp())
            WHERE (SELECT count(*) FROM unnest(mine.runs) AS run
                   WHERE run > now() - make_interval(secs => $2)) < $3
            RETURNING true
            """,
            person_id,
            SECONDS,
            limit,
        )
        if granted:
            return
        oldest: float = await held.fetchval(
            """
            SELECT extract(epoch FROM min(run) + make_interval(secs => $2) - now())::float8
            FROM check_allowance, unnest(runs) AS run
            WHERE person = $1 AND run > now() - make_interval(secs => $2)
            """,
            person_id,
            SECONDS,
        )
    raise TooManyRuns(max(1, math.ceil(oldest or 1)))
