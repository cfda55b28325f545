"""The connect form: what was typed, what is said about each field, and whether it can be used."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

from portal.contract.descriptions import CredentialField, FieldFeedback
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.errors import NotFound
from portal.security.sealing import SealBroken, open_sealed, seal
from portal.web.forms import Form

KEPT = "kept"
ACCEPTED = "accepted"
CHECKED = "checked"
FIELD = "field"
PURPOSE = "purpose"
ACCOUNT = "account"
ONLY = "only"
REPAIR = "repair"
KEPT_MINUTES = 10
LONGEST_NUMBER = 18
"""Digits that a number of the database may have at most."""
BLANK = FieldFeedback("mute", "")
SURROUNDINGS = " \t\r\n\f\v\u00a0\u200b\u200c\u200d\u2060\ufeff"
"""White space and characters that nobody sees; no credential of any provider begins or ends with them."""


@dataclass(frozen=True, slots=True)
class FilledField:
    """One input as the page shows it. Secrets are never in `value`, sandbox ones apart."""

    spec: CredentialField
    value: str
    feedback: FieldFeedback

    @property
    def hint(self) -> Markup:
        """The hint with what stands in backticks as code."""
        parts = self.spec.hint.split("`")
        return Markup("").join(
            Markup("<code>{}</code>").format(part) if odd % 2 else escape(part)
            for odd, part in enumerate(parts)
        )


def form_fields(plugin: Plugin) -> tuple[str, ...]:
    """Every name that the plugin's connect form may send."""
    own = (KEPT, ACCEPTED, CHECKED, FIELD, PURPOSE, ACCOUNT, ONLY, REPAIR)
    return (*(spec.name for spec in plugin.credentials), *own)


def account_number(form: Form) -> int:
    """The connection that a form is about. A form that changes something names it.

    Raises:
        NotFound: it names none.
    """
    text = form.text(ACCOUNT)
    if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_NUMBER):
        raise NotFound("There is no such connection.", hint="Look at the list of connected accounts.")
    return int(text)


def typed_values(plugin: Plugin, form: Form) -> dict[str, Secret]:
    """The credentials exactly as typed, so that a stray space can be told of."""
    return {spec.name: Secret(form.raw(spec.name)) for spec in plugin.credentials}


def with_kept(plugin: Plugin, form: Form, *, person_id: int) -> dict[str, Secret]:
    """The credentials as typed; secret fields left empty are taken from what the last page kept."""
    kept = (
        restore(form.raw(KEPT), plugin_id=plugin.manifest.id, person_id=person_id) if form.raw(KEPT) else {}
    )
    secret = {spec.name for spec in plugin.credentials if spec.secret}
    return filled_up(typed_values(plugin, form), {name: kept[name] for name in secret & kept.keys()})


def filled_up(values: Mapping[str, Secret], more: Mapping[str, Secret]) -> dict[str, Secret]:
    """The values, where they are empty those of `more`."""
    return {name: value or more.get(name, value) for name, value in values.items()}


def keys_of(plugin: Plugin, values: Mapping[str, Secret]) -> dict[str, Secret]:
    """The credentials that say whose account it is: all but those of the webhook."""
    return {spec.name: values[spec.name] for spec in plugin.credentials if not spec.webhook}


def trimmed(values: Mapping[str, Secret]) -> dict[str, Secret]:
    """The credentials without what was pasted around them: what is checked and saved."""
    return {name: Secret(value.reveal().strip(SURROUNDINGS)) for name, value in values.items()}


def judge_form(plugin: Plugin, values: Mapping[str, Secret]) -> dict[str, FieldFeedback]:
    """Words for every field of a submitted form; empty fields are asked for."""
    return {
        spec.name: plugin.check_field(spec.name, values, edited=True)
        if values[spec.name]
        else FieldFeedback("bad", f"Enter the {lower_first(spec.label)}.")
        for spec in plugin.credentials
    }


