"""What the tests need of either Stripe: the SDK, plain HTTP, and the plugin's own gateway."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit

import stripe as stripe_sdk

from plugins.stripe.gateway.client import API_VERSION
from portal.sdk import Account, Mode, Money, PayableInvoice, PayableLine, Secret, Settings
from portal.settings import load_settings

KEY_VARIABLE = "STRIPE_TEST_SECRET_KEY"
REAL_API = "https://api.stripe.com"
CALL_SECONDS = 30
PATIENCE_SECONDS = 15.0
"""How long Stripe may take to let an invoice follow its payment."""


class LiveKeyRefused(ValueError):
    """The tests make and delete things, so they never take a key that moves real money."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A raw answer, header names in lower case."""

    status: int
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stripe:
    """One Stripe and a test key for it. `made` lists customers to take away again."""

    name: str
    url: str
    key: Secret
    client: stripe_sdk.StripeClient
    account: Account
    settings: Settings
    made: list[str] = field(default_factory=list)

    def call(
        self, method: str, path: str, params: dict[str, str] | None = None, *, key: str = "", once: str = ""
    ) -> Reply:
        """A call without the SDK. `once` is an idempotency key; `key` replaces the secret key."""
        parts = urlsplit(self.url)
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = kind(parts.netloc, timeout=CALL_SECONDS)
        headers = {"Authorization": f"Bearer {key or self.key.reveal()}", "Stripe-Version": API_VERSION}
        headers |= {"Idempotency-Key": once} if once else {}
        headers |= {"Content-Type": "application/x-www-form-urlencoded"} if method == "POST" else {}
        try:
            connection.request(method, path, urlencode(params or {}) or None, headers)
            reply = connection.getresponse()
            body = json.loads(reply.read())
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, body)
        finally:
            connection.close()

    def paid_invoice(self, invoice: str) -> stripe_sdk.Invoice:
        """The invoice once it is paid."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (found := self.client.v1.invoices.retrieve(invoice)).status != "paid":
            assert time.monotonic() < deadline, f"{invoice} is still {found.status}"
            time.sleep(0.2)
        return found

    def clean_up(self) -> None:
        """Void what is open and delete the customers that tests have made; a failure here fails no test."""
        for customer in self.made:
            with contextlib.suppress(stripe_sdk.StripeError):
                for invoice in self.client.v1.invoices.list({"customer": customer, "status": "open"}).data:
                    self.client.v1.invoices.void_invoice(invoice.id)
                self.client.v1.customers.delete(customer)
        self.made.clear()


def a_stripe(name: str, url: str, key: str) -> Stripe:
    """A Stripe at an address, with everything pointed at it.

    Raises:
        LiveKeyRefused: the key is not a secret key of test mode. Nothing was sent.
    """
    if not key.startswith(("sk_test_", "rk_test_")):
        raise LiveKeyRefused("The contract tests need a test key, which begins with sk_test_ or rk_test_.")
    stripe_sdk.enable_telemetry = False
    client = stripe_sdk.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": url},
        http_client=stripe_sdk.RequestsClient(timeout=CALL_SECONDS),
    )
    account = Account(1, "stripe", Mode.TEST, "acct_test", "Test", {"secret_key": Secret(key)}, {})
    base = {} if url == REAL_API else {"PORTAL_STRIPE_API_BASE": url}
    return Stripe(name, url, Secret(key), client, account, load_settings(base))


def fresh(word: str) -> str:
    """A name that nobody has used before, also not in an earlier run."""
    return f"contract-test:{word}:{uuid.uuid4().hex}"


def an_invoice(
    *, amounts: tuple[int, ...] = (1500, 1000), tax: int = 190, discount: int = 0
) -> PayableInvoice:
    """An invoice of the portal's in US dollars, unknown to any Stripe."""
    lines = tuple(
        PayableLine(f"Line {n}", 1, Money(amount, "usd"), Money(amount, "usd"))
        for n, amount in enumerate(amounts, 1)
    )
    total = Money(sum(amounts) - discount + tax, "usd")
    return PayableInvoice(
        id=1,
        key=fresh("invoice"),
        number="INV-0001",
        status="open",
        external_id=None,
        total=total,
        amount_due=total,
        discount=Money(discount, "usd"),
        tax=Money(tax, "usd"),
        due_at=datetime.now(UTC) + timedelta(days=14),
        memo="Made by a contract test",
        customer_id=1,
        customer_key=fresh("customer"),
        customer_name="Contract Test",
        customer_email="contract-test@example.com",
        created_at=datetime.now(UTC),
        lines=lines,
    )
