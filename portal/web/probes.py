"""For load balancers and supervisors: is the process there, and can it work."""

from __future__ import annotations

import asyncio
import logging
import time

import asyncpg
from litestar import Response, get

from portal.database.migrations import migration_state
from portal.errors import PortalError

READY_SECONDS = 2.0
DEADLINE_SECONDS = 3.0
logger = logging.getLogger("portal.web")


class Readiness:
    """Asks the database at most every two seconds, however often it is asked itself."""

    def __init__(self) -> None:
        self._asked_at = float("-inf")
        self._problem = ""
        self._lock = asyncio.Lock()

    async def problem(self) -> str:
        """Why the portal cannot work, in a few words; empty when it can."""
        async with self._lock:
            if time.monotonic() - self._asked_at > READY_SECONDS:
                self._problem = await _look()
                self._asked_at = time.monotonic()
        return self._problem


async def _look() -> str:
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            state = await migration_state()
    except (PortalError, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        logger.warning("not ready: %s", type(error).__name__)
        return "database unavailable"
    return "" if state.complete else "migrations missing"


readiness = Readiness()


@get("/health")
async def health() -> Response[dict[str, str]]:
    """The process answers."""
    return Response({"status": "ok"})


@get("/ready")
async def ready() -> Response[dict[str, str]]:
    """The database answers and has all migrations."""
    problem = await readiness.problem()
    return Response({"status": problem or "ready"}, status_code=503 if problem else 200)
