"""What a gateway may raise; the portal knows what each one means for the work in hand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from portal.errors import PortalError

RefusalReason = Literal["signature", "clock", "unsigned", "body"]
"""Why a delivery is refused: signed by nobody that is known here; signed at another time; not signed at all;
signed, but not readable."""


@dataclass(frozen=True, slots=True)
class Differing:
    """Both values of a field, as texts for people."""

    field: str
    ours: str
    theirs: str


class ProviderError(PortalError):
    """The provider refused, and the same call will be refused again. Work is parked with these words."""

    code = "PROVIDER_REFUSED"
    status_code = 502


class SidesDiffer(ProviderError):
    """The provider's copy says something else than ours, and only a person can tell which is right.

    The work stops, and both values are shown with a choice.
    """

    code = "SIDES_DIFFER"

    def __init__(self, message: str, *, hint: str = "", external_id: str, differing: Differing) -> None:
        super().__init__(message, hint=hint)
        self.external_id = external_id
        self.differing = differing


class ProviderUnavailable(ProviderError):
    """Nothing was applied, or repeating is safe: try again, not before `retry_after` seconds."""

    code = "PROVIDER_UNAVAILABLE"
    status_code = 503

    def __init__(self, message: str, *, hint: str = "", retry_after: float | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class UnforeseenError(ProviderUnavailable):
    """Something broke that nobody thought of. It is tried again, but not for days."""

    code = "UNEXPECTED"


class OutcomeUnknown(ProviderError):
    """A write was sent and no answer came. It is looked up before anything is sent again."""

    code = "PROVIDER_OUTCOME_UNKNOWN"
    status_code = 503


class AccountAuthFailed(ProviderError):
    """The provider no longer takes the key: the connection is marked broken, work waits for a new key."""

    code = "ACCOUNT_AUTH_FAILED"


class AccountNotReady(ProviderUnavailable):
    """The account cannot do this yet (requirements due, a right or capability off): work waits for it."""

    code = "ACCOUNT_NOT_READY"


class EventRefused(PortalError):
    """The delivery is not what the provider would send. Answered 400 without detail, counted by `reason`."""

    code = "EVENT_REFUSED"
    status_code = 400

    def __init__(self, message: str, *, reason: RefusalReason = "signature") -> None:
        super().__init__(message)
        self.reason: RefusalReason = reason


class EventQuarantined(PortalError):
    """A genuine event that must have no effect here (other mode, other account, foreign object)."""

    code = "EVENT_QUARANTINED"
