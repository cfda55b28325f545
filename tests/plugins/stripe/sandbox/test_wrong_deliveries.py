"""Deliveries that go wrong on purpose: clock, secret and body of a signed event."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.delivery import signature
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.receivers import Receiver

OTHER_SECRET = "whsec_of_somebody_else"


def opened(client: stripe_sdk.StripeClient, inbox: Receiver) -> str:
    """The secret of a fresh endpoint."""
    made = client.v1.webhook_endpoints.create({"url": inbox.url, "enabled_events": ["*"]})
    return str(made.secret)


def delivered(client: stripe_sdk.StripeClient, inbox: Receiver) -> tuple[str, bytes]:
    """The signature and the body of the event of a new customer."""
    before = len(inbox.deliveries)
    make_customer(client)
    inbox.wait_for(lambda box: len(box.deliveries) == before + 1)
    return inbox.deliveries[-1]


def is_signed(header: str, body: bytes, secret: str) -> bool:
    stamp = int(header.partition(",")[0].removeprefix("t="))
    return header == signature(body, [secret], stamp)


@pytest.mark.parametrize("skew", [-400, 400])
def test_skewed_clock_stamps_the_signature(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver, skew: int
) -> None:
    secret = opened(client, inbox)
    sandbox.deliver(skew_seconds=skew)
    header, body = delivered(client, inbox)
    stamp = int(header.partition(",")[0].removeprefix("t="))
    assert abs(stamp - time.time() - skew) < 60
    assert is_signed(header, body, secret)


def test_another_secret_signs_instead_of_the_endpoints(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    secret = opened(client, inbox)
    sandbox.deliver(sign_with=OTHER_SECRET)
    header, body = delivered(client, inbox)
    assert is_signed(header, body, OTHER_SECRET)
    assert secret not in header
    with pytest.raises(stripe_sdk.SignatureVerificationError):
        stripe_sdk.WebhookSignature.verify_header(body.decode(), header, secret, 300)


def compact(body: bytes) -> bytes:
    return json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()


def earlier(body: bytes) -> bytes:
    event = json.loads(body)
    return compact(json.dumps(event | {"created": event["created"] - 1}).encode())


UNDONE: dict[str, Callable[[bytes], bytes]] = {
    "append": lambda body: body.removesuffix(b"\n"),
    "field": earlier,
    "reformat": compact,
}
"""How to get from what arrived back to what was signed."""


@pytest.mark.parametrize("tamper", sorted(UNDONE))
def test_bodies_are_changed_after_signing(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver, tamper: str
) -> None:
    secret = opened(client, inbox)
    sandbox.deliver(tamper=tamper)
    header, body = delivered(client, inbox)
    assert json.loads(body)["type"] == "customer.created"
    assert not is_signed(header, body, secret)
    assert is_signed(header, UNDONE[tamper](body), secret)


def test_only_the_named_types_go_wrong(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    secret = opened(client, inbox)
    sandbox.deliver(only_types=["product.created"], sign_with=OTHER_SECRET, tamper="append", duplicate=2)
    header, body = delivered(client, inbox)
    assert is_signed(header, body, secret)
    client.v1.products.create({"name": "Desk"})
    inbox.wait_for(lambda box: len(box.deliveries) == 3)
    assert inbox.types == ["customer.created", "product.created", "product.created"]
    header, body = inbox.deliveries[-1]
    assert is_signed(header, body.removesuffix(b"\n"), OTHER_SECRET)


def test_only_the_named_types_are_held(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver
) -> None:
    opened(client, inbox)
    sandbox.deliver(only_types=["product.created"], hold=True)
    client.v1.products.create({"name": "Desk"})
    delivered(client, inbox)
    assert inbox.types == ["customer.created"]
    sandbox.deliver(hold=False)
    inbox.wait_for(lambda box: box.types == ["customer.created", "product.created"])


@pytest.mark.parametrize("end", ["reset", "undo"])
def test_deliveries_are_right_again_afterwards(
    client: stripe_sdk.StripeClient, sandbox: RunningSandbox, inbox: Receiver, end: str
) -> None:
    wrong: dict[str, Any] = {
        "skew_seconds": 900,
        "sign_with": OTHER_SECRET,
        "tamper": "field",
        "only_types": ["customer.created"],
    }
    sandbox.deliver(**wrong)
    if end == "reset":
        sandbox.reset()
    else:
        sandbox.deliver(**dict.fromkeys(wrong) | {"skew_seconds": 0})
    secret = opened(client, inbox)
    header, body = delivered(client, inbox)
    assert stripe_sdk.WebhookSignature.verify_header(body.decode(), header, secret, 300)


def test_a_tamper_that_does_not_exist_is_refused(sandbox: RunningSandbox) -> None:
    with pytest.raises(RuntimeError, match="tamper is one of append, field, reformat"):
        sandbox.deliver(tamper="gzip")
