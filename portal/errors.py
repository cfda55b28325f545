"""The one root error of the portal: every message is safe to show to a person."""

from __future__ import annotations


class PortalError(Exception):
    """An error with words for the person who meets it.

    Args:
        message: what happened, without secrets.
        hint: what to do next.
        code: stable name of the situation, used by help pages and tests.
    """

    code = "PORTAL_ERROR"
    status_code = 500

    def __init__(self, message: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if code is not None:
            self.code = code


class NotFound(PortalError):
    """The thing asked for does not exist, or may not be seen by this person."""

    code = "NOT_FOUND"
    status_code = 404


class Forbidden(PortalError):
    """The person is known, but their role may not do this."""

    code = "FORBIDDEN"
    status_code = 403


class Conflict(PortalError):
    """The thing changed, or is in a state that does not allow the action."""

    code = "CONFLICT"
    status_code = 409


class InvalidInput(PortalError):
    """The form has problems. `fields` maps a field name to what to do about it."""

    code = "INVALID_INPUT"
    status_code = 422

    def __init__(self, fields: dict[str, str], message: str = "There is a problem") -> None:
        super().__init__(message)
        self.fields = fields


class ConfigurationError(PortalError):
    """The portal cannot start as it is configured. Commands print it and exit with code 1."""

    code = "CONFIGURATION"
