from __future__ import annotations

from dataclasses import replace

import pytest

from portal.finance.rules import OrganisationForm, changed_fields, prefix_problem, read_terms

FORM = OrganisationForm(
    name="Northwind",
    contact_email="a@b.example",
    address="",
    tax_id="",
    bank_details="",
    footer="",
    default_currency="usd",
    time_zone="UTC",
    invoice_prefix="INV-",
    next_invoice_number=None,
    terms_days=14,
    pay_link_days=90,
)


def test_only_what_differs_is_a_change() -> None:
    assert changed_fields(FORM, FORM) == {}
    assert changed_fields(FORM, replace(FORM, terms_days=30)) == {
        "terms_days": {"before": "14", "after": "30"}
    }


@pytest.mark.parametrize("text", ["", "INV-", "2026/", "a", "A_b.c-"])
def test_plain_prefixes_pass(text: str) -> None:
    assert prefix_problem(text) is None


@pytest.mark.parametrize("text", ["-INV", "INV 1", "<b>", "ÄB", "A" * 13, "a\nb"])
def test_other_prefixes_are_refused(text: str) -> None:
    assert prefix_problem(text)


@pytest.mark.parametrize(("text", "days"), [("0", 0), ("14", 14), ("365", 365)])
def test_terms_are_whole_days(text: str, days: int) -> None:
    assert read_terms(text) == days


@pytest.mark.parametrize("text", ["", "-1", "366", "1.5", "ten", "²", "9" * 30])
def test_other_terms_are_refused_in_words(text: str) -> None:
    assert isinstance(read_terms(text), str)
