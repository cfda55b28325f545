"""What a subscription's columns mean for people: its status, its end, its next charge, its share. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portal.money import Money
from portal.subscriptions.rules import ENDED, RECURRING, Recurring, monthly_recurring

DUNNING = ("past_due", "unpaid")
"""Statuses in which money is missing that somebody is asked for."""
UNPAID_FIRST = (*DUNNING, "incomplete")
"""Missing money is told before a pause and before an end that is planned."""


class Shown(StrEnum):
    """The statuses that lists and pages show."""

    TRIALING = "trialing"
    ACTIVE = "active"
    PAST_DUE = "past_due"
    UNPAID = "unpaid"
    INCOMPLETE = "incomplete"
    PAUSED = "paused"
    ENDING = "ending"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class NoCharge(StrEnum):
    """Why no charge is planned, in words."""

    ENDED = "None: it has ended"
    ENDING = "None: it ends before"
    PAUSED = "None while it is paused"
    INCOMPLETE = "None before the first payment"
    UNPAID = "None while it is unpaid"
    UNKNOWN = "Not known"


@dataclass(frozen=True, slots=True)
class Standing:
    """A subscription as its provider last described it, and when an invoice that is open is tried again."""

    status: str
    pause: str = ""
    period_end: datetime | None = None
    trial_end: datetime | None = None
    cancel_at: datetime | None = None
    cancel_at_period_end: bool = False
    ended_at: datetime | None = None
    retry_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing can come of it any more."""
        return self.status in ENDED

    @property
    def paused(self) -> bool:
        """Whether it, or the collection of its invoices, rests."""
        return bool(self.pause) or self.status == "paused"

    @property
    def ends_later(self) -> bool:
        """Whether its end is planned."""
        return not self.ended and (self.cancel_at_period_end or self.cancel_at is not None)

    @property
    def ends_at(self) -> datetime | None:
        """When it ended or will end, where that is known."""
        if self.ended:
            return self.ended_at
        return self.cancel_at or (self.period_end if self.cancel_at_period_end else None)

    @property
    def shown(self) -> Shown:
        """The status that people see: of several that fit, the one that somebody has to act on."""
        if self.ended:
            return Shown.CANCELLED if self.status == "canceled" else Shown.EXPIRED
        if self.status in UNPAID_FIRST:
            return Shown(self.status)
        if self.paused:
            return Shown.PAUSED
        return Shown.ENDING if self.ends_later else Shown(self.status)

    @property
    def next_charge(self) -> datetime | NoCharge:
        """When money is asked for next, or why it is not."""
        if self.ended:
            return NoCharge.ENDED
        if self.status == "past_due" and self.retry_at:
            return self.retry_at
        resting = _RESTING.get(self.status)
        if resting or self.paused:
            return resting or NoCharge.PAUSED
        at = self.trial_end if self.status == "trialing" else self.period_end
        if self.ends_later and (at is None or self.ends_at is None or self.ends_at <= at):
            return NoCharge.ENDING
        return at or NoCharge.UNKNOWN


_RESTING = {"incomplete": NoCharge.INCOMPLETE, "unpaid": NoCharge.UNPAID, "paused": NoCharge.PAUSED}


@dataclass(frozen=True, slots=True)
class Price:
    """What a period costs. `amount` None: it depends on use."""

    amount: Money | None
    interval: str
    interval_count: int = 1

    @property
    def words(self) -> str:
        """`$20.00 / month`, `¥5,000 every 3 months`, `Depends on use`."""
        if self.amount is None:
            return "Depends on use"
        if not self.interval:
            return f"{self.amount.format()} once"
        if self.interval_count == 1:
            return f"{self.amount.format()} / {self.interval}"
        return f"{self.amount.format()} every {self.interval_count} {self.interval}s"


def monthly_share(standing: Standing, price: Price) -> Money | None:
    """Its part of the monthly recurring revenue; None: it has none (yet)."""
    if price.amount is None or standing.status not in RECURRING or standing.pause:
        return None
    amount = price.amount
    period = Recurring(amount.currency, price.interval, price.interval_count, amount.amount_minor)
    return monthly_recurring([period])[0]


def explain_status(standing: Standing) -> str:
    """What the shown status means, as a sentence."""
    return _MEANINGS[standing.shown]


_MEANINGS = {
    Shown.TRIALING: "In trial: nothing is charged before the trial ends.",
    Shown.ACTIVE: "Active: everything that was asked for is paid.",
    Shown.PAST_DUE: "Past due: the last payment failed, and its invoice is still owed.",
    Shown.UNPAID: "Unpaid: every attempt failed. New invoices are drawn up, and nobody is charged for them.",
    Shown.INCOMPLETE: "Incomplete: the first payment is missing. Without it the subscription expires.",
    Shown.PAUSED: "Paused: nothing is charged until it is resumed.",
    Shown.ENDING: "It still runs, and ends on its day. Until then it can be kept.",
    Shown.CANCELLED: "Cancelled: it has ended, and cannot be started again.",
    Shown.EXPIRED: "Expired: the first payment was never made, so it did not start.",
}