def judge_typing(plugin: Plugin, values: Mapping[str, Secret], name: str) -> dict[str, FieldFeedback]:
    """Words for the field `name` while it is typed, and for the fields that its value bears on.

    A field that is only wrong beside this one gets a pointer instead of a second complaint.
    """
    answers = {name: plugin.check_field(name, values, edited=False)}
    alone = {**values, name: Secret("")}
    for spec in plugin.credentials:
        if spec.name == name or not values[spec.name]:
            continue
        beside = plugin.check_field(spec.name, values, edited=True)
        clashes = beside.tone == "bad" and plugin.check_field(spec.name, alone, edited=True).tone != "bad"
        answers[spec.name] = FieldFeedback("mute", f"See {label_of(plugin, name)}.") if clashes else beside
    return answers


def judge_leaving(plugin: Plugin, values: Mapping[str, Secret], name: str) -> FieldFeedback | None:
    """What was held back while the person typed, and is told when they leave the field; None: nothing."""
    nothing = {other: Secret("") for other in values}
    found = plugin.check_field(name, {**nothing, name: values[name]}, edited=True)
    return found if found.tone == "bad" else None


def label_of(plugin: Plugin, name: str) -> str:
    """The field's label inside a sentence."""
    return next((f"the {lower_first(spec.label)}" for spec in plugin.credentials if spec.name == name), name)


def refused(feedback: Mapping[str, FieldFeedback]) -> bool:
    """Whether any field cannot be used."""
    return any(found.tone == "bad" for found in feedback.values())


def fill(
    plugin: Plugin, values: Mapping[str, Secret], feedback: Mapping[str, FieldFeedback], *, kept: bool = False
) -> list[FilledField]:
    """The inputs of a page that answers a form. Secrets are not written into it: kept, or entered again."""
    return [
        FilledField(
            spec,
            "" if spec.secret or spec.name not in values else values[spec.name].reveal(),
            _after_reload(spec, values, feedback.get(spec.name, BLANK), kept=kept),
        )
        for spec in plugin.credentials
    ]


def summary_of(
    plugin: Plugin, feedback: Mapping[str, FieldFeedback], more: Sequence[tuple[str, str]] = ()
) -> list[tuple[str, str]]:
    """(input id, sentence) pairs for the error summary."""
    fields = [
        (spec.name, f"{spec.label}: {lower_first(feedback[spec.name].message)}")
        for spec in plugin.credentials
        if spec.name in feedback and feedback[spec.name].tone == "bad"
    ]
    return [*fields, *more]


def lower_first(words: str) -> str:
    """`Enter the key.` as a part of a longer sentence; names keep their capital."""
    second_is_lower = len(words) > 1 and not words[1].isupper()
    return words[:1].lower() + words[1:] if second_is_lower else words


def keep(values: Mapping[str, Secret], *, plugin_id: str, person_id: int) -> str:
    """The credentials sealed for ten minutes and this person, for the page that asks "connect anyway?"."""
    until = datetime.now(UTC) + timedelta(minutes=KEPT_MINUTES)
    content = {"until": until.isoformat(), "values": {k: v.reveal() for k, v in values.items()}}
    return seal(Secret(json.dumps(content)), context=_kept_place(plugin_id, person_id))


def restore(sealed: str, *, plugin_id: str, person_id: int) -> dict[str, Secret]:
    """What `keep` sealed; empty when it is too old or belongs to somebody else."""
    try:
        content = json.loads(open_sealed(sealed, context=_kept_place(plugin_id, person_id)).reveal())
    except SealBroken:
        return {}
    if datetime.fromisoformat(content["until"]) < datetime.now(UTC):
        return {}
    return {name: Secret(value) for name, value in content["values"].items()}


def _kept_place(plugin_id: str, person_id: int) -> tuple[str, ...]:
    return ("kept_credentials", plugin_id, str(person_id))


def _after_reload(
    spec: CredentialField, values: Mapping[str, Secret], feedback: FieldFeedback, *, kept: bool
) -> FieldFeedback:
    if not spec.secret or not values.get(spec.name) or feedback.tone == "bad":
        return feedback
    if kept:
        return FieldFeedback(
            "mute", f"Kept for {KEPT_MINUTES} minutes. Leave it empty, or enter another one."
        )
    return FieldFeedback("warn", "Enter the secret again." if spec.webhook else "Enter the key again.")
