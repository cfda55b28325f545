"""What a plugin says of itself: its manifest, its form's fields, its features and help pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portal.contract.checks import Repair


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
class Feature:
    """Something that a connection makes possible. Checks name those that its credentials do not allow."""

    id: str
    title: str
    """As a line of the settings page: `Refunds from an invoice`."""
    ready: bool = True
    """False: this version does not have it yet, the right for it is asked for ahead of time."""


@dataclass(frozen=True, slots=True)
class AccountOption:
    """Something that an admin may switch on for a connection. It is off until somebody does.

    `Account.options` has it under `name`.
    """

    name: str
    label: str
    """As beside a checkbox: `Offer saved payment methods on pay pages`."""
    hint: str
    """What it shows to whom, and what to think of before."""


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
class EventTrace:
    """Where an event came from, as its body tells; for the event log alone."""

    request_id: str = ""
    """The provider's id of the call that caused it; empty: nobody called."""
    idempotency_key: str = ""
    """Of that call. The portal knows its own keys, so an echo of its own work can be told."""
    note: str = ""
    """A sentence about what is unusual in its form, such as another version."""


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
