"""Customer sessions: what lets the Payment Element show saved methods."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import Json, missing_param
from plugins.stripe.sandbox.objects.customers import require_customer
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
    return {
        "object": "customer_session",
        "client_secret": f"cuss_secret_{random_text(48)}",
        "components": {name: _component(name, given.get(name) or {}) for name in _COMPONENTS},
        "created": now,
        "customer": customer["id"],
        "customer_account": None,
        "expires_at": now + _LIFE_SECONDS,
        "livemode": call.world.livemode,
    }


def _component(name: str, given: Json) -> Json:
    enabled = bool(given.get("enabled"))
    if name == "payment_element":
        features = _FEATURES | (given.get("features") or {}) if enabled else None
        return {"enabled": enabled, "features": features}
    if name in ("customer_sheet", "mobile_payment_element"):
        return {"enabled": enabled, "features": None}
    return {"enabled": enabled}
