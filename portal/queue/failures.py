"""Words about errors that may be stored and logged: class names, codes and places, never values."""

from __future__ import annotations

import traceback
from types import TracebackType

from dramatiq.middleware import MiddlewareError

from portal.errors import PortalError
from portal.security.redaction import JsonLines

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


class NonIdArgument(PortalError, MiddlewareError):
    """A message carried something other than ids. Being a MiddlewareError, Dramatiq lets it through."""

    code = "NON_ID_ARGUMENT"


class WorkerNotReady(PortalError, MiddlewareError):
    """The worker cannot get what its jobs need; the process ends and its supervisor starts another."""

    code = "WORKER_NOT_READY"


def name_failure(error: BaseException) -> str:
    """`ClassName`, or `ClassName CODE` for the portal's own errors."""
    name = type(error).__name__
    return f"{name} {error.code}" if isinstance(error, PortalError) else name


def describe_failure(error: BaseException) -> str:
    """The failure, what caused it and where it was raised, on one line.

    The message of an error may hold a key or a customer's name, so it is left out, as are source lines.
    """
    described = name_failure(error)
    places = traceback.extract_tb(error.__traceback__)
    if places:
        last = places[-1]
        described += f" at {last.filename}:{last.lineno} in {last.name}"
    origin = error.__cause__ or error.__context__
    return f"{described}, from {name_failure(origin)}" if origin else described


class SafeLines(JsonLines):
    """Log lines whose tracebacks are places and names, without source lines and without messages."""

    def formatException(self, ei: ExcInfo) -> str:  # noqa: N802 - the name logging calls
        """The calls that led to the error, oldest first, and its name."""
        if ei[1] is None:
            return ""
        places = [f"{place.filename}:{place.lineno} in {place.name}" for place in traceback.extract_tb(ei[2])]
        return "\n".join([*places, describe_failure(ei[1])])
