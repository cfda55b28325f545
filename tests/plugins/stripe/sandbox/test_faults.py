from __future__ import annotations

import http.client
import time

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.raw import Api


def test_status_fault_acts_as_often_as_told(api: Api, sandbox: RunningSandbox) -> None:
    sandbox.add_fault(match="GET /v1/customers/*", status=503, times=2)
    assert [api.get("/v1/customers/cus_x").status for _ in range(3)] == [503, 503, 404]
    assert api.get("/v1/customers").status == 200


def test_sdk_retries_bring_a_call_through(sandbox: RunningSandbox) -> None:
    sandbox.add_fault(match="GET /v1/balance", status=500, times=1)
    client = stripe_sdk.StripeClient(
        DEFAULT.secret_key, base_addresses={"api": sandbox.url}, max_network_retries=2
    )
    assert client.v1.balance.retrieve().livemode is False
    assert sandbox.calls()["GET /v1/balance"] == 2


def test_dropped_before_has_no_effect_and_after_has(api: Api, sandbox: RunningSandbox) -> None:
    for moment, count in (("before", 0), ("after", 1)):
        sandbox.add_fault(match="POST /v1/customers", drop=moment)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            api.post("/v1/customers", {"name": "Ada"})
        assert len(api.get("/v1/customers").body["data"]) == count


def test_dropped_answer_is_a_connection_error_to_the_sdk(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox
) -> None:
    sandbox.add_fault(match="POST /v1/customers", drop="after")
    with pytest.raises(stripe_sdk.APIConnectionError):
        client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "one", "max_network_retries": 0})
    client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "one"})
    assert len(client.v1.customers.list().data) == 1


def test_delay_is_felt(api: Api, sandbox: RunningSandbox) -> None:
    sandbox.add_fault(match="GET /v1/**", delay_ms=300)
    began = time.monotonic()
    assert api.get("/v1/balance").status == 200
    assert time.monotonic() - began >= 0.3


def test_rate_ceiling_answers_429(api: Api, sandbox: RunningSandbox) -> None:
    sandbox.add_fault(rate_per_second=3)
    statuses = [api.get("/v1/balance").status for _ in range(8)]
    assert statuses[:3] == [200, 200, 200]
    assert 429 in statuses
    refused = next(r for r in (api.get("/v1/balance") for _ in range(20)) if r.status == 429)
    assert refused.error["code"] == "rate_limit"
    sandbox.control("DELETE", "/faults")
    assert api.get("/v1/balance").status == 200


def test_chance_repeats_with_its_seed(api: Api, sandbox: RunningSandbox) -> None:
    def statuses() -> list[int]:
        sandbox.control("DELETE", "/faults")
        sandbox.add_fault(match="GET /v1/balance", status=500, times=None, probability=0.5, seed=3)
        return [api.get("/v1/balance").status for _ in range(12)]

    first = statuses()
    assert first == statuses()
    assert set(first) == {200, 500}


def test_wrong_control_call_says_what_exists(sandbox: RunningSandbox) -> None:
    with pytest.raises(RuntimeError, match="POST /faults"):
        sandbox.control("POST", "/nothing", {})
    with pytest.raises(RuntimeError, match="TypeError"):
        sandbox.control("POST", "/faults", {"mtach": "x"})


@pytest.mark.parametrize("match", ["GET /v1/**", "* /v1/**"])
def test_every_read_can_be_late_for_ever(api: Api, sandbox: RunningSandbox, match: str) -> None:
    sandbox.add_fault(match=match, delay_ms=20, times=None)
    paths = ["balance", "account", "customers", "events", "webhook_endpoints", "customers/cus_x"]
    assert [api.get(f"/v1/{path}").status for path in paths] == [200, 200, 200, 200, 200, 404]
    api.post("/v1/customers", {"name": "Ada"})
    (fault,) = sandbox.control("GET", "/faults")["faults"]
    assert fault["times"] is None
    assert fault["acted"] == len(paths) + (match != "GET /v1/**")


@pytest.mark.parametrize("status", [429, 500])
def test_every_read_can_fail_while_writes_go_on(api: Api, sandbox: RunningSandbox, status: int) -> None:
    sandbox.add_fault(match="GET /v1/**", status=status, times=None, headers={"Retry-After": "7"})
    for path in ("balance", "account", "webhook_endpoints", "setup_intents/seti_x"):
        reply = api.get(f"/v1/{path}")
        assert (reply.status, reply.headers["retry-after"]) == (status, "7")
        assert reply.error["type"] == ("api_error" if status == 500 else "invalid_request_error")
        assert reply.error.get("code") == ("rate_limit" if status == 429 else None)
    assert api.post("/v1/customers", {"name": "Ada"}).status == 200


@pytest.mark.parametrize("moment", ["before", "after"])
def test_every_read_can_lose_its_answer(api: Api, sandbox: RunningSandbox, moment: str) -> None:
    sandbox.add_fault(match="GET /v1/**", drop=moment, times=None)
    for path in ("balance", "account", "customers/cus_x"):
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            api.get(f"/v1/{path}")
    assert api.post("/v1/customers", {"name": "Ada"}).status == 200


def test_a_special_fault_acts_before_a_general_one_that_was_added_later(
    api: Api, sandbox: RunningSandbox
) -> None:
    sandbox.add_fault(match="GET /v1/balance", status=503, delay_ms=20, times=None)
    sandbox.add_fault(match="GET /v1/**", delay_ms=20, times=None)
    assert [api.get(f"/v1/{path}").status for path in ("balance", "account")] == [503, 200]
    special, general = sandbox.control("GET", "/faults")["faults"]
    assert (special["acted"], general["acted"]) == (1, 1)
