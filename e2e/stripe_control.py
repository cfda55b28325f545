"""Stripe as its own dashboard shows it, and its sandbox steered from behind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import httpx
import stripe as stripe_sdk

from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.sandbox.keys import DEFAULT, WorldKeys
from plugins.stripe.sandbox.permissions import READY_MADE

ELSEWHERE = "http://127.0.0.1:9/another-site"
"""An address on this machine where nobody listens."""
ALL_RIGHTS = READY_MADE | {"rak_accounts_kyc_basic_read"}
CONTROL_SECONDS = 10


@dataclass(frozen=True, slots=True)
class StripeControl:
    """The sandbox of one running portal, and one of its worlds."""

    url: str
    keys: WorldKeys = DEFAULT

    def in_world(self, keys: WorldKeys) -> StripeControl:
        """The same sandbox, seen from another account or mode."""
        return StripeControl(self.url, keys)

    @property
    def dashboard(self) -> stripe_sdk.V1Services:
        """What a person may do in Stripe."""
        return stripe_sdk.StripeClient(self.keys.secret_key, base_addresses={"api": self.url}).v1

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """A call under `/_sandbox`."""
        url = f"{self.url}/_sandbox{path}"
        answer = httpx.request(method, url, json=body, timeout=CONTROL_SECONDS)
        assert answer.is_success, answer.text
        return answer.json()

    # ---- time

    def stand_clock(self) -> str:
        """A clock for customers of one's own, who live on while everybody else stays in the present."""
        return str(self.dashboard.test_helpers.test_clocks.create({"frozen_time": int(time.time())}).id)

    def advance(self, clock: str, seconds: int) -> None:
        """Move it on; what becomes due happens at once."""
        clocks = self.dashboard.test_helpers.test_clocks
        clocks.advance(clock, {"frozen_time": clocks.retrieve(clock).frozen_time + seconds})

    # ---- customers

    def save_method(self, customer: str, method: str) -> None:
        """Make it the one that is charged by itself."""
        saved = self.dashboard.payment_methods.attach(method, {"customer": customer}).id
        self.dashboard.customers.update(customer, {"invoice_settings": {"default_payment_method": saved}})

    # ---- endpoints

    def add_endpoint(self, url: str, **fields: Any) -> stripe_sdk.WebhookEndpoint:
        """Add an endpoint as the portal's page asks for; the answer tells its secret."""
        wanted = {"url": url, "enabled_events": list(ENDPOINT_EVENTS), "api_version": API_VERSION, **fields}
        return self.dashboard.webhook_endpoints.create(wanted)  # type: ignore[arg-type]  # names as text

    def endpoints(self) -> list[stripe_sdk.WebhookEndpoint]:
        """Every endpoint of this world."""
        return self.dashboard.webhook_endpoints.list({"limit": 100}).data

    # ---- keys

    def restricted_key(self, *, without: frozenset[str] = frozenset()) -> str:
        """A new key with every right but these; Write implies Read."""
        body = {"world": self.keys.name, "permissions": sorted(ALL_RIGHTS - without)}
        return str(self.control("POST", "/keys", body)["key"])

    def revoke(self, key: str) -> None:
        """Delete a key, as somebody would in Stripe."""
        self.control("POST", "/keys/revoke", {"key": key})

    def activate(self, key: str) -> None:
        """Take that back."""
        self.control("POST", "/keys/activate", {"key": key})

    # ---- trouble

    def fault(self, match: str, **rule: Any) -> None:
        """Put a fault in force, for ever unless told otherwise."""
        self.control("POST", "/faults", {"times": None, "match": match, **rule})

    def heal(self) -> None:
        """Take every fault back, and deliver as Stripe does."""
        self.control("DELETE", "/faults")
        self.control("POST", "/deliver", {"skew_seconds": 0, "sign_with": None, "tamper": None})

    def deliver(self, **manner: Any) -> None:
        """Change how events are delivered."""
        self.control("POST", "/deliver", manner)

    def reset(self) -> None:
        """An empty Stripe."""
        self.control("POST", "/reset", {})

    # ---- what was asked

    def forget_calls(self) -> None:
        """Count from zero."""
        self.control("DELETE", "/calls")

    def called(self) -> set[str]:
        """The routes that were called, as `GET /v1/account`."""
        return set(self.control("GET", "/calls")["counts"])

    def story_of(self, object_id: str) -> dict[str, Any]:
        """What was last asked about an object and told of it, the newest first: for a failed test."""
        asked = [call for call in self.control("GET", "/calls")["recent"] if object_id in call["path"]]
        told = [
            (event.type, event.created)
            for event in self.dashboard.events.list({"limit": 100}).data
            if getattr(event.data.object, "id", "") == object_id
        ]
        return {"asked": asked, "told": told}
