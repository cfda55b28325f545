"""The connect form as a page and as the fragments that htmx swaps into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from litestar import Response
from litestar.plugins.jinja import JinjaTemplateEngine

from portal.accounts import forms
from portal.accounts.endpoints import endpoint_url, pending_endpoint, reachability_warning
from portal.accounts.validations import Outcome
from portal.accounts.views import connect_anyway, finished_board, row_id, waiting_board
from portal.contract.checks import CheckContext
from portal.contract.plugin import FieldFeedback, Plugin
from portal.contract.secrets import Secret
from portal.security.keyrings import current_keyring
from portal.settings import Settings, current_settings
from portal.web.forms import Form
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
class FormPage:
    """Everything that the templates of the connect form read."""

    title: str
    summary: str
    url: str
    fields: Sequence[forms.FilledField]
    endpoint_url: str
    endpoint_warning: str
    mode: FieldFeedback | None
    help: str = ""
    sandbox: bool = False
    problems: Sequence[Problem] = ()
    note: FieldFeedback | None = None
    kept: str = ""
    confirm: Confirmation | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One submit of the connect form: the values, and what is said about each field."""

    plugin: Plugin
    values: Mapping[str, Secret]
    feedback: Mapping[str, FieldFeedback]
    context: CheckContext

    @property
    def refused(self) -> bool:
        """Whether a field cannot be used, so that nothing else needs to be asked."""
        return forms.refused(self.feedback)


async def read_attempt(plugin: Plugin, form: Form, *, person_id: int) -> Attempt:
    """The submitted form, judged field by field, ready for the checks."""
    typed = forms.with_kept(plugin, form, person_id=person_id)
    values = forms.trimmed(typed)
    url = await form_endpoint_url(plugin)
    context = CheckContext(credentials=values, endpoint_url=url, settings=current_settings())
    return Attempt(plugin, values, forms.judge_form(plugin, typed), context)


async def form_endpoint_url(plugin: Plugin) -> str:
    """The address that the connect form shows."""
    endpoint = await pending_endpoint(plugin.manifest.id)
    return endpoint_url(current_settings().base_url, plugin.manifest.id, endpoint.token)


async def empty_form(plugin: Plugin) -> FormPage:
    """The form before anything was typed."""
    return _form(plugin, await form_endpoint_url(plugin), forms.fill(plugin, {}, {}), mode=None)


def answered_form(attempt: Attempt, *, person_id: int, problems: Sequence[Problem] = ()) -> FormPage:
    """The form after a submit without scripts. Good secrets are kept sealed for a while, never shown."""
    plugin = attempt.plugin
    kept = "" if attempt.refused else _kept(attempt, person_id)
    fields = forms.fill(plugin, attempt.values, attempt.feedback, kept=bool(kept))
    form = _form(plugin, attempt.context.endpoint_url, fields, mode=plugin.describe_mode(attempt.values))
    return replace(form, problems=problems, kept=kept)


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
    button = connect_anyway(outcome.doubtful)
    return Confirmation(f"{button}?", button, doubts, agreement(attempt, outcome))


def agreement(attempt: Attempt, outcome: Outcome) -> str:
    """Names exactly these values with exactly these doubts."""
    return forms.fingerprint(attempt.values, outcome.doubtful, key=current_keyring().derive("connect-anyway"))


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
) -> Response[str]:
    """The whole page with the form, and the checks as far as they ran."""
    return page(
        request,
        "accounts/connect.html",
        status=status,
        failed=bool(form.problems),
        form=form,
        **board_context(plugin, outcome),
    )


def form_fragments(
    request: PortalRequest, attempt: Attempt, form: FormPage, *, outcome: Outcome | None, status: int
) -> Response[str]:
    """What Save changes in the open page: everything around the inputs, which stay as they are."""
    html = render(
        request, "accounts/_saved.html", form=form, attempt=attempt, **board_context(attempt.plugin, outcome)
    )
    return Response(html, status_code=status, media_type=HTML, headers={"Vary": "HX-Request"})


def board_context(plugin: Plugin, outcome: Outcome | None) -> dict[str, Any]:
    """What the card of checks needs below the connect form."""
    board = finished_board(plugin.checks, outcome.results) if outcome else waiting_board(plugin.checks)
    return {"board": board, **check_context(plugin)}


def check_context(plugin: Plugin) -> dict[str, str]:
    """Which form runs the checks, and where it sends them."""
    return {"check_form": FORM_ID, "check_url": f"{provider_url(plugin)}/validate"}


def provider_url(plugin: Plugin) -> str:
    """The provider's page."""
    return f"{BASE}/{plugin.manifest.id}"


def sandbox_is_on(plugin: Plugin, settings: Settings) -> bool:
    """Whether a sandbox of the provider runs beside this portal: `portal run` names it by this variable."""
    return settings.local and settings.plugin_option(plugin.manifest.id, "api_base") is not None


def render(request: PortalRequest, template: str, **context: Any) -> str:
    """A fragment with the frame's values."""
    engine = request.app.template_engine
    assert isinstance(engine, JinjaTemplateEngine)  # noqa: S101 - create_app sets it
    return render_fragment(engine, template, shell=shell(request), **context)


def _form(
    plugin: Plugin, url: str, fields: Sequence[forms.FilledField], *, mode: FieldFeedback | None
) -> FormPage:
    settings, manifest = current_settings(), plugin.manifest
    return FormPage(
        title=manifest.title,
        summary=manifest.summary,
        url=provider_url(plugin),
        fields=fields,
        endpoint_url=url,
        endpoint_warning=reachability_warning(settings, manifest.title),
        mode=mode,
        help=plugin.slots.get("connect.help", ""),
        sandbox=sandbox_is_on(plugin, settings),
    )


def _kept(attempt: Attempt, person_id: int) -> str:
    secrets = {spec.name: attempt.values[spec.name] for spec in attempt.plugin.credentials if spec.secret}
    return forms.keep(secrets, plugin_id=attempt.plugin.manifest.id, person_id=person_id)
