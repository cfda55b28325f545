"""Which object an event makes us read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from plugins import stripe as plugin
from plugins.stripe.domain.events import ENDPOINT_EVENTS, Follow, Pointer, follow, points_at

README = Path(plugin.__path__[0]) / "README.md"
TABLE = {
    Follow.INVOICE: """
        charge.failed charge.pending charge.succeeded charge.updated
        invoice.created invoice.deleted invoice.finalization_failed invoice.finalized
        invoice.marked_uncollectible invoice.overdue invoice.overpaid invoice.paid
        invoice.payment_action_required invoice.payment_attempt_required invoice.payment_failed
        invoice.payment_succeeded invoice.sent invoice.updated invoice.voided invoice.will_be_due
        invoice_payment.paid
        payment_intent.canceled payment_intent.partially_funded payment_intent.payment_failed
        payment_intent.processing payment_intent.requires_action payment_intent.succeeded
    """,
    Follow.CREDIT_NOTE: "credit_note.created credit_note.updated credit_note.voided",
    Follow.REFUND: "charge.refund.updated charge.refunded refund.created refund.failed refund.updated",
    Follow.DISPUTE: """
        charge.dispute.closed charge.dispute.created charge.dispute.funds_reinstated
        charge.dispute.funds_withdrawn charge.dispute.updated
    """,
    Follow.CUSTOMER: "customer.created customer.deleted customer.updated",
    Follow.SUBSCRIPTION: """
        customer.subscription.created customer.subscription.deleted customer.subscription.paused
        customer.subscription.pending_update_applied customer.subscription.pending_update_expired
        customer.subscription.resumed customer.subscription.trial_will_end customer.subscription.updated
    """,
    Follow.PRODUCT: "product.created product.deleted product.updated",
    Follow.PRICE: "price.created price.deleted price.updated",
    Follow.PAYMENT_METHOD: """
        mandate.updated payment_method.attached payment_method.automatically_updated
        payment_method.detached payment_method.updated setup_intent.setup_failed setup_intent.succeeded
    """,
    Follow.ACCOUNT: "account.updated capability.updated",
    Follow.FRAUD_WARNING: "radar.early_fraud_warning.created",
    Follow.PAYOUT: "payout.failed",
}
BY_TYPE = {name: what for what, names in TABLE.items() for name in names.split()}
NOT_FOLLOWED = (
    "account.application.deauthorized",
    "charge",
    "customer.discount.created",
    "customer.source.created",
    "invoice.upcoming",
    "something.new",
    "",
)


@pytest.mark.parametrize(("event_type", "what"), BY_TYPE.items())
def test_every_type_that_stripe_sends_about_money_is_followed_to_its_object(
    event_type: str, what: Follow
) -> None:
    assert follow(event_type) is what


def test_an_endpoint_must_send_exactly_these_types() -> None:
    assert set(ENDPOINT_EVENTS) == BY_TYPE.keys()
    assert list(ENDPOINT_EVENTS) == sorted(set(ENDPOINT_EVENTS))


def test_the_readme_says_what_each_type_leads_to() -> None:
    rows = re.findall(r"^\| `([a-z_.]+)` \| ([a-z ,]+) \|$", README.read_text("utf-8"), re.MULTILINE)
    assert {name for name, _ in rows} == BY_TYPE.keys()


@pytest.mark.parametrize("event_type", NOT_FOLLOWED)
def test_a_type_that_tells_nothing_is_kept_and_not_followed(event_type: str) -> None:
    assert follow(event_type) is None


@pytest.mark.parametrize(("event_type", "what"), [("invoice.something_new", Follow.INVOICE)])
def test_a_type_that_stripe_adds_to_a_family_is_followed_like_it(event_type: str, what: Follow) -> None:
    assert follow(event_type) is what


@pytest.mark.parametrize(
    ("snapshot", "pointer"),
    [
        ({"object": "invoice", "id": "in_1"}, Pointer(invoice="in_1")),
        ({"object": "invoice_payment", "id": "inpay_1", "invoice": "in_1"}, Pointer(invoice="in_1")),
        ({"object": "invoice_payment", "invoice": {"id": "in_1"}}, Pointer(invoice="in_1")),
        ({"object": "credit_note", "id": "cn_1", "invoice": "in_1"}, Pointer(invoice="in_1")),
        ({"object": "payment_intent", "id": "pi_1"}, Pointer(payment_intent="pi_1")),
        (
            {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"},
            Pointer(payment_intent="pi_1", charge="ch_1"),
        ),
        ({"object": "charge", "id": "ch_1", "payment_intent": None}, Pointer(charge="ch_1")),
        (
            {"object": "refund", "id": "re_1", "payment_intent": "pi_1", "charge": "ch_1"},
            Pointer(payment_intent="pi_1", charge="ch_1"),
        ),
        ({"object": "dispute", "id": "dp_1", "charge": "ch_1"}, Pointer(charge="ch_1")),
        ({"object": "payment_method", "id": "pm_1"}, Pointer(payment_method="pm_1")),
        (
            {"object": "setup_intent", "id": "seti_1", "payment_method": "pm_1"},
            Pointer(payment_method="pm_1"),
        ),
        ({"object": "setup_intent", "id": "seti_1", "payment_method": None}, Pointer()),
        ({"object": "mandate", "id": "mandate_1", "payment_method": "pm_1"}, Pointer(payment_method="pm_1")),
        ({"object": "invoice"}, Pointer()),
        ({"object": "plan", "id": "plan_1"}, Pointer()),
        ({}, Pointer()),
    ],
)
def test_ids_are_read_from_what_never_changes(snapshot: dict[str, object], pointer: Pointer) -> None:
    assert points_at(snapshot) == pointer


def test_all_events_of_a_payment_have_one_root() -> None:
    told = [
        {"object": "payment_intent", "id": "pi_1"},
        {"object": "charge", "id": "ch_1", "payment_intent": "pi_1"},
        {"object": "refund", "id": "re_1", "payment_intent": "pi_1", "charge": "ch_1"},
        {"object": "dispute", "id": "dp_1", "payment_intent": "pi_1", "charge": "ch_1"},
    ]
    assert {points_at(snapshot).root for snapshot in told} == {"pi_1"}
