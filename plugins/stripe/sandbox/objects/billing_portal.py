"""Sessions of the customer portal: an address that opens the pages of one customer."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import Json, missing_param
from plugins.stripe.sandbox.objects.customers import require_customer
from plugins.stripe.sandbox.sandbox import Sandbox
from plugins.stripe.sandbox.store.ids import random_text

CONFIGURATION = "bpc_sandbox_default"


@handles("POST /v1/billing_portal/sessions")
def create(call: Call) -> Json:
    """Open a session. The portal is set up here; a fault stands for an account where it is not."""
    if not call.params.get("customer"):
        raise missing_param("customer")
    customer = require_customer(call, call.params["customer"])
    token = random_text(32)
    call.sandbox.portal_sessions[token] = call.params.get("return_url") or ""
    return {
        "id": f"bps_{random_text(24)}",
        "object": "billing_portal.session",
        "configuration": CONFIGURATION,
        "created": call.now(customer["id"]),
        "customer": customer["id"],
        "customer_account": None,
        "flow": None,
        "livemode": call.world.livemode,
        "locale": None,
        "on_behalf_of": None,
        "return_url": call.params.get("return_url"),
        "url": f"{call.sandbox.url}/_sandbox/portal/{token}",
    }


def way_back(sandbox: Sandbox, token: str) -> str | None:
    """Where a session leads back to; None: there is no such session."""
    return sandbox.portal_sessions.get(token)
