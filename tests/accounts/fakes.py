"""A provider that exists in tests alone: two keys, and checks that answer as they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from portal.accounts.connections import NewConnection, save_connection
from portal.accounts.endpoints import pending_endpoint
from portal.audit.services import Actor
from portal.contract.checks import Check, CheckContext, CheckResult, CheckStatus
from portal.contract.facts import Mode
from portal.contract.plugin import (
    Account,
    AccountIdentity,
    CredentialField,
    Effect,
    FieldFeedback,
    Manifest,
    PayableInvoice,
    PaymentStart,
    PayPage,
    Plugin,
    ReceivedEvent,
)
from portal.contract.secrets import Secret
from portal.settings import Settings, current_settings

ANA = Actor("person", "1", "Ana Duarte")
PUBLIC, SECRET, SIGNING = "pub_0123456789", "key_test_0123456789", "sign_0123456789"
CREDENTIALS = {"public_key": PUBLIC, "secret_key": SECRET, "signing": SIGNING}
PASSED = CheckResult(CheckStatus.PASSED, "Fine.")
ANSWERS: dict[str, CheckResult] = {}
"""What the checks answer; a test fills it, the fixture empties it."""


async def _account(_: CheckContext) -> CheckResult:
    return ANSWERS.get("account", PASSED)


async def _events(_: CheckContext) -> CheckResult:
    return ANSWERS.get("events", PASSED)


class Acme(Plugin):
    """Acme Pay."""

    manifest: ClassVar[Manifest] = Manifest("acme", "Acme", "0.1", "Pays with rockets.", ">=1,<2")
    credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField("public_key", "Public key", "Starts with `pub_`."),
        CredentialField("secret_key", "Secret key", "Starts with `key_`.", secret=True),
        CredentialField("signing", "Signing secret", "Starts with `sign_`.", secret=True, webhook=True),
    )
    checks: ClassVar[tuple[Check, ...]] = (
        Check("account", "Account", "Asks who it is.", _account),
        Check("events", "Events", "Asks for events.", _events, needs=("account",)),
    )
    capabilities: ClassVar[frozenset[str]] = frozenset({"payments"})

    def check_field(self, name: str, values: Mapping[str, Secret], *, edited: bool) -> FieldFeedback:
        """Prefixes, and a public key that must not be used with a live one."""
        value = values[name].reveal().strip()
        if not value:
            return FieldFeedback("mute", "")
        if name in ("public_key", "secret_key") and self._clash(values):
            return FieldFeedback("bad", "Use keys of the same mode.")
        start = {"public_key": "pub_", "secret_key": "key_", "signing": "sign_"}[name]
        if value.startswith(start):
            return FieldFeedback("ok", "Looks right.")
        return FieldFeedback("bad" if edited else "mute", f"Paste the one that starts with {start}.")

    @staticmethod
    def _clash(values: Mapping[str, Secret]) -> bool:
        return "live" in values["secret_key"].reveal() and "test" in values["public_key"].reveal()

    async def identify(
        self,
        credentials: Mapping[str, Secret],
        settings: Settings,  # noqa: ARG002 - the contract's
    ) -> AccountIdentity:
        """Always the same account, in the mode of the key."""
        mode = Mode.LIVE if "live" in credentials["secret_key"].reveal() else Mode.TEST
        return AccountIdentity("acme_1", "Northwind", mode)

    def receive_event(
        self, body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret], now: datetime
    ) -> ReceivedEvent:
        """Not asked here."""
        raise NotImplementedError

    def webhook_secrets(self, credentials: Mapping[str, Secret]) -> tuple[Secret, ...]:
        """The signing secret."""
        return (credentials["signing"],) if "signing" in credentials else ()

    def pay_page(self, account: Account, settings: Settings) -> PayPage:
        """Not asked here."""
        raise NotImplementedError

    async def start_payment(
        self, account: Account, invoice: PayableInvoice, settings: Settings
    ) -> PaymentStart:
        """Not asked here."""
        raise NotImplementedError

    async def disconnect_effects(
        self,
        account: Account,  # noqa: ARG002 - the contract's
    ) -> Sequence[Effect]:
        """One."""
        return (Effect("Rockets keep flying."),)


async def connect_acme(*, secret: str = SECRET, actor: Actor = ANA) -> int:
    """Save a connection as the form does; returns its id."""
    plugin = Acme()
    credentials = {name: Secret(value) for name, value in {**CREDENTIALS, "secret_key": secret}.items()}
    identity = await plugin.identify(credentials, current_settings())
    endpoint = await pending_endpoint("acme")
    return await save_connection(NewConnection(plugin, credentials, identity, endpoint), actor=actor)
