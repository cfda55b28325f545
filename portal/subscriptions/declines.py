"""What a failed collection means for the next one, and the way from the first attempt to the last. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portal.money import Money


class DeclineKind(StrEnum):
    """Whether another attempt with the same method can end otherwise."""

    HARD = "hard"
    SOFT = "soft"
    CUSTOMER = "customer"
    """The customer has to confirm it: an attempt without them fails again."""

    @property
    def label(self) -> str:
        """The words of the pill."""
        return _LABELS[self]

    @property
    def advice(self) -> str:
        """What to do about it."""
        return _ADVICE[self]


_LABELS = {
    DeclineKind.HARD: "Hard decline",
    DeclineKind.SOFT: "Soft decline",
    DeclineKind.CUSTOMER: "Needs the customer",
}
_ADVICE = {
    DeclineKind.HARD: "This method will not work again: ask the customer to pay with another one.",
    DeclineKind.SOFT: "The same method may work when it is tried again.",
    DeclineKind.CUSTOMER: "The bank wants the customer to confirm it: they do so on the payment page.",
}
_HARD = frozenset(
    {
        "incorrect_number",
        "invalid_number",
        "invalid_account",
        "lost_card",
        "stolen_card",
        "pickup_card",
        "restricted_card",
        "revocation_of_authorization",
        "revocation_of_all_authorizations",
        "stop_payment_order",
        "transaction_not_allowed",
        "service_not_allowed",
        "card_not_supported",
        "currency_not_supported",
        "highest_risk_level",
        "fraudulent",
        "merchant_blacklist",
        "account_closed",
        "no_account",
        "debit_not_authorized",
        "bank_account_restricted",
        "bank_account_unusable",
        "payment_method_bank_account_blocked",
    }
)
_CONFIRMED = frozenset({"authentication_required", "authentication_not_handled"})
_NEVER_AGAIN = "not to try this card again"
"""How the words for admins say that the bank itself advises against another attempt."""


def kind_of(code: str, reason: str) -> DeclineKind:
    """What the code, as card networks and banks name it, and the words for it tell; unknown ones are soft."""
    if code in _HARD or _NEVER_AGAIN in reason:
        return DeclineKind.HARD
    confirmed = code in _CONFIRMED or code.endswith("_authentication_failure")
    return DeclineKind.CUSTOMER if confirmed else DeclineKind.SOFT


@dataclass(frozen=True, slots=True)
class FailedTry:
    """An attempt that failed. `code` and `reason` are for admins."""

    amount: Money
    method: str | None
    code: str
    reason: str
    occurred_at: datetime

    @property
    def kind(self) -> DeclineKind:
        """What it means for the next one."""
        return kind_of(self.code, self.reason)


@dataclass(frozen=True, slots=True)
class Step:
    """An attempt on the way; `at` None: nobody knows when it was."""

    number: int
    at: datetime | None
    planned: bool = False


def dunning_steps(attempts: int, tries: Sequence[FailedTry], next_at: datetime | None) -> list[Step]:
    """The attempts that failed, oldest first, and the one that is planned.

    Args:
        attempts: how many the provider counts; it may know of more than are told one by one.
        tries: those that are, oldest first.
        next_at: when the next one is planned; None: no more is.
    """
    known = [each.occurred_at for each in tries]
    count = max(attempts, len(known))
    dates: list[datetime | None] = [*[None] * (count - len(known)), *known]
    steps = [Step(number, at) for number, at in enumerate(dates, start=1)]
    return [*steps, Step(count + 1, next_at, planned=True)] if next_at else steps
