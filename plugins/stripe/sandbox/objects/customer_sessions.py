"""Customer sessions: what lets the Payment Element show saved methods."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json, missing_param
from plugins.stripe.sandbox.objects.customers import require_customer
from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.store.ids import random_text

_LIFE_SECONDS = 1800
_FEATURES: Json = {
    "payment_method_allow_redisplay_filters": ["always"],
    "payment_method_redisplay": "disabled",
    "payment_method_redisplay_limit": 3,
    "payment_method_remove": "disabled",
    "payment_method_save": "disabled",
    "payment_method_save_usage": None,
}

_COMPONENTS = (
    "active_entitlements",
    "buy_button",
    "customer_portal",
    "customer_sheet",
    "mobile_payment_element",
    "payment_element",
    "pricing_table",
)


@handles("POST /v1/customer_sessions")
def create(call: Call) -> Json:
    """Open a session for a customer."""
    if not call.params.get("customer"):
        raise missing_param("customer")
    customer = require_customer(call, call.params["customer"])
    given = call.params["components"]
    now = call.now(customer["id"])
    secret = f"cuss_secret_{random_text(48)}"
    components = {name: _component(name, given.get(name) or {}) for name in _COMPONENTS}
    call.sandbox.customer_sessions[secret] = {
        "world": call.world.keys.name,
        "customer": customer["id"],
        "features": components["payment_element"]["features"] or {},
    }
    return {
        "object": "customer_session",
        "client_secret": secret,
        "components": components,
        "created": now,
        "customer": customer["id"],
        "customer_account": None,
        "expires_at": now + _LIFE_SECONDS,
        "livemode": call.world.livemode,
    }


def element_offer(sandbox: Sandbox, secret: str) -> Json:
    """What the Payment Element offers with this client secret: saved methods, and whether to save one.

    Raises:
        ApiError: there is no such session.
    """
    session = sandbox.customer_sessions.get(secret)
    if session is None:
        raise ApiError(404, "No such customer session.")
    features = session["features"]
    shown = [
        {"id": row["id"], "brand": row["card"]["brand"], "last4": row["card"]["last4"]}
        for row in sandbox.worlds[session["world"]].table("payment_method").rows.values()
        if row["type"] == "card"
        and row["customer"] == session["customer"]
        and row["allow_redisplay"] in features.get("payment_method_allow_redisplay_filters", ())
    ]
    redisplays = features.get("payment_method_redisplay") == "enabled"
    return {
        "methods": shown[::-1][: features["payment_method_redisplay_limit"]] if redisplays else [],
        "save": features.get("payment_method_save") == "enabled",
    }


def _component(name: str, given: Json) -> Json:
    enabled = bool(given.get("enabled"))
    if name == "payment_element":
        features = _FEATURES | (given.get("features") or {}) if enabled else None
        return {"enabled": enabled, "features": features}
    if name in ("customer_sheet", "mobile_payment_element"):
        return {"enabled": enabled, "features": None}
    return {"enabled": enabled}
