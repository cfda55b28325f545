"""The kit passes the plugin that keeps the contract, and names what is wrong with one that does not."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.plugin import StripePlugin, plugin
from portal.contract.descriptions import CredentialField, FieldFeedback
from portal.contract.payables import PayPage
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.contract.work import ReceivedEvent
from portal.testing import Delivery, check_deliveries, check_plugin
from portal.testing import plugins as kit

EVENT = Path(__file__).parent.parent / "data" / "stripe_events" / "06_invoice.paid.json"


def sign(body: bytes, secret: Secret, now: datetime) -> Mapping[str, str]:
    text = body.decode("utf-8", "replace")
    header = stripe_sdk.WebhookSignature.generate_signature_header(
        text, secret.reveal(), int(now.timestamp())
    )
    return {"stripe-signature": header}


GENUINE = Delivery(EVENT.read_bytes(), sign)


def test_stripe_keeps_the_contract() -> None:
    check_plugin(plugin)


def test_stripe_takes_genuine_deliveries_alone() -> None:
    check_deliveries(plugin, GENUINE)


def test_an_async_test_can_run_the_kit() -> None:
    """Nothing of it needs or blocks an event loop, so authors need no plugin of pytest's."""
    check_plugin(plugin)


def wrong(**changed: Any) -> Plugin:
    """Stripe with one thing changed, in the place where Stripe is."""
    made: Plugin = type("Changed", (StripePlugin,), {"__module__": StripePlugin.__module__, **changed})()
    return made


def repeat(_: Plugin, name: str, values: Mapping[str, Secret], **__: bool) -> FieldFeedback:
    return FieldFeedback("bad", values[name].reveal())


def call_somebody(*_: object, **__: bool) -> socket.socket:
    return socket.create_connection(("127.0.0.1", 9))


@pytest.mark.parametrize(
    ("check", "changed", "words"),
    [
        (kit.check_manifest, {"manifest": replace(plugin.manifest, id="My Plugin")}, "no short"),
        (kit.check_manifest, {"manifest": replace(plugin.manifest, summary="Pays")}, "not a sentence"),
        (kit.check_manifest, {"manifest": replace(plugin.manifest, requires_portal="1")}, "requires_portal"),
        (kit.check_manifest, {"capabilities": frozenset({"teleport"})}, "teleport"),
        (kit.check_package, {"__module__": __name__}, "belongs into"),
        (kit.check_package, {}, "not this instance"),
        (kit.check_credentials, {"credentials": ()}, "cannot be connected"),
        (kit.check_credentials, {"credentials": (plugin.credentials[0],) * 2}, "one name"),
        (
            kit.check_credentials,
            {"credentials": (CredentialField("key", "Key", "From the mail.", webhook=True),)},
            "must be secret",
        ),
        (kit.check_credentials, {"webhook_secrets": lambda *_: (Secret("x"),)}, "invents"),
        (
            kit.check_field_feedback,
            {"check_field": repeat},
            "repeats",
        ),
        (
            kit.check_field_feedback,
            {"check_field": lambda *_, **__: FieldFeedback("red", "No.")},
            "the tone 'red'",
        ),
        (
            kit.check_field_feedback,
            {"check_field": call_somebody},
            "must not use the network",
        ),
        (kit.check_masks, {"mask": lambda *given: given[2].reveal()}, "shows the middle"),
        (kit.check_questions, {"checks": plugin.checks[::-1]}, "comes later"),
        (kit.check_questions, {"checks": (plugin.checks[0],) * 2}, "Two checks"),
        (kit.check_questions, {"checks": (replace(plugin.checks[0], seconds=600),)}, "deadline"),
        (kit.check_features, {"features": (plugin.features[0],) * 2}, "Two features"),
        (kit.check_features, {"endpoint_feature": "wormholes"}, "no feature 'wormholes'"),
        (kit.check_features, {"test_event_check": "wormholes"}, "no check 'wormholes'"),
        (kit.check_features, {"repair": Plugin.repair}, "Nothing does what"),
        (kit.check_features, {"secret_repairs": frozenset()}, "belongs into secret_repairs"),
        (
            kit.check_pay_page,
            {"pay_page": lambda *_: PayPage("stripe/absent.html", {}, (), {})},
            "absent.html is not there",
        ),
        (
            kit.check_pay_page,
            {"pay_page": lambda *_: PayPage("stripe/pay.html", {}, ("http://cdn.example/x.js",), {})},
            "neither yours",
        ),
    ],
)
def test_what_is_wrong_is_named(check: Callable[[Plugin], None], changed: dict[str, Any], words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check(wrong(**changed))


def test_a_host_that_opens_the_policy_is_refused() -> None:
    changed = wrong(
        pay_page=lambda *_: PayPage("stripe/pay.html", {}, (), {"script-src": ("'unsafe-inline'",)})
    )
    with pytest.raises(ValueError, match="takes hosts"):
        kit.check_pay_page(changed)


def careless(**kept: bool) -> Callable[..., ReceivedEvent]:
    """A `receive_event` that leaves one of its duties out."""

    def receive(
        _: Plugin, body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret], now: datetime
    ) -> ReceivedEvent:
        if kept.get("crashes") and not headers:
            raise KeyError("stripe-signature")
        trusted = plugin.receive_event(
            GENUINE.body, sign(GENUINE.body, Secret("s"), now), (Secret("s"),), now
        )
        if kept.get("trusts_everybody"):
            return trusted
        if kept.get("trusts_the_clock"):
            stamp = headers.get("stripe-signature", "t=0").split(",")[0][2:]
            now = datetime.fromtimestamp(int(stamp) if stamp.isdecimal() else 0, now.tzinfo)
        if kept.get("knows_one_secret"):
            secrets = secrets[:1]
        event = plugin.receive_event(body, headers, secrets, now)
        return replace(event, group_id="") if kept.get("knows_no_group") else event

    return receive


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("trusts_everybody", "somebody else is taken"),
        ("trusts_the_clock", "ten minutes ago is taken"),
        ("knows_one_secret", "second of two secrets is refused"),
        ("knows_no_group", "has no group"),
        ("crashes", "without headers raises KeyError"),
    ],
)
def test_a_careless_door_is_named(fault: str, words: str) -> None:
    with pytest.raises(AssertionError, match=words):
        check_deliveries(wrong(receive_event=careless(**{fault: True})), GENUINE)
