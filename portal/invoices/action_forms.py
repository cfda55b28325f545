"""What people type into the forms of actions, read field by field. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from portal.invoices.closing import OfflinePayment, RefundRequest
from portal.invoices.credits import CreditRequest
from portal.money import Money, MoneyError, parse_money
from portal.web.forms import Form, Problems

METHODS = (
    ("bank_transfer", "Bank transfer"),
    ("cash", "Cash"),
    ("cheque", "Cheque"),
    ("other", "Other"),
)
REFUND_REASONS = (
    ("requested_by_customer", "The customer asked for it"),
    ("duplicate", "It was paid twice"),
    ("fraudulent", "The payment was fraudulent"),
    ("other", "Another reason, in your own words"),
)
"""The first three are a provider's own; the last one stays in the portal."""
LONGEST_REFERENCE = 100
LONGEST_REASON = 200
EARLIEST, LATEST = date(2000, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True, slots=True)
class Clock:
    """The moment at which a form is judged, and where the organisation is."""

    now: datetime
    zone: ZoneInfo

    @property
    def today(self) -> date:
        """The day it is there."""
        return self.now.astimezone(self.zone).date()

    def moment_of(self, day: date) -> datetime:
        """Noon of that day there, or now when it is today: never a moment that has not come."""
        return self.now if day == self.today else datetime.combine(day, time(12), self.zone).astimezone(UTC)

    def end_of(self, day: date) -> datetime:
        """The last second of that day there."""
        return datetime.combine(day, time(23, 59, 59), self.zone).astimezone(UTC)


def read_payment(form: Form, currency: str, clock: Clock) -> OfflinePayment:
    """What came without a provider.

    Raises:
        InvalidInput: with every field that cannot be read.
    """
    problems = Problems()
    amount = _amount(form, currency, problems)
    day = _day(form, "received_on", problems)
    if day and day > clock.today:
        problems.add("received_on", "This day has not come yet.")
    method = dict(METHODS).get(form.text("method"))
    problems.add("method", None if method else "Choose how the money came.")
    reference = _optional(form, "reference", LONGEST_REFERENCE, problems)
    problems.raise_if_any()
    assert amount is not None  # noqa: S101 - said to the type checker: it would have been raised
    assert day is not None  # noqa: S101 - as above
    assert method is not None  # noqa: S101 - as above
    return OfflinePayment(amount, method, reference, clock.moment_of(day))


def read_refund(form: Form, currency: str) -> RefundRequest:
    """What is to go back, of which payment, and why.

    Raises:
        InvalidInput: with every field that cannot be read.
    """
    problems = Problems()
    payment = problems.need(form, "payment", "Choose the payment.", longest=255)
    amount = _amount(form, currency, problems)
    reason = form.text("reason")
    problems.add("reason", None if reason in dict(REFUND_REASONS) else "Choose a reason.")
    words = _optional(form, "words", LONGEST_REASON, problems)
    if reason == "other" and not words:
        problems.add("words", "Say why in a few words, or choose one of the reasons above.")
    problems.raise_if_any()
    assert amount  # noqa: S101 - said to the type checker: it would have been raised
    return RefundRequest(payment, amount, words if reason == "other" else reason)


def read_credit(form: Form, currency: str) -> CreditRequest:
    """What is not to be asked for any more, and why.

    Raises:
        InvalidInput: with every field that cannot be read.
    """
    problems = Problems()
    amount = _amount(form, currency, problems)
    words = problems.need(
        form, "reason", "Say why in a few words: it stands on the credit note.", longest=LONGEST_REASON
    )
    problems.raise_if_any()
    assert amount  # noqa: S101 - said to the type checker: it would have been raised
    return CreditRequest(amount, words)


def read_link_end(form: Form, clock: Clock) -> datetime:
    """The last moment at which the pay link is to work.

    Raises:
        InvalidInput: it is no day.
    """
    problems = Problems()
    day = _day(form, "expires_on", problems)
    problems.raise_if_any()
    assert day  # noqa: S101 - said to the type checker: it would have been raised
    return clock.end_of(day)


def read_amount(form: Form, currency: str) -> Money:
    """The amount alone, while the form is being filled in.

    Raises:
        InvalidInput: it is no amount of this currency.
    """
    problems = Problems()
    amount = _amount(form, currency, problems)
    problems.raise_if_any()
    assert amount  # noqa: S101 - said to the type checker: it would have been raised
    return amount


def _amount(form: Form, currency: str, problems: Problems) -> Money | None:
    try:
        amount = parse_money(form.text("amount"), currency)
    except MoneyError as error:
        problems.add("amount", str(error))
        return None
    problems.add("amount", "Enter an amount above zero." if amount.amount_minor <= 0 else None)
    return amount


def _day(form: Form, name: str, problems: Problems) -> date | None:
    try:
        day = date.fromisoformat(form.text(name))
    except ValueError:
        problems.add(name, "Enter a day, as in 2026-11-30.")
        return None
    if not EARLIEST <= day <= LATEST:
        problems.add(name, "Enter a day from 2000 on.")
        return None
    return day


def _optional(form: Form, name: str, longest: int, problems: Problems) -> str:
    text = form.text(name)
    problems.add(name, f"Use at most {longest} characters." if len(text) > longest else None)
    return text
