"""What invoices and receipts say, in each state."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from portal.documents.invoice_contents import invoice_contents
from portal.documents.parts import framed_logo
from portal.documents.receipt_contents import receipt_contents
from portal.invoices.rules import InvoiceStatus
from portal.invoices.sums import Discount, DraftLine
from portal.money import Money
from tests.documents.papers import BOOKS, DESIGN, LINK, NOON, make_sheet, moved

CARD = moved("payment", 57_120, "pi_1", method="Visa •••• 4242")
PNG_40_BY_20 = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x28\x00\x00\x00\x14"


def sums_of(contents: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["name"].replace("\u00a0", " "), row["amount"]) for row in contents["sums"]]


@pytest.mark.parametrize(
    ("status", "stamp", "mark"),
    [
        (InvoiceStatus.DRAFT, "", "DRAFT"),
        (InvoiceStatus.OPEN, "", ""),
        (InvoiceStatus.PROCESSING, "PAYMENT UNDER WAY", ""),
        (InvoiceStatus.PARTLY_PAID, "PARTLY PAID", ""),
        (InvoiceStatus.PAID, "PAID", ""),
        (InvoiceStatus.REFUNDED, "REFUNDED", ""),
        (InvoiceStatus.UNCOLLECTIBLE, "", ""),
        (InvoiceStatus.VOID, "VOID", "VOID"),
    ],
)
def test_state_is_stamped_where_it_changes_what_the_reader_does(
    status: InvoiceStatus, stamp: str, mark: str
) -> None:
    made = invoice_contents(make_sheet(status=status))
    assert (made["stamp"]["text"] if made["stamp"] else "", made["mark"]) == (stamp, mark)


def test_paid_stamp_has_the_day_where_the_company_is() -> None:
    late = NOON.replace(hour=23, minute=30)
    made = invoice_contents(make_sheet(status=InvoiceStatus.PAID, paid_at=late, payments=(CARD,)))
    assert made["stamp"]["detail"] == "27 November 2026"


def test_test_mode_is_told_and_live_mode_is_not() -> None:
    assert "No money is owed" in invoice_contents(make_sheet(mode="test"))["test"]
    assert invoice_contents(make_sheet(mode="live"))["test"] == ""


def test_sums_have_the_discount_a_line_for_each_rate_and_what_is_due() -> None:
    sheet = make_sheet(DESIGN, BOOKS, discount=Discount(percent=Decimal(10)))
    assert sums_of(invoice_contents(sheet)) == [
        ("Subtotal", "€540.00"),
        ("Discount 10 %", "−€54.00"),
        ("VAT 19 % on €432.00", "€82.08"),
        ("VAT 7 % on €54.00", "€3.78"),
        ("Total", "€571.86"),
        ("Amount due", "€571.86"),
    ]


def test_payments_returns_and_credits_lead_from_the_total_to_what_is_due() -> None:
    rows = (
        moved("payment", 30_000, "pi_1"),
        moved("offline", 10_000, "offline:1", method="Bank transfer"),
        moved("refund", -5_000, "re_1"),
        moved("credit", 2_000, "credit:1", method="Credit note INV-0043-C1"),
    )
    sheet = make_sheet(
        status=InvoiceStatus.PARTLY_PAID,
        payments=rows,
        amount_paid=Money(37_000, "eur"),
        amount_returned=Money(5_000, "eur"),
    )
    assert sums_of(invoice_contents(sheet))[2:] == [
        ("Total", "€571.20"),
        ("Paid", "−€400.00"),
        ("of which returned", "€50.00"),
        ("Credited", "−€20.00"),
        ("Amount due", "€151.20"),
    ]


def test_credit_note_that_was_voided_takes_nothing_off() -> None:
    rows = (
        moved("credit", 2_000, "cn_1", method="Credit note CN-1"),
        moved("credit", -2_000, "cn_1:withdrawn", method="Credit note CN-1"),
    )
    moves = make_sheet(payments=rows).moves
    assert (moves.money, moves.sum_of(moves.credited)) == ([], Money(0, "eur"))


@pytest.mark.parametrize("status", [InvoiceStatus.DRAFT, InvoiceStatus.VOID])
def test_nothing_is_due_on_a_draft_or_a_void_invoice(status: InvoiceStatus) -> None:
    made = invoice_contents(make_sheet(status=status))
    assert (made["sums"][-1]["name"], made["bank"]) == ("Total", "")
    assert "due" not in made["lead"]


def test_bank_details_and_the_code_stand_there_only_while_money_is_asked_for() -> None:
    asked = invoice_contents(make_sheet())
    assert asked["bank"].startswith("IBAN")
    assert asked["pay"]["address"] == LINK
    assert asked["pay"]["qr"].startswith("<svg")
    paid = invoice_contents(
        replace(make_sheet(status=InvoiceStatus.PAID, paid_at=NOON, payments=(CARD,)), link=None)
    )
    assert (paid["bank"], paid["pay"], paid["lead"]) == ("", None, "")


def test_column_for_tax_is_there_only_when_a_line_is_taxed() -> None:
    plain = DraftLine("Stamps", 1_200, Money(80, "eur"))
    titles = [each["title"] for each in invoice_contents(make_sheet(plain))["columns"]]
    assert titles == ["Description", "Quantity", "Unit price", "Amount"]
    assert invoice_contents(make_sheet(plain))["rows"] == [["Stamps", "1,200", "€0.80", "€960.00"]]
    assert invoice_contents(make_sheet(DESIGN, plain))["rows"][0][3] == "19\u00a0%"


@pytest.mark.parametrize(
    ("currency", "paper"), [("usd", "us-letter"), ("cad", "us-letter"), ("eur", "a4"), ("jpy", "a4")]
)
def test_paper_is_what_the_companys_country_uses(currency: str, paper: str) -> None:
    assert invoice_contents(replace(make_sheet(), default_currency=currency))["paper"] == paper


def test_receipt_tells_of_each_payment_and_refund_oldest_first() -> None:
    later = replace(moved("refund", -5_000, "re_9"), occurred_at=NOON.replace(day=28))
    by_bank = replace(moved("offline", 100, "offline:7", method="Cash"), occurred_at=NOON.replace(day=25))
    made = receipt_contents(
        make_sheet(status=InvoiceStatus.PAID, paid_at=NOON, payments=(later, CARD, by_bank))
    )
    assert made["moved"]["rows"] == [
        ["25 November 2026", "Payment", "Cash", "", "€1.00"],
        ["26 November 2026", "Payment", "Visa •••• 4242", "pi_1", "€571.20"],
        ["28 November 2026", "Refund", "", "re_9", "−€50.00"],
    ]
    assert made["lead"] == "€572.20 received"


def test_logo_keeps_its_proportions() -> None:
    framed = framed_logo(PNG_40_BY_20)
    assert 'width="40" height="20" viewBox="0 0 40 20"' in framed
    assert "data:image/png;base64,iVBOR" in framed


def test_payment_that_its_bank_took_back_counts_for_nothing() -> None:
    rows = (moved("payment", 57_120, "pi_1"), moved("payment", -57_120, "pi_1:failed"))
    sheet = make_sheet(payments=rows)
    assert sheet.moves.received == Money(0, "eur")
    assert [name for name, _ in sums_of(invoice_contents(sheet))][-2:] == ["Total", "Amount due"]
