"""The connect form without a page: kept secrets, agreements, words for fields."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from portal.accounts import forms
from portal.accounts.check_runs import fingerprint_of
from portal.contract.secrets import Secret
from portal.web.forms import Form
from tests.accounts.fakes import CREDENTIALS, SECRET, Acme

SECRETS = {"secret_key": Secret(SECRET)}


def typed(**values: str) -> dict[str, Secret]:
    return {name: Secret(values.get(name, "")) for name in CREDENTIALS}


def test_kept_secrets_come_back_to_the_same_person_alone() -> None:
    sealed = forms.keep(SECRETS, plugin_id="acme", person_id=1)
    assert SECRET not in sealed
    assert forms.restore(sealed, plugin_id="acme", person_id=1) == SECRETS
    assert forms.restore(sealed, plugin_id="acme", person_id=2) == {}
    assert forms.restore(sealed, plugin_id="other", person_id=1) == {}
    assert forms.restore("rubbish", plugin_id="acme", person_id=1) == {}


def test_kept_secrets_are_gone_after_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, _tz: object = None) -> datetime:  # type: ignore[override]  # a clock of this test
            return datetime.now(UTC) + timedelta(minutes=11)

    sealed = forms.keep(SECRETS, plugin_id="acme", person_id=1)
    monkeypatch.setattr(forms, "datetime", Later)
    assert forms.restore(sealed, plugin_id="acme", person_id=1) == {}


def test_a_typed_secret_wins_over_a_kept_one_and_open_values_are_never_kept() -> None:
    kept = forms.keep({**SECRETS, "public_key": Secret("pub_old")}, plugin_id="acme", person_id=1)
    form = Form({"kept": [kept], "secret_key": [""], "signing": ["sign_new"], "public_key": [""]})
    values = forms.with_kept(Acme(), form, person_id=1)
    assert {name: value.reveal() for name, value in values.items()} == {
        "secret_key": SECRET,
        "signing": "sign_new",
        "public_key": "",
    }


def test_an_agreement_covers_these_values_and_doubts_only() -> None:
    agreed = fingerprint_of(SECRETS, "a")
    assert agreed == fingerprint_of(SECRETS, "a")
    assert agreed != fingerprint_of(SECRETS, "a", "b")
    assert agreed != fingerprint_of({"secret_key": Secret("key_other")}, "a")
    assert SECRET not in agreed


def test_spaces_around_are_taken_off_before_anything_uses_the_value() -> None:
    assert forms.trimmed({"secret_key": Secret(f"\u200b {SECRET}\r\n")}) == SECRETS


def test_a_clash_is_told_at_the_field_being_typed_and_pointed_at_from_the_other() -> None:
    values = typed(public_key="pub_test", secret_key="key_live")
    answers = forms.judge_typing(Acme(), values, "secret_key")
    assert (answers["secret_key"].tone, answers["secret_key"].message) == (
        "bad",
        "Use keys of the same mode.",
    )
    assert (answers["public_key"].tone, answers["public_key"].message) == ("mute", "See the secret key.")


def test_a_correction_clears_the_other_field() -> None:
    answers = forms.judge_typing(Acme(), typed(public_key="pub_test", secret_key="key_test"), "secret_key")
    assert {name: found.tone for name, found in answers.items()} == {"secret_key": "ok", "public_key": "ok"}


def test_what_is_held_back_while_typing_is_told_on_leaving() -> None:
    values = typed(secret_key="ke")
    assert forms.judge_typing(Acme(), values, "secret_key")["secret_key"].tone == "mute"
    left = forms.judge_leaving(Acme(), values, "secret_key")
    assert left is not None
    assert left.message == "Paste the one that starts with key_."
    assert forms.judge_leaving(Acme(), typed(secret_key=SECRET), "secret_key") is None
    assert forms.judge_leaving(Acme(), typed(), "secret_key") is None


def test_empty_fields_are_asked_for_on_submit() -> None:
    feedback = forms.judge_form(Acme(), typed(public_key="pub_1"))
    assert feedback["secret_key"].message == "Enter the secret key."
    assert forms.refused(feedback)
    assert forms.summary_of(Acme(), feedback) == [
        ("secret_key", "Secret key: enter the secret key."),
        ("signing", "Signing secret: enter the signing secret."),
    ]


def test_a_page_never_holds_a_secret_and_says_what_to_do() -> None:
    values = typed(**CREDENTIALS)
    feedback = forms.judge_form(Acme(), values)
    again = {f.spec.name: (f.value, f.feedback.message) for f in forms.fill(Acme(), values, feedback)}
    assert again["public_key"][0] == CREDENTIALS["public_key"]
    assert again["secret_key"] == ("", "Enter the key again.")
    assert again["signing"] == ("", "Enter the secret again.")
    kept = {f.spec.name: f.feedback.message for f in forms.fill(Acme(), values, feedback, kept=True)}
    assert kept["secret_key"] == "Kept for 10 minutes. Leave it empty, or enter another one."


def test_backticks_in_a_hint_are_code_and_nothing_else_is_markup() -> None:
    field = forms.fill(Acme(), {}, {})[0]
    assert str(field.hint) == "Starts with <code>pub_</code>."
