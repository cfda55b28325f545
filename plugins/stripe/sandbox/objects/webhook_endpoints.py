"""Webhook endpoints: where events go. The secret is shown once, at creation."""

from __future__ import annotations

from urllib.parse import urlsplit

from plugins.stripe.sandbox.calls import Call, assign, handles
from plugins.stripe.sandbox.delivery import LOOPBACK
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.expansion import deleted
from plugins.stripe.sandbox.listing import listed
from plugins.stripe.sandbox.store.ids import new_signing_secret

MAX_ENDPOINTS = 16


@handles("POST /v1/webhook_endpoints")
def create(call: Call) -> Json:
    """Make an endpoint and tell its secret."""
    params = call.params
    _check_url(call, params["url"])
    if not params["enabled_events"]:
        raise ApiError(400, "You must enable at least one event.", param="enabled_events")
    if len(call.world.table("webhook_endpoint")) >= MAX_ENDPOINTS:
        mode = "live" if call.world.livemode else "test"
        raise ApiError(400, f"You have reached the maximum of {MAX_ENDPOINTS} {mode} webhook endpoints.")
    endpoint = call.world.add(
        "webhook_endpoint",
        {
            "api_version": params.get("api_version"),
            "application": None,
            "description": params.get("description"),
            "enabled_events": params["enabled_events"],
            "metadata": {k: v for k, v in (params.get("metadata") or {}).items() if v != ""},
            "status": "enabled",
            "url": params["url"],
        },
    )
    secret = new_signing_secret()
    call.world.note(endpoint["id"])["secrets"] = [secret]
    return endpoint | {"secret": secret}


def _check_url(call: Call, url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ApiError(
            400, "Invalid URL: An explicit scheme (such as https) must be provided.", code="url_invalid"
        )
    local = call.sandbox.live_on_loopback and parts.hostname in LOOPBACK
    if call.world.livemode and parts.scheme != "https" and not local:
        raise ApiError(400, "Invalid URL: URL must use HTTPS in live mode.", code="url_invalid", param="url")


@handles("GET /v1/webhook_endpoints/{webhook_endpoint}")
def retrieve(call: Call) -> Json:
    """Read an endpoint, without its secret."""
    return call.world.get("webhook_endpoint", call.ids[0])


@handles("POST /v1/webhook_endpoints/{webhook_endpoint}")
def update(call: Call) -> Json:
    """Change address, events or state; the version cannot change."""
    endpoint = call.world.get("webhook_endpoint", call.ids[0])
    if url := call.params.get("url"):
        _check_url(call, url)
    with call.changing(endpoint):
        assign(endpoint, call.params, ("description", "enabled_events", "url"))
        if "disabled" in call.params:
            endpoint["status"] = "disabled" if call.params["disabled"] else "enabled"
    return endpoint


@handles("DELETE /v1/webhook_endpoints/{webhook_endpoint}")
def delete(call: Call) -> Json:
    """Delete an endpoint; its pending deliveries end."""
    endpoint = call.world.get("webhook_endpoint", call.ids[0])
    call.world.table("webhook_endpoint").remove(endpoint["id"])
    return deleted("webhook_endpoint", endpoint["id"])


@handles("GET /v1/webhook_endpoints")
def list_(call: Call) -> Json:
    """List the endpoints of this mode."""
    return listed(call, "webhook_endpoint")
