"""What went wrong while something was read or written, in words."""

from __future__ import annotations

import logging
import uuid

import asyncpg

from portal.contract.errors import EventQuarantined, ProviderUnavailable, UnforeseenError
from portal.errors import PortalError

logger = logging.getLogger("portal.work")
_PASSING = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
)
"""What a query raises when the database is away, busy, or undoes one of two that met."""


class ReadingOvertaken(ProviderUnavailable):
    """What was read is older than what is stored by now; it is read again later."""

    code = "READING_OVERTAKEN"


def is_of_the_object(error: Exception) -> bool:
    """Whether it comes from what is read or written, so that it would end the same way another time."""
    return isinstance(error, EventQuarantined) or not isinstance(error, (PortalError, *_PASSING))


def in_words(error: Exception, what: str) -> PortalError:
    """The error as the portal's own. An unforeseen one gets a reference that the log has too.

    So does a constraint of the database that was broken: only what passes by itself counts as the database's.
    """
    if isinstance(error, PortalError):
        return error
    if isinstance(error, _PASSING):
        return ProviderUnavailable(f"The database did not take it ({type(error).__name__}).")
    reference = uuid.uuid4().hex[:8]
    logger.error("%s failed unexpectedly, reference %s", what, reference, exc_info=error)
    return UnforeseenError(f"An unexpected error, reference {reference}.", hint="The log has the details.")
