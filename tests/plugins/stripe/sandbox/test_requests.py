"""What holds for every call: idempotency keys, pages, headers, unknown and unbuilt routes."""

from __future__ import annotations

import threading
import time
from typing import Any

import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import WORLDS
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.raw import Api, Reply

KEY = {"Idempotency-Key": "portal:1:test:7:create"}


def test_same_idempotency_key_gives_the_same_answer(api: Api) -> None:
    first = api.post("/v1/customers", {"name": "Ada"}, headers=KEY)
    second = api.post("/v1/customers", {"name": "Ada"}, headers=KEY)
    assert second.body == first.body
    assert (first.headers.get("idempotent-replayed"), second.headers["idempotent-replayed"]) == (None, "true")
    assert len(api.get("/v1/customers").body["data"]) == 1
    event = api.get("/v1/events").body["data"][0]
    assert event["request"]["idempotency_key"] == KEY["Idempotency-Key"]


def test_other_parameters_under_a_key_are_refused(api: Api) -> None:
    api.post("/v1/customers", {"name": "Ada"}, headers=KEY)
    other = api.post("/v1/customers", {"name": "Bob"}, headers=KEY)
    assert (other.status, other.error["type"]) == (400, "idempotency_error")
    elsewhere = api.post("/v1/products", {"name": "Ada"}, headers=KEY)
    assert elsewhere.error["type"] == "idempotency_error"


def test_idempotency_keys_end_after_a_day(api: Api, sandbox: RunningSandbox) -> None:
    first = api.post("/v1/customers", {"name": "Ada"}, headers=KEY)
    sandbox.advance(86401)
    assert api.post("/v1/customers", {"name": "Ada"}, headers=KEY).body["id"] != first.body["id"]


def test_failed_validation_leaves_the_key_free(api: Api) -> None:
    assert api.post("/v1/customers", {"wat": "x"}, headers=KEY).status == 400
    assert api.post("/v1/customers", {"name": "Ada"}, headers=KEY).status == 200


def test_declines_and_500s_are_kept(api: Api, sandbox: RunningSandbox) -> None:
    params = {"amount": 500, "currency": "usd", "payment_method": "pm_card_chargeDeclined", "confirm": "true"}
    first = api.post("/v1/payment_intents", params, headers=KEY)
    second = api.post("/v1/payment_intents", params, headers=KEY)
    assert (first.status, second.status) == (402, 402)
    assert second.body == first.body
    sandbox.add_fault(match="POST /v1/customers", status=500)
    other = {"Idempotency-Key": "b"}
    assert [api.post("/v1/customers", {}, headers=other).status for _ in range(2)] == [500, 500]


def test_second_request_meets_409_while_the_first_runs(api: Api, sandbox: RunningSandbox) -> None:
    sandbox.add_fault(match="POST /v1/customers", delay_ms=800)
    replies: list[Reply] = []
    first = threading.Thread(target=lambda: replies.append(api.post("/v1/customers", {}, headers=KEY)))
    first.start()
    deadline = time.monotonic() + 5
    while sandbox.control("GET", "/faults")["faults"][0]["acted"] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    second = api.post("/v1/customers", {}, headers=KEY)
    first.join(5)
    assert (second.status, second.error["code"]) == (409, "idempotency_key_in_use")
    assert replies[0].status == 200
    assert len(api.get("/v1/customers").body["data"]) == 1


def test_pages_follow_the_cursor_in_both_directions(client: stripe_sdk.StripeClient) -> None:
    made = [make_customer(client).id for _ in range(5)][::-1]
    customers = client.v1.customers
    first = customers.list({"limit": 2})
    assert ([c.id for c in first.data], first.has_more) == (made[:2], True)
    second = customers.list({"limit": 2, "starting_after": made[1]})
    assert ([c.id for c in second.data], second.has_more) == (made[2:4], True)
    back = customers.list({"limit": 2, "ending_before": made[3]})
    assert ([c.id for c in back.data], back.has_more) == (made[1:3], True)
    assert [c.id for c in customers.list({"limit": 2}).auto_paging_iter()] == made


