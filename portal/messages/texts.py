"""What each message says: plain paragraphs, put together from what is true when it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime

from portal.mail.letters import Letter
from portal.messages.rules import due_words
from portal.money import Money

LONG_DATE = "d MMMM y"
MOMENT = f"{LONG_DATE}, HH:mm zzzz"
"""`21 November 2026, 09:00 Central European Standard Time`."""


class Kind(StrEnum):
    """What a message is for."""

    INVOICE = "invoice"
    REMINDER = "reminder"
    RECEIPT = "receipt"
    NEW_LINK = "new_link"
    PAYMENT_FAILED = "payment_failed"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the words are made of. `today`: the date where the company is; `link`: empty, there is none."""

    company: str
    contact: str
    customer: str
    number: str
    total: Money
    due: Money
    paid: Money
    due_date: date | None
    today: date
    link: str
    test: bool = False
    note: str = ""
    """The company's own paragraph in reminders."""
    words: str = ""
    """What a person added to this one message."""
    pay_until: datetime | None = None
    """When a subscription ends unpaid whose first payment this is."""
    time_zone: str = "UTC"
    """Where the company is."""


def write_letter(kind: Kind, facts: Facts) -> Letter:
    """The letter, without what is attached."""
    title, paragraphs = _WRITERS[kind](facts)
    questions = "Questions? Just reply to this email." if facts.contact else ""
    test = "This is a test. No money is asked for." if facts.test else ""
    said = (test, f"Hello {facts.customer},", facts.words, *paragraphs, questions, facts.company)
    return Letter(
        title=f"{'[Test] ' if facts.test else ''}{title}",
        text="\n\n".join(part for part in said if part) + "\n",
        from_name=facts.company,
        reply_to=facts.contact,
    )


def _invoice(facts: Facts) -> tuple[str, list[str]]:
    title = f"Invoice {facts.number} from {facts.company}"
    what = f"{facts.company} sends you invoice {facts.number} for {facts.total.format()}."
    return title, [f"{what} It is attached as a PDF.", _how_it_stands(facts), _where_to_pay(facts)]


def _reminder(facts: Facts) -> tuple[str, list[str]]:
    when = due_words(facts.due_date, facts.today)
    title = f"Reminder: invoice {facts.number} is {when}"
    of = "" if facts.due == facts.total else f" of {facts.total.format()}"
    what = f"Invoice {facts.number} is {when}. {facts.due.format()}{of} is still to be paid."
    thanks = "If you have paid in the meantime, thank you: there is nothing else to do."
    return title, [what, facts.note, _where_to_pay(facts), thanks]


def _receipt(facts: Facts) -> tuple[str, list[str]]:
    title = f"Receipt for invoice {facts.number}"
    what = f"Thank you. {facts.company} received {facts.paid.format()} for invoice {facts.number}."
    rest = f"{facts.due.format()} is still to be paid." if facts.due.amount_minor else "Nothing more is due."
    return title, [f"{what} {rest}", "The receipt is attached as a PDF."]


def _new_link(facts: Facts) -> tuple[str, list[str]]:
    title = f"Your new link to pay invoice {facts.number}"
    asked = f"Somebody, most likely you, asked for a new link to pay invoice {facts.number}."
    nothing = "If it was not you, there is nothing to do."
    return title, [f"{asked} Links from before do not work any more.", _where_to_pay(facts), nothing]


def _payment_failed(facts: Facts) -> tuple[str, list[str]]:
    title = f"Your bank payment for invoice {facts.number} did not go through"
    what = f"Your bank did not complete the payment for invoice {facts.number}, so the invoice is open again."
    return title, [f"{what} {facts.due.format()} is to be paid.", _where_to_pay(facts)]


def _how_it_stands(facts: Facts) -> str:
    if not facts.due.amount_minor:
        return "It is paid. Nothing more is due."
    due = f" It is due on {format_date(facts.due_date, LONG_DATE, locale='en')}." if facts.due_date else ""
    if facts.due == facts.total:
        return due.strip()
    return f"{facts.due.format()} of it is still to be paid.{due}"


def _where_to_pay(facts: Facts) -> str:
    if not (facts.link and facts.due.amount_minor):
        return ""
    until = ""
    if facts.pay_until:
        at = format_datetime(facts.pay_until.astimezone(ZoneInfo(facts.time_zone)), MOMENT, locale="en")
        until = f"It can be paid until {at}. Otherwise the subscription does not start.\n\n"
    return f"{until}View it and pay here:\n{facts.link}"


_WRITERS: dict[Kind, Callable[[Facts], tuple[str, list[str]]]] = {
    Kind.INVOICE: _invoice,
    Kind.REMINDER: _reminder,
    Kind.RECEIPT: _receipt,
    Kind.NEW_LINK: _new_link,
    Kind.PAYMENT_FAILED: _payment_failed,
}
