"""Calls from a browser: publishable key and client secret, and what such a caller may see."""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from plugins.stripe.sandbox.errors import ApiError, Json, missing_param
from plugins.stripe.sandbox.spec.params import read_params
from plugins.stripe.sandbox.spec.routes import Match, by_key
from plugins.stripe.sandbox.store.worlds import LABELS, World

_BROWSER_ONLY = frozenset(
    {
        "_stripe_account",
        "_stripe_version",
        "client_attribution_metadata",
        "expected_payment_method_type",
        "guid",
        "muid",
        "pasted_fields",
        "payment_user_agent",
        "referrer",
        "sid",
        "time_on_page",
    }
)
"""What Stripe.js sends along and nothing depends on."""

_VISIBLE = {
    "payment_intent": frozenset(
        "id object amount amount_details automatic_payment_methods canceled_at cancellation_reason "
        "capture_method "
        "client_secret confirmation_method created currency description last_payment_error livemode "
        "next_action "
        "payment_method payment_method_configuration_details payment_method_types processing receipt_email "
        "setup_future_usage shipping source status".split()
    ),
    "setup_intent": frozenset(
        "id object automatic_payment_methods cancellation_reason client_secret created description "
        "last_setup_error "
        "livemode next_action payment_method payment_method_configuration_details payment_method_types "
        "status "
        "usage".split()
    ),
    "payment_method": frozenset(
        "id object allow_redisplay billing_details card created customer klarna link livemode type "
        "us_bank_account".split()
    ),
}


@dataclass(frozen=True, slots=True)
class BrowserForm:
    """A form split into what the SDK's types know and what only browsers send."""

    form: Json
    secret: object = None
    method: Json | None = None
    """The card typed into the Payment Element; servers send none, so the SDK has no type for it here."""


def split_browser_params(form: Json, *, publishable: bool) -> BrowserForm:
    """Take apart what a browser sent."""
    if "key" in form:
        form = {k: v for k, v in form.items() if k != "key"}
    if not publishable:
        return BrowserForm(form)
    rest = {k: v for k, v in form.items() if k not in _BROWSER_ONLY and k != "client_secret"}
    method = None
    if isinstance(data := rest.get("payment_method_data"), dict):
        data = {k: v for k, v in data.items() if k not in _BROWSER_ONLY}
        rest["payment_method_data"] = data
        if data.get("type") == "card":
            method = read_params(by_key()["POST /v1/payment_methods"], data)
            del rest["payment_method_data"]
    return BrowserForm(rest, form.get("client_secret"), method)


def check_client_secret(world: World, found: Match, secret: object) -> None:
    """A browser may touch only the intent whose secret it holds.

    Raises:
        ApiError: the secret is missing, or is not the one of this intent.
    """
    if not found.ids:
        return
    kind = "payment_intent" if "/payment_intents/" in found.route.template else "setup_intent"
    check_secret_of(world.get(kind, found.ids[0], param="intent"), secret)


def check_secret_of(intent: Json, secret: object) -> None:
    """Compare the secret that a browser sent with the one of the intent.

    Raises:
        ApiError: it is missing, or another one.
    """
    kind = intent["object"]
    if not isinstance(secret, str):
        raise missing_param("client_secret")
    if not hmac.compare_digest(intent["client_secret"].encode(), secret.encode()):
        raise ApiError(
            400,
            f"The client_secret provided does not match any associated {_noun(kind)} on this account. Ensure "
            "the "
            f"publishable key used belongs to the same account that created the {_noun(kind)}.",
            code=f"{kind}_invalid_parameter",
            param="client_secret",
        )


def _noun(kind: str) -> str:
    return {"payment_intent": "PaymentIntent", "setup_intent": "SetupIntent"}.get(
        kind, LABELS.get(kind, kind)
    )


def visible_to_browser(body: Json) -> Json:
    """The fields of an object that a publishable key may read."""
    visible = _VISIBLE.get(body.get("object", ""))
    if visible is None:
        return body
    return {k: v for k, v in body.items() if k in visible}
