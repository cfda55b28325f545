"""How either Stripe repeats and how it refuses: plain HTTP, because the SDK would hide it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.live.stripes import Reply, Stripe, fresh


def make(stripe: Stripe, params: dict[str, str], *, once: str) -> Reply:
    reply = stripe.call("POST", "/v1/customers", params, once=once)
    if reply.status == 200:
        stripe.made.append(str(reply.body["id"]))
    return reply


def error_of(reply: Reply) -> dict[str, Any]:
    found: dict[str, Any] = reply.body["error"]
    return found


def test_a_repeated_key_repeats_the_first_answer(stripe: Stripe) -> None:
    once = fresh("key")
    first = make(stripe, {"name": "Ada"}, once=once)
    stripe.call("POST", f"/v1/customers/{first.body['id']}", {"name": "Grace"})
    again = make(stripe, {"name": "Ada"}, once=once)
    assert (again.status, again.body) == (200, first.body)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"


def test_a_key_with_other_parameters_is_refused(stripe: Stripe) -> None:
    once = fresh("key")
    make(stripe, {"name": "Ada"}, once=once)
    other = make(stripe, {"name": "Bob"}, once=once)
    assert (other.status, error_of(other)["type"]) == (400, "idempotency_error")


def test_a_refused_parameter_leaves_the_key_free(stripe: Stripe) -> None:
    once = fresh("key")
    assert make(stripe, {"no_such_field": "x"}, once=once).status == 400
    assert make(stripe, {"name": "Ada"}, once=once).status == 200


def test_an_unknown_parameter_is_named(stripe: Stripe) -> None:
    reply = make(stripe, {"no_such_field": "x"}, once=fresh("key"))
    error = error_of(reply)
    assert (reply.status, error["type"], error["code"]) == (400, "invalid_request_error", "parameter_unknown")
    assert error["param"] == "no_such_field"
    assert error["message"]


def test_a_missing_parameter_is_named(stripe: Stripe) -> None:
    reply = stripe.call("POST", "/v1/payment_intents", {"amount": "500"})
    error = error_of(reply)
    assert (reply.status, error["code"], error["param"]) == (400, "parameter_missing", "currency")


def test_a_missing_object_is_a_404_with_a_code(stripe: Stripe) -> None:
    reply = stripe.call("GET", "/v1/invoices/in_1ThereIsNoSuchInvoice")
    error = error_of(reply)
    assert (reply.status, error["type"], error["code"]) == (404, "invalid_request_error", "resource_missing")
    assert "No such invoice" in error["message"]


@pytest.mark.parametrize("key", ["sk_test_this_key_was_never_made_by_anybody"])
def test_an_unknown_key_is_a_401_that_shows_no_more_than_its_end(stripe: Stripe, key: str) -> None:
    reply = stripe.call("GET", "/v1/balance", key=key)
    error = error_of(reply)
    assert (reply.status, error["type"]) == (401, "invalid_request_error")
    assert "Invalid API Key" in error["message"]
    assert key not in error["message"]


def test_answers_carry_a_request_id_and_our_version(stripe: Stripe) -> None:
    reply = stripe.call("GET", "/v1/balance")
    assert reply.status == 200
    assert reply.body["livemode"] is False
    assert reply.headers["request-id"].startswith("req_")
    assert reply.headers["stripe-version"]
