"""Stripe, as the portal sees it."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from plugins.stripe.checks import CHECKS
from plugins.stripe.domain.endpoints import RepairId
from plugins.stripe.domain.erasing import erased_body
from plugins.stripe.domain.minimums import charge_problem
from plugins.stripe.domain.traces import cause_of, version_note
from plugins.stripe.gateway.client import API_VERSION, close_clients
from plugins.stripe.gateway.spending import calls_per_second
from plugins.stripe.help import HELP_PAGES
from plugins.stripe.rights import ENDPOINT_FEATURE, RIGHTS, WALLETS_FEATURE
from plugins.stripe.services import (
    connections,
    customers,
    erasing,
    methods,
    payments,
    repairs,
    subjects,
    webhooks,
)
from plugins.stripe.services.listings import histories, pages
from portal.sdk import (
    Account,
    AccountIdentity,
    AccountOption,
    Check,
    CheckContext,
    Connection,
    CredentialField,
    Effect,
    EventPage,
    EventTrace,
    Feature,
    FieldFeedback,
    HelpPage,
    ListedKind,
    LocalService,
    Manifest,
    Mode,
    Money,
    PageWanted,
    PayableInvoice,
    PaymentStart,
    PayPage,
    Plugin,
    Reading,
    ReadingPage,
    ReceivedEvent,
    Repaired,
    Secret,
    Settings,
    StoredEvent,
    Subject,
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
    features: ClassVar[tuple[Feature, ...]] = (
        *(right.feature for right in RIGHTS),
        Feature(WALLETS_FEATURE, "Apple Pay and Google Pay on pay pages"),
    )
    secret_repairs: ClassVar[frozenset[str]] = frozenset(
        {RepairId.CREATE_ENDPOINT, RepairId.FIX_ENDPOINT, RepairId.REMOVE_TWINS}
    )
    test_event_check: ClassVar[str] = "signing_secret"
    endpoint_feature: ClassVar[str] = ENDPOINT_FEATURE
    capabilities: ClassVar[frozenset[str]] = frozenset({"payments", "invoice_sync"})
    options: ClassVar[tuple[AccountOption, ...]] = (payments.OFFER_SAVED, methods.OFFER_PORTAL)
    help_pages: ClassVar[tuple[HelpPage, ...]] = HELP_PAGES
    listed_kinds: ClassVar[tuple[ListedKind, ...]] = pages.LISTED_KINDS
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

    def trace_event(self, body: bytes, api_version: str | None) -> EventTrace:
        """The call that caused it, and a word on another API version."""
        cause = cause_of(body)
        return EventTrace(cause.request_id, cause.idempotency_key, version_note(api_version, API_VERSION))

    async def locate(self, account: Account, event: StoredEvent) -> Subject | str:
        """Which object the event is about."""
        return await subjects.locate(account, event)

    async def read(self, account: Account, subject: Subject, events: Sequence[StoredEvent]) -> Reading:
        """Read it from Stripe now."""
        return await subjects.read(account, subject, events)

    async def read_page(self, account: Account, wanted: PageWanted) -> ReadingPage:
        """A page of everything of a kind."""
        return await pages.read_page(account, wanted)

    async def list_events(self, account: Account, *, since: datetime, after: str | None) -> EventPage | None:
        """A page of the events of the last 30 days at most."""
        return await histories.list_events(account, since=since, after=after)

    def calls_per_second(self, account: Account, settings: Settings) -> float:
        """Stripe's limit for the account's mode."""
        return calls_per_second(account, settings)

    def amount_problem(self, amount: Money) -> str | None:
        """Below Stripe's least charge, between its steps, or above its most."""
        return charge_problem(amount)

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

    def method_page(self, account: Account, settings: Settings) -> PayPage | None:
        """The Payment Element in setup mode, where the key allows it."""
        return methods.method_page(account, settings)

    async def start_method(
        self, account: Account, subscription_external_id: str, settings: Settings
    ) -> PaymentStart:
        """The client secret of a new SetupIntent for the subscription's customer."""
        return await methods.start_method(account, subscription_external_id, settings)

    async def refresh_method(self, account: Account, subscription_external_id: str) -> None:
        """Read the customer's newest agreement at Stripe and apply it."""
        await methods.refresh_method(account, subscription_external_id)

    def portal_offered(self, account: Account) -> bool:
        """Where an admin switched it on."""
        return methods.portal_offered(account)

    async def customer_portal(
        self, account: Account, customer_external_id: str, return_url: str, settings: Settings
    ) -> str:
        """A session of Stripe's customer portal."""
        return await methods.customer_portal(account, customer_external_id, return_url, settings)

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

    def object_page(self, mode: Mode, kind: str, external_id: str) -> str:
        """The object in Stripe's Dashboard."""
        return customers.dashboard_page(mode, kind, external_id)

    async def erase_copies(self, held: Connection, account_id: int, external_ids: Sequence[str]) -> None:
        """What was last read of the objects, without personal data."""
        await erasing.erase_copies(held, account_id, external_ids)

    def erased_body(self, body: bytes) -> bytes:
        """The event with the ids that replaying it needs, without personal data."""
        return erased_body(body)

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
