"""What a plugin is. Everything the portal knows of a provider, it knows through this class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from portal.contract.facts import Mode
from portal.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from litestar.types import ControllerRouterHandler

    from portal.contract.checks import Check, CheckContext, Repair
    from portal.contract.secrets import Secret
    from portal.money import Money
    from portal.settings import Settings


@dataclass(frozen=True, slots=True)
class Manifest:
    """Who the plugin is. `requires_portal` is a range such as `>=1,<2`."""

    id: str
    title: str
    version: str
    summary: str
    requires_portal: str
    docs_url: str = ""
    icon: str = ""
    """File name below the plugin's `static/`, an SVG; empty: the first letter of the title."""


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One input of the connect form. Secret ones are masked, sealed and never shown again.

    What stands in backticks in `hint` is shown as code.
    """

    name: str
    label: str
    hint: str
    secret: bool = False
    webhook: bool = False
    """It belongs under the endpoint address, not under the API keys. When it is replaced, the old one is
    accepted beside it for a day."""
    offer: Repair | None = None
    """A button beside the input: a repair that brings the value, so that nobody needs to paste it."""


@dataclass(frozen=True, slots=True)
class FieldFeedback:
    """Words for the slot below an input. `tone`: ok, warn, bad or mute."""

    tone: str
    message: str


@dataclass(frozen=True, slots=True)
class AccountIdentity:
    """Which account the credentials open. `(plugin, external_id, mode)` can be connected once."""

    external_id: str
    title: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Feature:
    """Something that a connection makes possible. Checks name those that its credentials do not allow."""

    id: str
    title: str
    """As a line of the settings page: `Refunds from an invoice`."""
    ready: bool = True
    """False: this version does not have it yet, the right for it is asked for ahead of time."""


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did, as a sentence, and the credentials that it brought (stored sealed, at once)."""

    message: str
    credentials: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HelpPage:
    """A page of help, written from the symptom. Its address is `/help/<plugin>/<slug>`."""

    slug: str
    title: str
    """The symptom in a person's words: `Stripe refuses the key`."""
    summary: str
    template: str
    codes: tuple[str, ...] = ()
    """Codes of check results and errors that lead here; the page has an element with each as its id."""
    context: Mapping[str, Any] = field(default_factory=dict)
    """What the template reads as `help.context`, such as a table that the plugin's code uses too."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One consequence of disconnecting, as a sentence."""

    text: str


@dataclass(frozen=True, slots=True)
class LocalService:
    """A helper process for `portal run` on a person's own machine, such as a sandbox."""

    name: str
    argv: tuple[str, ...]
    ready_url: str
    environ: Mapping[str, str] = field(default_factory=dict)
    """Added to the environment of the web and worker processes."""


@dataclass(frozen=True, slots=True)
class Account:
    """A connection as a plugin sees it: its own credentials, opened."""

    id: int
    plugin: str
    mode: Mode
    external_id: str
    title: str
    credentials: Mapping[str, Secret]
    options: Mapping[str, Any]
    previous: Mapping[str, Secret] = field(default_factory=dict)
    """Signing secrets that were replaced and are still accepted for a while."""
    features_off: Mapping[str, str] = field(default_factory=dict)
    """`Feature.id` -> why it cannot be used, as the last checks found."""

    def can(self, feature: str) -> bool:
        """Whether the last checks found nothing in the way of the feature."""
        return feature not in self.features_off


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """What intake learned from a delivery whose signature holds."""

    external_id: str
    type: str
    object_kind: str
    object_id: str
    group_id: str
    """The id at the root of what the event is about, as far as the body tells: a charge's payment intent."""
    mode: Mode
    api_version: str | None
    account_external_id: str | None = None
    """Set when the delivery names an account of its own; it must equal the connection's."""
    signed_by: int = 0
    """Which of the given secrets signed it, by its place in the sequence."""


@dataclass(frozen=True, slots=True)
class PayableLine:
    """A line of an invoice as the provider needs it. `amount` is the line's total, tax apart."""

    description: str
    quantity: int
    unit: Money
    amount: Money


@dataclass(frozen=True, slots=True)
class PayableInvoice:
    """What a plugin may know of an invoice. Amount and currency come from our row alone."""

    id: int
    key: str
    """Names this invoice of this installation; put it into the provider's metadata, look it up by it."""
    number: str
    status: str
    external_id: str | None
    """The provider's id of its copy, once there is one."""
    total: Money
    amount_due: Money
    tax: Money
    due_at: datetime | None
    memo: str
    customer_id: int
    customer_key: str
    customer_name: str
    customer_email: str | None
    created_at: datetime
    lines: tuple[PayableLine, ...]


@dataclass(frozen=True, slots=True)
class PayPage:
    """What the public pay page needs of a plugin: a partial, scripts, and where they may connect."""

    template: str
    context: Mapping[str, Any]
    scripts: tuple[str, ...]
    """Addresses of the provider's scripts, and names of own ones such as `plugins/stripe/pay.js`."""
    csp: Mapping[str, tuple[str, ...]]
    """Additions to the page's Content-Security-Policy, such as `{"script-src": ("https://…",)}`."""


@dataclass(frozen=True, slots=True)
class PaymentStart:
    """Data for the browser. It may hold a client secret: never stored, never logged."""

    data: Mapping[str, str]


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
    help_pages: ClassVar[tuple[HelpPage, ...]] = ()
    secret_repairs: ClassVar[frozenset[str]] = frozenset()
    """Ids of repairs that may bring a new signing secret. They wait while an old one is still accepted."""
    test_event_check: ClassVar[str] = ""
    """Id of the check that has the provider send an event: *Send test event* repeats it."""
    endpoint_feature: ClassVar[str] = ""
    """The feature that `remove_endpoint` and endpoint repairs need; empty: the plugin has neither."""
    admin_routes: ClassVar[Sequence[ControllerRouterHandler]] = ()
    public_routes: ClassVar[Sequence[ControllerRouterHandler]] = ()
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
