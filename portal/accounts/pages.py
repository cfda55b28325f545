"""The forms with credentials as pages, and as the fragments that htmx swaps into them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response
from litestar.plugins.jinja import JinjaTemplateEngine

from portal.accounts import forms
from portal.accounts.attempts import Attempt, Purpose, form_endpoint_url
from portal.accounts.check_runs import fingerprint_of
from portal.accounts.endpoints import reachability_warning
from portal.accounts.services import AccountSummary
from portal.accounts.validations import Outcome
from portal.accounts.views import (
    CheckBoard,
    connect_anyway,
    finished_board,
    row_id,
    waiting_board,
)
from portal.contract.descriptions import FieldFeedback
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.settings import Settings, current_settings
from portal.web.request import PortalRequest
from portal.web.responses import HTML, page, shell
from portal.web.templates import render_fragment

BASE = "/settings/connected-accounts"
FORM_ID = "connect"
Problem = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What Save asks when checks left doubts."""

    question: str
    button: str
    doubts: tuple[str, ...]
    accepted: str


@dataclass(frozen=True, slots=True)
class Wording:
    """What a form is called, by what it is for."""

    heading: str
    lede: str
    save: str
    save_path: str
    back: str


@dataclass(frozen=True, slots=True)
class FormPage:
    """Everything that the templates of a form with credentials read."""

    title: str
    url: str
    wording: Wording
    purpose: Purpose
    fields: Sequence[forms.FilledField]
    endpoint_url: str
    endpoint_warning: str
    mode: FieldFeedback | None
    account: AccountSummary | None = None
    help: str = ""
    sandbox: bool = False
    problems: Sequence[Problem] = ()
    note: FieldFeedback | None = None
    kept: str = ""
    confirm: Confirmation | None = None

    @property
    def save_url(self) -> str:
        """Where Save sends the form."""
        return f"{self.url}/{self.wording.save_path}"


async def empty_form(
    plugin: Plugin, purpose: Purpose = Purpose.CONNECT, account: AccountSummary | None = None
) -> FormPage:
    """The form before anything was typed."""
    url = await form_endpoint_url(plugin)
    return _form(plugin, purpose, account, url=url, fields=forms.fill(plugin, {}, {}))


def answered_form(attempt: Attempt, *, problems: Sequence[Problem] = ()) -> FormPage:
    """The form after a submit without scripts. Good secrets are kept sealed for a while, never shown."""
    plugin = attempt.plugin
    kept = _kept(attempt)
    shown = attempt.typed if attempt.purpose is Purpose.ROTATE else attempt.values
    fields = forms.fill(plugin, shown, attempt.feedback, kept=bool(kept))
    form = _form(plugin, attempt.purpose, attempt.account, url=attempt.context.endpoint_url, fields=fields)
    return replace(form, mode=plugin.describe_mode(attempt.values), problems=problems, kept=kept)


def filled_form(form: FormPage, plugin: Plugin, credentials: Mapping[str, str]) -> FormPage:
    """The form filled with credentials that are no secret: those of a local sandbox."""
    values = {name: Secret(value) for name, value in credentials.items()}
    feedback = forms.judge_form(plugin, values)
    fields = [
        forms.FilledField(spec, credentials.get(spec.name, ""), feedback[spec.name])
        for spec in plugin.credentials
    ]
    # The sandbox runs beside the portal, so the address needs to reach no further.
    return replace(form, fields=fields, mode=plugin.describe_mode(values), sandbox=False, endpoint_warning="")


def with_note(form: FormPage, note: FieldFeedback) -> FormPage:
    """The form with a message above it that receives the focus."""
    return replace(form, note=note)


def with_question(form: FormPage, question: Confirmation) -> FormPage:
    """The form with the question whether to save in spite of doubts."""
    return replace(form, confirm=question)


def ask_again(attempt: Attempt, outcome: Outcome) -> Confirmation:
    """The question for a run that left doubts."""
    titles = {check.id: check.title for check in attempt.plugin.checks}
    doubts = tuple(f"{titles[name]}: {outcome.results[name].message}" for name in outcome.doubtful)
    verb = "Save" if attempt.purpose is Purpose.ROTATE else "Connect"
    button = connect_anyway(outcome.doubtful, verb=verb)
    return Confirmation(f"{button}?", button, doubts, agreement(attempt, outcome))


def agreement(attempt: Attempt, outcome: Outcome) -> str:
    """Names exactly these values with exactly these doubts: what a person agreed to, and nothing else."""
    return fingerprint_of(attempt.values, "agreed", *sorted(outcome.doubtful))


def problems_of(attempt: Attempt, outcome: Outcome | None = None) -> list[Problem]:
    """(input or row id, sentence) pairs for the error summary."""
    failed = [
        (row_id(check), f"{check.title}: {outcome.results[check.id].message}")
        for check in attempt.plugin.checks
        if outcome and check.id in outcome.failed
    ]
    return forms.summary_of(attempt.plugin, attempt.feedback, failed)


