"""Early fraud warnings: what card networks report before a dispute."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.objects.new_methods import card_of

KIND = "radar.early_fraud_warning"


def warn_about(call: Call, charge: Json, method: Json) -> None:
    """Report the charge, if its test card says so."""
    if method["type"] != "card" or not card_of(call.world, method).fraud_warning:
        return
    warning = call.world.add(
        KIND,
        {
            "actionable": True,
            "charge": charge["id"],
            "fraud_type": "unauthorized_use_of_card",
            "payment_intent": charge["payment_intent"],
        },
        created=call.now(charge["customer"]),
    )
    call.emit(f"{KIND}.created", warning)


@handles("GET /v1/radar/early_fraud_warnings/{early_fraud_warning}")
def retrieve(call: Call) -> Json:
    """Read a warning."""
    return call.world.get(KIND, call.ids[0], param="early_fraud_warning")


@handles("GET /v1/radar/early_fraud_warnings")
def list_(call: Call) -> Json:
    """List warnings by charge or intent."""
    filters = {"charge": call.params.get("charge"), "payment_intent": call.params.get("payment_intent")}
    return listed(call, KIND, filters)
