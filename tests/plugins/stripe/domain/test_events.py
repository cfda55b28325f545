"""Which object an event makes us read."""

from __future__ import annotations

import pytest

from plugins.stripe.domain.events import ENDPOINT_EVENTS, Follow, Pointer, follow, points_at


@pytest.mark.parametrize(
    ("event_type", "what"),
    [
        ("invoice.paid", Follow.INVOICE),
        ("invoice.upcoming", None),
        ("invoice_payment.paid", Follow.INVOICE),
        ("payment_intent.succeeded", Follow.INVOICE),
        ("payment_intent.requires_action", Follow.INVOICE),
        ("charge.failed", Follow.INVOICE),
        ("charge.refunded", None),
        ("customer.created", Follow.CUSTOMER),
        ("customer.subscription.created", None),
        ("something.new", None),
    ],
)
def test_a_type_is_followed_to_its_object(event_type: str, what: Follow | None) -> None:
    assert follow(event_type) is what


def test_every_event_that_an_endpoint_must_send_is_followed() -> None:
    assert [name for name in ENDPOINT_EVENTS if follow(name) is None] == []


@pytest.mark.parametrize(
    ("snapshot", "pointer"),
    [
        ({"object": "invoice", "id": "in_1"}, Pointer(invoice="in_1")),
        ({"object": "invoice_payment", "id": "inpay_1", "invoice": "in_1"}, Pointer(invoice="in_1")),
        ({"object": "invoice_payment", "invoice": {"id": "in_1"}}, Pointer(invoice="in_1")),
        ({"object": "payment_intent", "id": "pi_1"}, Pointer(payment_intent="pi_1")),
        ({"object": "charge", "id": "ch_1", "payment_intent": "pi_1"}, Pointer(payment_intent="pi_1")),
        ({"object": "charge", "id": "ch_1", "payment_intent": None}, Pointer()),
        ({"object": "invoice"}, Pointer()),
        ({"object": "plan", "id": "plan_1"}, Pointer()),
        ({}, Pointer()),
    ],
)
def test_ids_are_read_from_what_never_changes(snapshot: dict[str, object], pointer: Pointer) -> None:
    assert points_at(snapshot) == pointer