def form_page(
    request: PortalRequest,
    plugin: Plugin,
    form: FormPage,
    *,
    outcome: Outcome | None = None,
    status: int = 200,
    **context: Any,
) -> Response[str]:
    """The whole page with the form, and the checks as far as they ran."""
    return page(
        request,
        "accounts/connect.html",
        status=status,
        failed=bool(form.problems),
        form=form,
        **board_context(plugin, form.purpose, outcome),
        **context,
    )


def form_fragments(
    request: PortalRequest, attempt: Attempt, form: FormPage, *, outcome: Outcome | None, status: int
) -> Response[str]:
    """What Save changes in the open page: everything around the inputs, which stay as they are."""
    html = render(
        request,
        "accounts/_saved.html",
        form=form,
        attempt=attempt,
        **board_context(attempt.plugin, form.purpose, outcome),
    )
    return Response(html, status_code=status, media_type=HTML, headers={"Vary": "HX-Request"})


def board_context(plugin: Plugin, purpose: Purpose, outcome: Outcome | None) -> dict[str, Any]:
    """What the card of checks needs below a form."""
    board: CheckBoard = (
        finished_board(plugin.checks, outcome.results) if outcome else waiting_board(plugin.checks)
    )
    return {"board": board, **row_context(plugin, purpose)}


def row_context(plugin: Plugin, purpose: Purpose) -> dict[str, str]:
    """A form's heading, and the addresses of its rows. New keys mend nothing until they are saved."""
    repair = "" if purpose is Purpose.ROTATE else "repair"
    return {"heading": _wording(plugin, purpose, None).heading, **check_context(plugin, repair=repair)}


def check_context(
    plugin: Plugin, form_id: str = FORM_ID, check: str = "validate", repair: str = "repair"
) -> dict[str, str]:
    """Which form the rows send, and where to: to check again, and to mend (empty: they offer no repair)."""
    url = provider_url(plugin)
    return {
        "check_form": form_id,
        "check_url": f"{url}/{check}",
        "repair_url": f"{url}/{repair}" if repair else "",
    }


def provider_url(plugin: Plugin) -> str:
    """The provider's page."""
    return f"{BASE}/{plugin.manifest.id}"


def account_url(plugin: Plugin, account_id: int, path: str = "") -> str:
    """The page of one connection, or one below it."""
    return f"{provider_url(plugin)}{path}?account={account_id}"


def sandbox_is_on(plugin: Plugin, settings: Settings) -> bool:
    """Whether a sandbox of the provider runs beside this portal: `portal run` names it by this variable."""
    return settings.local and settings.plugin_option(plugin.manifest.id, "api_base") is not None


def render(request: PortalRequest, template: str, **context: Any) -> str:
    """A fragment with the frame's values."""
    engine = request.app.template_engine
    assert isinstance(engine, JinjaTemplateEngine)  # noqa: S101 - create_app sets it
    return render_fragment(engine, template, shell=shell(request), **context)


def _form(
    plugin: Plugin,
    purpose: Purpose,
    account: AccountSummary | None,
    *,
    url: str,
    fields: Sequence[forms.FilledField],
) -> FormPage:
    settings, manifest = current_settings(), plugin.manifest
    on_sandbox = sandbox_is_on(plugin, settings)
    return FormPage(
        title=manifest.title,
        url=provider_url(plugin),
        wording=_wording(plugin, purpose, account),
        purpose=purpose,
        fields=fields,
        endpoint_url=url,
        # The sandbox runs beside the portal, so the address needs to reach no further.
        endpoint_warning="" if on_sandbox else reachability_warning(settings, manifest.title),
        mode=None,
        account=account,
        help=plugin.slots.get("connect.help", ""),
        sandbox=on_sandbox and purpose is not Purpose.ROTATE,
    )


def _wording(plugin: Plugin, purpose: Purpose, account: AccountSummary | None) -> Wording:
    title, back = plugin.manifest.title, account_url(plugin, account.id) if account else BASE
    match purpose:
        case Purpose.ROTATE:
            lede = "Enter only what changes. The old key works until the new one is saved; an old signing "
            lede += "secret is accepted for 24 hours beside the new one."
            return Wording("Replace keys", lede, "Save new keys", "rotate", back)
        case Purpose.SWITCH:
            lede = (
                "Live keys make a second connection beside the test one. Nothing is lost: test records stay, "
            )
            lede += "and never count in live figures."
            return Wording(f"Switch {title} to live", lede, "Go live", "connect", back)
    return Wording(f"Connect {title}", plugin.manifest.summary, "Save and connect", "connect", back)


def _kept(attempt: Attempt) -> str:
    secrets = {
        spec.name: attempt.typed[spec.name]
        for spec in attempt.plugin.credentials
        if spec.secret and attempt.typed[spec.name] and attempt.feedback[spec.name].tone != "bad"
    }
    if not secrets:
        return ""
    return forms.keep(secrets, plugin_id=attempt.plugin.manifest.id, person_id=attempt.person_id)