def test_limits_are_clamped(api: Api) -> None:
    for _ in range(101):
        api.post("/v1/products", {"name": "x"})
    for limit, length in ((0, 1), (101, 100), (7, 7)):
        assert len(api.get("/v1/products", {"limit": limit}).body["data"]) == length


def test_created_ranges_filter(api: Api, sandbox: RunningSandbox) -> None:
    old = api.post("/v1/customers").body
    sandbox.advance(1000)
    new = api.post("/v1/customers").body

    def ids(**created: int) -> list[str]:
        return [c["id"] for c in api.get("/v1/customers", {"created": created}).body["data"]]

    assert ids(gt=old["created"]) == [new["id"]]
    assert ids(gte=old["created"], lt=new["created"]) == [old["id"]]
    assert ids(lte=new["created"]) == [new["id"], old["id"]]


def test_answers_carry_stripes_headers(api: Api) -> None:
    reply = api.get("/v1/balance", headers={"Stripe-Version": "2026-08-26.dahlia"})
    assert reply.headers["request-id"].startswith("req_")
    assert reply.headers["stripe-version"] == "2026-08-26.dahlia"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert api.call("OPTIONS", "/v1/payment_intents/pi_1/confirm", key=None).status == 204


def test_unbuilt_operations_name_themselves(api: Api) -> None:
    params: dict[str, Any] = {"customer": "cus_x"}
    reply = api.post("/v1/quotes", params)
    assert (reply.status, "QuoteService.create" in reply.error["message"]) == (501, True)
    assert api.get("/v1/nothing").status == 404


def test_expansion_replaces_ids_and_only_ids(api: Api, client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    intent = client.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "usd",
            "customer": ada.id,
            "payment_method": "pm_card_visa",
            "confirm": True,
        }
    )
    paths = ["data.customer", "data.latest_charge.balance_transaction", "data.payment_method"]
    body = api.get("/v1/payment_intents", {"expand": paths}).body["data"][0]
    assert body["customer"]["email"] == "ada@example.com"
    assert body["payment_method"]["id"] == intent.payment_method
    assert body["latest_charge"]["object"] == "charge"
    assert api.get(f"/v1/payment_intents/{intent.id}").body["customer"] == ada.id
    refused = api.get(f"/v1/payment_intents/{intent.id}", {"expand": ["latest_charge.payment_method"]})
    assert (refused.status, refused.error["param"]) == (400, "expand")


def test_parameters_without_effect_are_refused_by_name(api: Api) -> None:
    reply = api.post("/v1/customers", {"tax": {"validate_location": "deferred"}})
    assert (reply.status, "`tax` of CustomerService.create" in reply.error["message"]) == (501, True)


def test_metadata_has_limits(api: Api) -> None:
    assert api.post("/v1/customers", {"metadata": {"a": "x" * 500}}).status == 200
    for metadata in ({"a": "x" * 501}, {"k" * 41: "x"}, {str(n): "x" for n in range(51)}):
        assert api.post("/v1/customers", {"metadata": metadata}).status == 400


def test_object_of_the_other_mode_is_hinted_at(api: Api, client: stripe_sdk.StripeClient) -> None:
    ada = make_customer(client)
    live = next(w for w in WORLDS if w.name == "a-live")
    reply = api.get(f"/v1/customers/{ada.id}", key=live.secret_key)
    assert reply.status == 404
    assert reply.error["message"].endswith(
        "a similar object exists in test mode, but a live mode key was used to make this request."
    )


def test_only_the_keys_own_account_may_be_named(api: Api) -> None:
    assert api.get("/v1/balance", headers={"Stripe-Account": WORLDS[0].account}).status == 200
    assert api.get("/v1/balance", headers={"Stripe-Account": "acct_other"}).status == 403
