"""One submit of a form with credentials: what it is for, the values, and what is said about each field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from portal.accounts import forms
from portal.accounts.check_runs import fingerprint_of, subject_of_form
from portal.accounts.endpoints import endpoint_url, pending_endpoint, with_what_was_kept
from portal.accounts.rechecks import saved_context
from portal.accounts.services import (
    AccountSummary,
    connected_accounts,
    instance_id,
    load_account,
    load_summary,
    time_zone,
)
from portal.contract.checks import CheckContext
from portal.contract.descriptions import FieldFeedback
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.errors import NotFound, PortalError
from portal.settings import current_settings
from portal.web.forms import Form

BLANK = FieldFeedback("mute", "")


class Purpose(StrEnum):
    """What the credentials are entered for."""

    CONNECT = "connect"
    SWITCH = "switch"
    """Live keys beside a test connection: saved only once everything is green."""
    ROTATE = "rotate"
    """New credentials of a saved connection; what is left empty stays as it is."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A submitted form, ready for the checks."""

    plugin: Plugin
    purpose: Purpose
    typed: Mapping[str, Secret]
    values: Mapping[str, Secret]
    """What is checked: trimmed, filled up with what is kept or saved."""
    feedback: Mapping[str, FieldFeedback]
    context: CheckContext
    account: AccountSummary | None
    person_id: int

    @property
    def refused(self) -> bool:
        """Whether a field cannot be used, so that nothing else needs to be asked."""
        return forms.refused(self.feedback)

    @property
    def subject(self) -> str:
        """Whose run of checks this is."""
        number = f":{self.account.id}" if self.account else ""
        return subject_of_form(self.plugin.manifest.id, self.person_id) + f":{self.purpose}{number}"

    @property
    def fingerprint(self) -> str:
        """Names these exact values at this address."""
        return fingerprint_of(self.values, self.context.endpoint_url)

    @property
    def made_for(self) -> str:
        """Names the keys alone: what a repair brings for them belongs to nobody else."""
        return fingerprint_of(forms.keys_of(self.plugin, self.values))


async def read_attempt(plugin: Plugin, form: Form, *, person_id: int) -> Attempt:
    """The submitted form, judged field by field.

    Raises:
        NotFound: it names a connection that is not there.
    """
    purpose = (
        Purpose(form.text(forms.PURPOSE)) if form.text(forms.PURPOSE) in list(Purpose) else Purpose.CONNECT
    )
    account = await _account_of(plugin, form, purpose)
    typed = forms.with_kept(plugin, form, person_id=person_id)
    if purpose is Purpose.ROTATE and account is not None:
        return await _rotation(plugin, typed, account, person_id=person_id)
    made_for = fingerprint_of(forms.keys_of(plugin, forms.trimmed(typed)))
    typed = await with_what_was_kept(plugin.manifest.id, made_for, typed)
    values = forms.trimmed(typed)
    context = await form_context(plugin, values)
    return Attempt(
        plugin, purpose, typed, values, forms.judge_form(plugin, typed), context, account, person_id
    )


async def form_context(plugin: Plugin, values: Mapping[str, Secret]) -> CheckContext:
    """What the checks of a connection look at that is not saved yet."""
    return CheckContext(
        credentials=values,
        endpoint_url=await form_endpoint_url(plugin),
        settings=current_settings(),
        instance=await instance_id(),
        time_zone=await time_zone(),
        other_secrets=await other_secrets(plugin, values),
    )


async def form_endpoint_url(plugin: Plugin) -> str:
    """The address that the connect form shows."""
    endpoint = await pending_endpoint(plugin.manifest.id)
    return endpoint_url(current_settings().base_url, plugin.manifest.id, endpoint.token)


async def other_secrets(
    plugin: Plugin, values: Mapping[str, Secret], account_id: int | None = None
) -> dict[str, Secret]:
    """Signing secrets that may have been taken for the one to check, by what they are."""
    found: dict[str, Secret] = {}
    for summary in await connected_accounts(plugin.manifest.id):
        try:
            account = await load_account(summary.id)
        except PortalError:  # its secrets cannot be opened, so they cannot be compared either
            continue
        mine = summary.id == account_id
        for secrets, word in ((account.credentials, "current"), (account.previous, "previous")):
            for secret in plugin.webhook_secrets(secrets):
                label = (
                    f"the {word} secret" if mine else f"the secret of {summary.title} in {summary.mode} mode"
                )
                if secret not in values.values():
                    found.setdefault(label, secret)
    return found


async def _account_of(plugin: Plugin, form: Form, purpose: Purpose) -> AccountSummary | None:
    if purpose is Purpose.CONNECT:
        return None
    found = await load_summary(forms.account_number(form))
    if found.plugin != plugin.manifest.id or found.state == "disconnected":
        raise NotFound("There is no such connection.", hint="It may be disconnected already.")
    return found


async def _rotation(
    plugin: Plugin, typed: Mapping[str, Secret], account: AccountSummary, *, person_id: int
) -> Attempt:
    saved = (await load_account(account.id)).credentials
    values = forms.filled_up(forms.trimmed(typed), saved)
    context = await saved_context(account.id, plugin)
    context.credentials = values
    context.other_secrets = await other_secrets(plugin, values, account.id)
    judged = forms.judge_form(plugin, forms.filled_up(typed, saved))
    feedback = {name: judged[name] if typed[name] else BLANK for name in judged}
    return Attempt(plugin, Purpose.ROTATE, typed, values, feedback, context, account, person_id)
