"""Which actions are offered, for every state there is, and that the rest is explained."""

from __future__ import annotations

import itertools
from dataclasses import fields, replace
from datetime import date

import pytest

from portal.invoices.actions import MONEY_ACTIONS, InvoiceActions, Situation, actions_for
from portal.invoices.explanations import why_status
from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.web.request import Role
from tests.documents.papers import make_sheet

S = InvoiceStatus
OURS = Situation(S.OPEN, provider="Stripe", copied=True)
OFFERED = {
    S.DRAFT: "edit finalise duplicate",
    S.OPEN: "record credit uncollectible void duplicate link",
    S.PROCESSING: "duplicate link",
    S.PARTLY_PAID: "record credit refund duplicate link",
    S.PAID: "refund duplicate link",
    S.REFUNDED: "duplicate link",
    S.UNCOLLECTIBLE: "record credit void duplicate link",
    S.VOID: "duplicate",
}
"""What an admin may do to an invoice of ours that a connected provider has; paid ones were paid there."""
PAID_THERE = frozenset({S.PROCESSING, S.PARTLY_PAID, S.PAID})
ONLY_HERE = {"edit", "finalise", "duplicate", "link"}


def names(actions: InvoiceActions) -> set[str]:
    """The actions that are offered."""
    return {
        f.name
        for f in fields(actions)
        if f.name not in ("see_reasons", "absent") and getattr(actions, f.name)
    }


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("made_there", [False, True])
@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("role", Role)
def test_every_state_offers_what_its_rule_says(
    status: InvoiceStatus, role: Role, *, made_there: bool, connected: bool
) -> None:
    now = replace(
        OURS, status=status, made_there=made_there, connected=connected, refundable=status in PAID_THERE
    )
    expected = set(OFFERED[status].split())
    if made_there:
        expected -= ONLY_HERE
    if not connected:
        expected -= {"refund", "credit"}
    if not role.covers(Role.ADMIN):
        expected = set()
    assert names(actions_for(now, role)) == expected


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"copied": False}, {"credit"}),
        ({"refundable": False}, {"refund"}),
        ({"provider": "", "connected": False, "refundable": False}, {"refund"}),
    ],
)
def test_what_the_provider_must_do_waits_for_it(change: dict[str, object], gone: set[str]) -> None:
    now = replace(OURS, status=S.PARTLY_PAID, refundable=True)
    changed = actions_for(replace(now, **change), Role.OWNER)  # type: ignore[arg-type]  # fields by name
    assert names(actions_for(now, Role.OWNER)) - names(changed) == gone


def test_a_draft_without_lines_is_not_finalised() -> None:
    assert not actions_for(Situation(S.DRAFT, has_lines=False), Role.ADMIN).finalise


def test_a_failed_copy_can_be_sent_again() -> None:
    assert actions_for(replace(OURS, failed=True), Role.ADMIN).retry


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (
            replace(OURS, status=S.PROCESSING, expected=date(2026, 11, 30)),
            "refund, and credit are not offered while a payment is under way: expected 30 Nov 2026.",
        ),
        (replace(OURS, status=S.PAID, connected=False, refundable=True), "while Stripe is disconnected"),
        (replace(OURS, copied=False), "Credit is not offered before Stripe has the invoice."),
        (replace(OURS, status=S.PARTLY_PAID), "credit what is left instead"),
        (replace(OURS, made_there=True), "It was made in Stripe"),
        (replace(OURS, status=S.DRAFT), "once it is finalised"),
        (replace(OURS, status=S.VOID), "stays void"),
    ],
)
def test_the_reason_is_said_in_words(now: Situation, words: str) -> None:
    assert words in " ".join(actions_for(now, Role.OWNER).absent)


def test_whatever_is_absent_is_explained() -> None:
    both = (True, False)
    for status, made_there, connected, copied, refundable in itertools.product(S, both, both, both, both):
        now = Situation(
            status,
            "Stripe",
            made_there=made_there,
            connected=connected,
            copied=copied,
            refundable=refundable,
        )
        actions = actions_for(now, Role.ADMIN)
        if status is S.UNCOLLECTIBLE and actions.record and actions.credit and actions.refund:
            continue  # only what it is already is absent
        assert actions.absent or all(getattr(actions, name) for name in MONEY_ACTIONS), now


def test_a_viewer_is_told_of_no_action() -> None:
    assert actions_for(OURS, Role.VIEWER) == InvoiceActions()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("draft", "A draft"),
        ("open", "€571.20 is owed"),
        ("past_due", "its day is over"),
        ("processing", "under way"),
        ("partly_paid", "€0.00 of €571.20"),
        ("paid", "the €571.20"),
        ("refunded", "went back"),
        ("uncollectible", "given up"),
        ("void", "not owed"),
    ],
)
def test_each_status_is_explained(status: str, words: str) -> None:
    assert words in why_status(replace(make_sheet().invoice, shown_status=status))


def test_past_due_without_a_day_is_explained_by_the_attempts_that_failed() -> None:
    invoice = replace(make_sheet().invoice, shown_status="past_due", due_date=None)
    assert why_status(invoice) == "Past due: €571.20 is owed, and collecting it failed."


DECLINED = replace(OURS, made_there=True, collected=True)


@pytest.mark.parametrize(
    ("now", "offered"),
    [
        (DECLINED, True),
        (replace(DECLINED, collected=False), False),
        (replace(DECLINED, connected=False), False),
        (replace(DECLINED, made_there=False), False),
    ],
)
def test_another_attempt_is_offered_where_the_provider_collects_and_failed(
    now: Situation, *, offered: bool
) -> None:
    assert actions_for(now, Role.ADMIN).collect is offered
    assert not actions_for(now, Role.VIEWER).collect


@pytest.mark.parametrize("status", S)
def test_what_a_subscription_bills_can_have_a_link_while_it_is_owed(status: InvoiceStatus) -> None:
    billed = replace(OURS, status=status, made_there=True, paid_here=True)
    assert actions_for(billed, Role.ADMIN).link == (status in PAYABLE)
    assert not actions_for(billed, Role.VIEWER).link
