"""Writes to ids that do not exist: they tell whether a key has the right, and change nothing."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from plugins.stripe.sandbox.keys import DEFAULT, WORLDS
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.raw import Api


class Probe(NamedTuple):
    """An update of something that is not there."""

    path: str
    params: dict[str, Any]
    right: str


METADATA = {"metadata": {"portal_probe": "1"}}
PROBES = [
    Probe("customers/cus_probe0", METADATA, "rak_customer_write"),
    Probe("invoices/in_probe0", METADATA, "rak_invoice_write"),
    Probe("payment_intents/pi_probe0", METADATA, "rak_payment_intent_write"),
    Probe("setup_intents/seti_probe0", METADATA, "rak_setup_intent_write"),
    Probe("refunds/re_probe0", METADATA, "rak_charge_write"),
    Probe("webhook_endpoints/we_probe0", METADATA, "rak_webhook_write"),
    Probe("payment_method_domains/pmd_probe0", {"enabled": True}, "rak_payment_method_domain_write"),
    Probe("subscriptions/sub_probe0", METADATA, "rak_subscription_write"),
]
table = pytest.mark.parametrize("probe", PROBES, ids=lambda probe: probe.right)


def key_with(sandbox: RunningSandbox, *rights: str) -> str:
    return str(sandbox.control("POST", "/keys", {"permissions": list(rights)})["key"])


@table
def test_with_the_right_the_object_is_missing(sandbox: RunningSandbox, api: Api, probe: Probe) -> None:
    live = next(world for world in WORLDS if world.livemode)
    for key in (
        key_with(sandbox, probe.right),
        DEFAULT.secret_key,
        DEFAULT.restricted_key,
        live.restricted_key,
    ):
        reply = api.post(f"/v1/{probe.path}", probe.params, key=key)
        assert (reply.status, reply.error["code"]) == (404, "resource_missing")
        assert reply.error["type"] == "invalid_request_error"
    assert api.get("/v1/events").body["data"] == []


@table
def test_without_the_right_the_refusal_names_it(sandbox: RunningSandbox, api: Api, probe: Probe) -> None:
    others = [other.right for other in PROBES if other != probe]
    reads = [p.right.replace("_write", "_read") for p in PROBES]
    for key in (key_with(sandbox, *others, *reads), key_with(sandbox)):
        reply = api.post(f"/v1/{probe.path}", probe.params, key=key)
        assert (reply.status, reply.error["code"]) == (403, "more_permissions_required")
        assert f"Having the '{probe.right}' permission" in reply.error["message"]
        assert key not in reply.error["message"]


@table
def test_a_read_right_reads_and_no_more(sandbox: RunningSandbox, api: Api, probe: Probe) -> None:
    key = key_with(sandbox, probe.right.replace("_write", "_read"))
    kind = probe.path.partition("/")[0]
    assert api.get(f"/v1/{kind}", {"limit": 1}, key=key).status == 200
    assert api.post(f"/v1/{probe.path}", probe.params, key=key).status == 403
