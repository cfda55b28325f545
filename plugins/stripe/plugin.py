"""Stripe, as the portal sees it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from plugins.stripe.checks import CHECKS
from plugins.stripe.domain.endpoints import RepairId
from plugins.stripe.gateway.client import close_clients
from plugins.stripe.help import HELP_PAGES
from plugins.stripe.rights import ENDPOINT_FEATURE, RIGHTS
from plugins.stripe.services import connections, payments, repairs, webhooks
from portal.sdk import (
    Account,
    AccountIdentity,
    Check,
    CheckContext,
    CredentialField,
    Effect,
    Feature,
    FieldFeedback,
    HelpPage,
    LocalService,
    Manifest,
    Mode,
    PayableInvoice,
    PaymentStart,
    PayPage,
    Plugin,
    ReceivedEvent,
    Repaired,
    Secret,
    Settings,
)


class StripePlugin(Plugin):
    """Cards, wallets and bank debits by Stripe."""

    manifest: ClassVar[Manifest] = Manifest(
        id="stripe",
        title="Stripe",
        version="1.0",
        summary="Take card, wallet and bank payments on your invoices, and keep invoices and subscriptions "
        "in step with Stripe.",
        requires_portal=">=1,<2",
        docs_url="https://docs.stripe.com",
    )
    credentials: ClassVar[tuple[CredentialField, ...]] = connections.FIELDS
    checks: ClassVar[tuple[Check, ...]] = CHECKS
    features: ClassVar[tuple[Feature, ...]] = tuple(right.feature for right in RIGHTS)
    secret_repairs: ClassVar[frozenset[str]] = frozenset(
        {RepairId.CREATE_ENDPOINT, RepairId.FIX_ENDPOINT, RepairId.REMOVE_TWINS}
    )
    test_event_check: ClassVar[str] = "signing_secret"
    endpoint_feature: ClassVar[str] = ENDPOINT_FEATURE
    capabilities: ClassVar[frozenset[str]] = frozenset({"payments", "invoice_sync"})
    help_pages: ClassVar[tuple[HelpPage, ...]] = HELP_PAGES
    slots: ClassVar[Mapping[str, str]] = {
        "connect.help": "stripe/connect_help.html",
        "account.connected": "stripe/connected.html",
    }

    def check_field(self, name: str, values: Mapping[str, Secret], *, edited: bool) -> FieldFeedback:
        """Feedback on a key while it is typed."""
        return connections.check_field(name, values, edited=edited)

    def describe_mode(self, values: Mapping[str, Secret]) -> FieldFeedback | None:
        """Which mode the keys open."""
        return connections.describe_mode(values)

    async def identify(self, credentials: Mapping[str, Secret], settings: Settings) -> AccountIdentity:
        """The Stripe account behind the keys."""
        return await connections.identify(credentials, settings)

    def receive_event(
        self, body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret], now: datetime
    ) -> ReceivedEvent:
        """Prove that Stripe signed it."""
        return webhooks.receive_event(body, headers, secrets, now)

    def webhook_secrets(self, credentials: Mapping[str, Secret]) -> tuple[Secret, ...]:
        """The signing secret, when there is one."""
        secret = credentials.get("webhook_secret")
        return (secret,) if secret else ()

    def pay_page(self, account: Account, settings: Settings) -> PayPage:
        """The Payment Element's partial and scripts."""
        return payments.pay_page(account, settings)

    async def start_payment(
        self, account: Account, invoice: PayableInvoice, settings: Settings
    ) -> PaymentStart:
        """The client secret of the invoice's one payment."""
        return await payments.start_payment(account, invoice, settings)

    async def refresh_payment(self, account: Account, invoice_id: int) -> None:
        """Read the payment's state at Stripe and apply it."""
        await payments.refresh_payment(account, invoice_id)

    async def disconnect_effects(self, account: Account) -> Sequence[Effect]:
        """What goes on in Stripe after a disconnect."""
        return await connections.disconnect_effects(account)

    async def repair(self, name: str, context: CheckContext) -> Repaired:
        """Mend in Stripe what a check offered to mend."""
        mend = repairs.REPAIRS.get(name)
        return await (mend(context) if mend else super().repair(name, context))

    async def replace_endpoint(self, context: CheckContext) -> Repaired:
        """A second endpoint that sends nothing yet, with a new signing secret."""
        return await repairs.replace_endpoint(context)

    async def open_endpoint(self, context: CheckContext) -> None:
        """Let the second endpoint send every event."""
        await repairs.open_endpoint(context)

    async def retire_endpoint(self, context: CheckContext) -> None:
        """Delete the endpoint that the second one replaced."""
        await repairs.retire_endpoint(context)

    async def remove_endpoint(self, account: Account, endpoint_url: str, settings: Settings) -> int:
        """Delete every endpoint at this address."""
        return await repairs.remove_endpoint(account, endpoint_url, settings)

    def mask(self, name: str, value: Secret) -> str:
        """`rk_test_…x7Qd`; the publishable key in full."""
        return connections.mask(name, value)

    def local_services(self, settings: Settings) -> Sequence[LocalService]:
        """The sandbox, on the port after the portal's own."""
        if not settings.local or settings.plugin_option("stripe", "api_base"):
            return ()
        port = settings.port + 1
        url = f"http://127.0.0.1:{port}"
        state = settings.data_dir / "stripe-sandbox.json"
        program = (sys.executable, "-m", "plugins.stripe.sandbox", "--live-on-loopback")
        command = (*program, "--port", str(port), "--state", str(state))
        return (
            LocalService(
                "sandbox",
                command,
                f"{url}/_sandbox/ready",
                {"PORTAL_STRIPE_API_BASE": url, "PORTAL_STRIPE_SANDBOX": "on"},
            ),
        )

    async def sandbox_credentials(
        self, endpoint_url: str, settings: Settings, mode: Mode = Mode.TEST
    ) -> Mapping[str, str] | None:
        """Keys of the local sandbox with a fresh endpoint, when the sandbox is on."""
        return await connections.sandbox_credentials(endpoint_url, settings, mode)

    async def aclose(self) -> None:
        """Close the HTTP client."""
        await close_clients()


plugin = StripePlugin()
