"""Every recorded step of real Stripe, and the names of the fields it sends."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import stripe as stripe_sdk

from tests.plugins.stripe.sandbox.builders import make_open
from tests.plugins.stripe.sandbox.raw import DAHLIA, Api

FOLDER = Path(__file__).parent / "recorded"
CASES = sorted(FOLDER.glob("0*.json"))
MISSING = object()


def pick(body: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(body, list) and part.isdigit() and int(part) < len(body):
            body = body[int(part)]
        elif isinstance(body, dict) and part in body:
            body = body[part]
        else:
            return MISSING
    return body


class Replay:
    """A case being replayed: what the earlier steps answered."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.bodies: dict[str, Any] = {}

    def reference(self, path: str) -> Any:
        step, _, field = path.partition(".")
        return pick(self.bodies[step], field)

    def filled(self, text: str) -> str:
        return re.sub(r"\{(\w+\.[\w.]+)\}", lambda m: str(self.reference(m[1])), text)

    def resolved(self, value: Any) -> Any:
        if isinstance(value, dict):
            if set(value) == {"ref"}:
                return self.reference(value["ref"])
            return {k: self.resolved(v) for k, v in value.items()}
        return [self.resolved(v) for v in value] if isinstance(value, list) else value

    def mismatch(self, want: Any, got: Any) -> str | None:
        if isinstance(want, dict) and len(want) == 1:
            ((word, argument),) = want.items()
            if word == "absent":
                return None if got is MISSING else "should be absent"
            if word == "len":
                return (
                    None if isinstance(got, list) and len(got) == argument else f"wanted {argument} entries"
                )
            if word in ("ref", "tmpl"):
                want = self.reference(argument) if word == "ref" else self.filled(argument)
        return None if got == want and isinstance(got, bool) == isinstance(want, bool) else f"wanted {want!r}"

    def run(self, step: dict[str, Any]) -> list[str]:
        reply = self.api.call(
            step["method"],
            self.filled(step["path"]),
            self.resolved(step["params"]),
            headers={"Stripe-Version": DAHLIA},
        )
        self.bodies[step["id"]] = reply.body
        found = [] if reply.status == step["expect_status"] else [f"status {reply.status}"]
        for path, want in step["expect"].items():
            got = pick(reply.body, path)
            if problem := self.mismatch(want, got):
                found.append(f"{path}: {problem}, got {got!r}")
        return [f"step {step['seq']} {step['method']} {step['path']}: {p}" for p in found]


@pytest.mark.parametrize("file", CASES, ids=lambda f: f.stem)
def test_recorded_case_is_answered_the_same(api: Api, file: Path) -> None:
    replay = Replay(api)
    steps = json.loads(file.read_text())["steps"]
    assert [problem for step in steps for problem in replay.run(step)] == []


def test_objects_carry_exactly_the_recorded_fields(api: Api, client: stripe_sdk.StripeClient) -> None:
    expected = json.loads((FOLDER / "fields.json").read_text())
    sometimes = expected["_sometimes"]
    wrong = {}
    for body in everything(api, client):
        kind = "deleted" if body.get("deleted") else body["object"]
        extra = set(body) - set(expected[kind]) - set(sometimes.get(kind, ()))
        missing = set(expected[kind]) - set(body)
        if extra or missing:
            wrong[kind] = (extra, missing)
    assert wrong == {}


def everything(api: Api, client: stripe_sdk.StripeClient) -> list[dict[str, Any]]:
    """One object of each kind, as plain JSON."""
    v1 = client.v1
    product = v1.products.create(
        {"name": "Desk", "default_price_data": {"currency": "usd", "unit_amount": 900}}
    )
    rate = v1.tax_rates.create({"display_name": "VAT", "percentage": 19, "inclusive": False})
    coupon = v1.coupons.create({"percent_off": 10, "duration": "once"})
    setup = v1.setup_intents.create({"usage": "off_session"})
    intent = v1.payment_intents.create(
        {"amount": 700, "currency": "usd", "payment_method": "pm_card_createDispute", "confirm": True}
    )
    plain = v1.payment_intents.create(
        {"amount": 700, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    )
    refund = v1.refunds.create({"payment_intent": plain.id, "amount": 100})
    invoice = make_open(client)
    dispute = v1.disputes.list({"payment_intent": intent.id}).data[0]
    paths = [
        f"/v1/products/{product.id}",
        f"/v1/prices/{product.default_price}",
        f"/v1/tax_rates/{rate.id}",
        f"/v1/coupons/{coupon.id}",
        f"/v1/setup_intents/{setup.id}",
        f"/v1/payment_intents/{intent.id}",
        f"/v1/charges/{intent.latest_charge}",
        f"/v1/refunds/{refund.id}",
        f"/v1/balance_transactions/{refund.balance_transaction}",
        f"/v1/disputes/{dispute.id}",
        f"/v1/invoices/{invoice.id}",
        f"/v1/customers/{invoice.customer}",
        f"/v1/payment_methods/{intent.payment_method}",
    ]
    bodies = [api.get(path, headers={"Stripe-Version": DAHLIA}).body for path in paths]
    bodies += [api.get("/v1/invoiceitems").body["data"][0], api.get("/v1/events").body["data"][0]]
    bodies += api.get(f"/v1/invoices/{invoice.id}/lines").body["data"]
    return bodies
