"""What tells of a person is taken out of Stripe's objects; ids, states and amounts stay."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plugins.stripe.domain.erasing import erased_body, without_personal

CASES: list[tuple[Any, Any]] = [
    ({"id": "cus_1", "name": "Ana", "email": "a@x.example"}, {"id": "cus_1", "name": None, "email": None}),
    (
        {"billing_details": {"address": {"city": "Bonn"}}, "amount": 5},
        {"billing_details": None, "amount": 5},
    ),
    (
        {"card": {"brand": "visa", "last4": "4242", "exp_month": 1, "exp_year": 2030, "fingerprint": "f"}},
        {"card": {"brand": "visa", "last4": None, "exp_month": None, "exp_year": None, "fingerprint": None}},
    ),
    ({"metadata": {"portal_invoice": "i:1", "dob": "1990"}}, {"metadata": {"portal_invoice": "i:1"}}),
    ([{"data": [{"phone": "1"}]}, 7, None], [{"data": [{"phone": None}]}, 7, None]),
]


@pytest.mark.parametrize(("value", "cleaned"), CASES)
def test_personal_fields_are_emptied_wherever_they_stand(value: Any, cleaned: Any) -> None:
    assert without_personal(value) == cleaned


def test_an_events_body_stays_json_and_anything_else_is_dropped() -> None:
    assert json.loads(erased_body(b'{"id": "evt_1", "data": {"object": {"name": "Ana"}}}')) == {
        "id": "evt_1",
        "data": {"object": {"name": None}},
    }
    assert [erased_body(body) for body in (b"", b"Ana", b"[" * 100_000)] == [b"", b"", b""]
