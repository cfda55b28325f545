"""What a plugin is. Everything the portal knows of a provider, it knows through this class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from portal.contract.accounts import Account, AccountIdentity, Repaired
from portal.contract.descriptions import (
    AccountOption,
    CredentialField,
    Effect,
    EventTrace,
    Feature,
    FieldFeedback,
    HelpPage,
    LocalService,
    Manifest,
)
from portal.contract.facts import Mode
from portal.contract.payables import PayableInvoice, PaymentStart, PayPage
from portal.contract.work import (
    Connection,
    EventPage,
    ListedKind,
    PageWanted,
    Reading,
    ReadingPage,
    ReceivedEvent,
    StoredEvent,
    Subject,
)
from portal.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from litestar.types import ControllerRouterHandler

    from portal.contract.checks import Check, CheckContext
    from portal.contract.secrets import Secret
    from portal.money import Money
    from portal.settings import Settings


class Plugin(ABC):
    """A provider. Subclass it in `<package>/plugin.py` and name it `plugin` there (an instance).

    Class attributes describe, methods act. No method is called before migrations ran. The list that
    a route sits in decides its guard and CSRF: `admin_routes` need a signed-in admin, `public_routes`
    nobody, and both keep CSRF.
    """

    manifest: ClassVar[Manifest]
    credentials: ClassVar[tuple[CredentialField, ...]]
    checks: ClassVar[tuple[Check, ...]] = ()
    capabilities: ClassVar[frozenset[str]] = frozenset()
    features: ClassVar[tuple[Feature, ...]] = ()
    options: ClassVar[tuple[AccountOption, ...]] = ()
    help_pages: ClassVar[tuple[HelpPage, ...]] = ()
    secret_repairs: ClassVar[frozenset[str]] = frozenset()
    """Ids of repairs that may bring a new signing secret. They wait while an old one is still accepted."""
    test_event_check: ClassVar[str] = ""
    """Id of the check that has the provider send an event: *Send test event* repeats it."""
    endpoint_feature: ClassVar[str] = ""
    """The feature that `remove_endpoint` and endpoint repairs need; empty: the plugin has neither."""
    admin_routes: ClassVar[Sequence[ControllerRouterHandler]] = ()
    public_routes: ClassVar[Sequence[ControllerRouterHandler]] = ()
    listed_kinds: ClassVar[tuple[ListedKind, ...]] = ()
    """What can be listed in full, in the order in which it should be: what others refer to comes first."""
    slots: ClassVar[Mapping[str, str]] = {}
    """Slot name -> template of the plugin: `connect.help`, `account.connected`, `invoice.panel`."""

    @abstractmethod
    def check_field(self, name: str, values: Mapping[str, Secret], *, edited: bool) -> FieldFeedback:
        """Feedback on one field while it is typed: pure, no network. `edited`: the person left the field."""

    def describe_mode(self, values: Mapping[str, Secret]) -> FieldFeedback | None:
        """The pill beside the form's title, such as `Test keys`: pure. None: nothing can be told yet."""
        return None

    @abstractmethod
    async def identify(self, credentials: Mapping[str, Secret], settings: Settings) -> AccountIdentity:
        """The account behind the credentials.

        Raises:
            ProviderError: it cannot be told, with what to do.
        """

    @abstractmethod
    def receive_event(
        self, body: bytes, headers: Mapping[str, str], secrets: Sequence[Secret], now: datetime
    ) -> ReceivedEvent:
        """Prove the signature over the raw bytes, then read what intake needs. Pure and quick.

        Raises:
            EventRefused: anything else than a genuine, fresh delivery.
        """

    @abstractmethod
    def webhook_secrets(self, credentials: Mapping[str, Secret]) -> tuple[Secret, ...]:
        """The secrets that sign deliveries, among the credentials."""

    def trace_event(self, body: bytes, api_version: str | None) -> EventTrace:
        """What the event log shows beside an event: pure, and for any body."""
        return EventTrace()

    async def locate(self, account: Account, event: StoredEvent) -> Subject | str:
        """Which object the event is about, or a sentence why none of ours.

        Raises:
            EventQuarantined: it must have no effect here, and why.
        """
        return "Kept for the record: this plugin follows no events."

    async def read(self, account: Account, subject: Subject, events: Sequence[StoredEvent]) -> Reading:
        """Read the object from the provider now; the events' own payloads are hints.

        Called with the object's lock held and no transaction open. Nothing may be written in here.
        """
        raise NotFound("This plugin reads nothing.")

    async def read_page(self, account: Account, wanted: PageWanted) -> ReadingPage:
        """A page of everything of a kind. Nothing may be written in here: `ReadingPage.save` does."""
        raise NotFound("This provider's objects cannot be listed.")

    async def list_events(self, account: Account, *, since: datetime, after: str | None) -> EventPage | None:
        """A page of the provider's own list of events since then; None: it keeps none."""
        return None

    def calls_per_second(self, account: Account, settings: Settings) -> float:
        """How many calls the provider takes from this account; all workers together keep below it."""
        return 10.0

    def amount_problem(self, amount: Money) -> str | None:
        """Why the provider would not charge this amount, as a sentence; pure. None: nothing is against it.

        The invoice form asks while the amount is typed.
        """
        return None

    @abstractmethod
    def pay_page(self, account: Account, settings: Settings) -> PayPage:
        """The payment form's partial and scripts; no network."""

    @abstractmethod
    async def start_payment(
        self, account: Account, invoice: PayableInvoice, settings: Settings
    ) -> PaymentStart:
        """Make sure that the provider can take this payment, and give the browser what it needs.

        Raises:
            ProviderError: in words for the customer.
        """

    async def refresh_payment(self, account: Account, invoice_id: int) -> None:
        """Read the payment's state at the provider and apply it (the return page asks for it)."""

    def method_page(self, account: Account, settings: Settings) -> PayPage | None:
        """The form with which a customer changes how a subscription is paid; no network.

        None: this provider, or this connection, cannot take another method.
        """
        return None

    async def start_method(
        self, account: Account, subscription_external_id: str, settings: Settings
    ) -> PaymentStart:
        """Let the provider take another method of the customer's, and give the browser what it needs.

        Raises:
            ProviderError: in words for the customer.
            Conflict: it cannot be changed any more.
        """
        raise NotFound("This provider cannot take another method from here.")

    async def refresh_method(self, account: Account, subscription_external_id: str) -> None:
        """Read at the provider what the customer last agreed to for this subscription, and apply it."""

    def portal_offered(self, account: Account) -> bool:
        """Whether customers are offered the provider's own pages for their methods; pure."""
        return False

    async def customer_portal(
        self, account: Account, customer_external_id: str, return_url: str, settings: Settings
    ) -> str:
        """An address at the provider where this customer sees to their methods, for this one visit.

        Raises:
            ProviderError: there is none, with what to do.
        """
        raise NotFound("This provider has no pages for customers.")

    async def disconnect_effects(self, account: Account) -> Sequence[Effect]:
        """What disconnecting will do at the provider, as sentences."""
        return ()

    async def repair(self, name: str, context: CheckContext) -> Repaired:
        """Mend something at the provider: `name` is the `Repair.id` that a check offered.

        It may be asked twice for the same thing, and must then find what the first one did. What it brings a
        signing secret for must not take the place of what delivers to a saved connection before that secret
        is stored: `open_endpoint` is called then, and `retire_endpoint` when the old secret ends.

        Raises:
            ProviderError: it could not be done, with what to do.
        """
        raise NotFound("There is no such repair.")

    async def replace_endpoint(self, context: CheckContext) -> Repaired:
        """Make a second endpoint at the same address, whose secret takes the place of the present one.

        Both deliver until `retire_endpoint`, so that nothing is missed. The new one must send nothing before
        the portal stored its secret; `open_endpoint` is called then.
        """
        raise NotFound("This provider's endpoints cannot be replaced from here.")

    async def open_endpoint(self, context: CheckContext) -> None:
        """Let the endpoint that `replace_endpoint` made send every event."""

    async def retire_endpoint(self, context: CheckContext) -> None:
        """Delete the endpoint at this address that `replace_endpoint` replaced; none is no error.

        Opening the new one may have failed: then it is opened here, as the old secret ends after this.
        """

    async def remove_endpoint(self, account: Account, endpoint_url: str, settings: Settings) -> int:
        """Delete every endpoint of this address at the provider; returns how many there were."""
        return 0

    def object_page(self, mode: Mode, kind: str, external_id: str) -> str:
        """Where people see an object at the provider: pure. Empty: nowhere.

        `kind`: `customer`, `subscription` or `plan`.
        """
        return ""

    async def erase_copies(self, held: Connection, account_id: int, external_ids: Sequence[str]) -> None:
        """Take what tells of a person out of what the plugin keeps of these objects.

        Runs in the caller's transaction, in which their customer is marked as erased. What is kept of them
        later must be without it, too.
        """

    def erased_body(self, body: bytes) -> bytes:
        """An event's body without what tells of a person: pure, for any body. Empty: nothing is kept."""
        return b""

    def mask(self, name: str, value: Secret) -> str:
        """How a saved credential is shown: the start and the last four characters at most."""
        return f"…{value.tail}"

    def local_services(self, settings: Settings) -> Sequence[LocalService]:
        """Processes that `portal run` starts beside the portal on a person's own machine."""
        return ()

    async def sandbox_credentials(
        self, endpoint_url: str, settings: Settings, mode: Mode = Mode.TEST
    ) -> Mapping[str, str] | None:
        """Working credentials of a local sandbox, or None. Offered on the connect page in `local` only.

        `live` credentials pretend: they open the sandbox's live mode, where no real money moves either.
        """
        return None

    async def aclose(self) -> None:
        """Close network clients; called when the process ends."""


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """One entry of `PORTAL_PLUGINS`: a plugin, or the reason why there is none."""

    package: str
    plugin: Plugin | None
    error: str | None = None
    directory: Path | None = None
