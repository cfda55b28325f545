"""A provider that exists in tests alone: two keys, and checks that answer as they are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from portal.accounts.connections import NewConnection, save_connection
from portal.accounts.endpoints import pending_endpoint
from portal.audit.services import Actor
from portal.contract.accounts import Account, AccountIdentity, Repaired
from portal.contract.checks import Check, CheckContext, CheckResult, CheckStatus, Repair
from portal.contract.descriptions import CredentialField, Effect, Feature, FieldFeedback, Manifest
from portal.contract.facts import Mode
from portal.contract.payables import PayableInvoice, PaymentStart, PayPage
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.contract.work import ReceivedEvent
from portal.errors import NotFound, PortalError
from portal.settings import Settings, current_settings

ANA = Actor("person", "1", "Ana Duarte")
PUBLIC, SECRET, SIGNING = "pub_0123456789", "key_test_0123456789", "sign_0123456789"
CREDENTIALS = {"public_key": PUBLIC, "secret_key": SECRET, "signing": SIGNING}
NEW_SIGNING = "sign_new_0123456789"
PASSED = CheckResult(CheckStatus.PASSED, "Fine.")
ANSWERS: dict[str, CheckResult] = {}
"""What the checks answer; a test fills it, the fixture empties it."""
ASKED: list[str] = []
"""What was asked of Acme, in order: checks, repairs, endpoint work. The fixture empties it."""
REFUSES: dict[str, PortalError] = {}
"""What Acme refuses to do, and how; the fixture empties it."""


def _ask(what: str) -> None:
    ASKED.append(what)
    if what in REFUSES:
        raise REFUSES[what]


async def _account(_: CheckContext) -> CheckResult:
    _ask("account")
    return ANSWERS.get("account", PASSED)


async def _events(_: CheckContext) -> CheckResult:
    _ask("events")
    return ANSWERS.get("events", PASSED)


class Acme(Plugin):
    """Acme Pay."""

    manifest: ClassVar[Manifest] = Manifest("acme", "Acme", "0.1", "Pays with rockets.", ">=1,<2")
    credentials: ClassVar[tuple[CredentialField, ...]] = (
        CredentialField("public_key", "Public key", "Starts with `pub_`."),
        CredentialField("secret_key", "Secret key", "Starts with `key_`.", secret=True),
        CredentialField(
            "signing",
            "Signing secret",
            "Starts with `sign_`.",
            secret=True,
            webhook=True,
            offer=Repair("make_endpoint", "Create it for me"),
        ),
    )
    checks: ClassVar[tuple[Check, ...]] = (
        Check("account", "Account", "Asks who it is.", _account),
        Check("events", "Events", "Asks for events.", _events, needs=("account",)),
    )
    capabilities: ClassVar[frozenset[str]] = frozenset({"payments"})
    features: ClassVar[tuple[Feature, ...]] = (
        Feature("endpoints", "Endpoints made for you"),
        Feature("rockets", "Rockets on demand"),
    )
    endpoint_feature: ClassVar[str] = "endpoints"
    secret_repairs: ClassVar[frozenset[str]] = frozenset({"make_endpoint"})
    test_event_check: ClassVar[str] = "events"

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
        """The account that the key names, in the mode of the key."""
        _ask("identify")
        mode = Mode.LIVE if "live" in credentials["secret_key"].reveal() else Mode.TEST
        if "_ltd_" in credentials["secret_key"].reveal():
            return AccountIdentity("acme_2", "Acme Ltd", mode)
        return AccountIdentity("acme_1", "Northwind", mode)

    async def repair(
        self,
        name: str,
        context: CheckContext,  # noqa: ARG002 - the contract's
    ) -> Repaired:
        """Makes an endpoint; knows nothing else."""
        _ask(name)
        if name != "make_endpoint":
            raise NotFound("There is no such repair.")
        return Repaired("The endpoint was made.", {"signing": Secret(NEW_SIGNING)})

    async def replace_endpoint(
        self,
        context: CheckContext,  # noqa: ARG002 - the contract's
    ) -> Repaired:
        """A second endpoint."""
        _ask("replace_endpoint")
        return Repaired("A second endpoint was made.", {"signing": Secret(NEW_SIGNING)})

    async def open_endpoint(self, context: CheckContext) -> None:
        """It must know the new secret by now."""
        _ask(f"open_endpoint with …{context.credentials['signing'].tail}")

    async def retire_endpoint(
        self,
        context: CheckContext,  # noqa: ARG002 - the contract's
    ) -> None:
        """The first endpoint goes."""
        _ask("retire_endpoint")

    async def remove_endpoint(
        self,
        account: Account,
        endpoint_url: str,  # noqa: ARG002 - the contract's
        settings: Settings,  # noqa: ARG002 - the contract's
    ) -> int:
        """Every endpoint goes; the key must still be known."""
        assert account.credentials
        _ask("remove_endpoint")
        return 1

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
    account_id = await save_connection(NewConnection(plugin, credentials, identity, endpoint), actor=actor)
    ASKED.clear()
    return account_id
