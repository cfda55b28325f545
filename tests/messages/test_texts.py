"""What each message says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from portal.messages.texts import Facts, Kind, write_letter
from portal.money import Money

FACTS = Facts(
    company="Northwind Studio",
    contact="billing@northwind.example",
    customer="Globex Trading",
    number="INV-0001",
    total=Money(48_000, "usd"),
    due=Money(48_000, "usd"),
    paid=Money(0, "usd"),
    due_date=date(2026, 12, 10),
    today=date(2026, 12, 13),
    link="https://p.example/pay/token",
)


@pytest.mark.parametrize(
    ("kind", "title", "sentence"),
    [
        (Kind.INVOICE, "Invoice INV-0001 from Northwind Studio", "for $480.00"),
        (Kind.INVOICE, "Invoice INV-0001 from Northwind Studio", "due on 10 December 2026"),
        (Kind.REMINDER, "Reminder: invoice INV-0001 is 3 days past due", "$480.00 is still to be paid"),
        (Kind.NEW_LINK, "Your new link to pay invoice INV-0001", "do not work any more"),
        (
            Kind.PAYMENT_FAILED,
            "Your bank payment for invoice INV-0001 did not go through",
            "$480.00 is to be paid",
        ),
    ],
)
def test_a_message_says_what_to_pay_and_where(kind: Kind, title: str, sentence: str) -> None:
    letter = write_letter(kind, FACTS)
    assert letter.title == title
    assert sentence in letter.text
    assert FACTS.link in letter.text
    assert letter.text.startswith("Hello Globex Trading,\n\n")
    assert "reply to this email" in letter.text
    assert (letter.from_name, letter.reply_to) == (FACTS.company, FACTS.contact)


@pytest.mark.parametrize(
    ("paid", "due", "rest"), [(48_000, 0, "Nothing more is due."), (20_000, 28_000, "$280.00 is still to be")]
)
def test_a_receipt_says_what_came_and_what_is_left(paid: int, due: int, rest: str) -> None:
    letter = write_letter(Kind.RECEIPT, replace(FACTS, paid=Money(paid, "usd"), due=Money(due, "usd")))
    assert f"received {Money(paid, 'usd').format()} for invoice INV-0001" in letter.text
    assert rest in letter.text
    assert FACTS.link not in letter.text


def test_a_part_that_was_paid_is_said() -> None:
    facts = replace(FACTS, due=Money(28_000, "usd"), paid=Money(20_000, "usd"))
    assert "$280.00 of it is still to be paid." in write_letter(Kind.INVOICE, facts).text
    assert "$280.00 of $480.00 is still to be paid." in write_letter(Kind.REMINDER, facts).text


def test_an_invoice_that_is_paid_asks_for_nothing() -> None:
    letter = write_letter(Kind.INVOICE, replace(FACTS, due=Money(0, "usd")))
    assert "Nothing more is due." in letter.text
    assert FACTS.link not in letter.text


@pytest.mark.parametrize(
    ("zone", "until"),
    [
        ("UTC", "21 November 2026, 03:00 Coordinated Universal Time"),
        ("Europe/Berlin", "21 November 2026, 04:00 Central European Standard Time"),
        ("America/New_York", "20 November 2026, 22:00 Eastern Standard Time"),
    ],
)
def test_a_first_payment_says_until_when_it_can_be_made_where_the_company_is(zone: str, until: str) -> None:
    facts = replace(FACTS, pay_until=datetime(2026, 11, 21, 3, tzinfo=UTC), time_zone=zone)
    for kind in (Kind.INVOICE, Kind.REMINDER, Kind.NEW_LINK):
        text = write_letter(kind, facts).text
        assert f"It can be paid until {until}. Otherwise the subscription does not start.\n\nView it" in text
        assert "can be paid until" not in write_letter(kind, FACTS).text
    paid = replace(facts, due=Money(0, "usd"))
    assert "can be paid until" not in write_letter(Kind.INVOICE, paid).text


def test_own_words_and_the_companys_note_stand_where_they_belong() -> None:
    facts = replace(FACTS, words="Nice to meet you.", note="Please name the number.")
    assert "Globex Trading,\n\nNice to meet you.\n\n" in write_letter(Kind.INVOICE, facts).text
    assert "Please name the number." not in write_letter(Kind.INVOICE, facts).text
    assert "Please name the number." in write_letter(Kind.REMINDER, facts).text


def test_a_test_invoice_says_so_first() -> None:
    letter = write_letter(Kind.INVOICE, replace(FACTS, test=True))
    assert letter.title.startswith("[Test] ")
    assert letter.text.startswith("This is a test. No money is asked for.")


@pytest.mark.parametrize(("currency", "amount"), [("jpy", "¥48,000"), ("kwd", "KWD\u00a048.000")])
def test_amounts_look_as_everywhere(currency: str, amount: str) -> None:
    owed = Money(48_000, currency)
    assert amount in write_letter(Kind.REMINDER, replace(FACTS, total=owed, due=owed)).text


def test_nothing_but_words_is_lost_without_a_link_or_a_contact() -> None:
    letter = write_letter(Kind.INVOICE, replace(FACTS, link="", contact="", due_date=None))
    assert "pay here" not in letter.text
    assert "reply" not in letter.text
    assert "\n\n\n" not in letter.text
