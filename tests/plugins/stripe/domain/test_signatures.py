"""Each way to break a delivery gets its own diagnosis."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from plugins.stripe.domain.signatures import Diagnosis, Evidence, Finding, diagnose, how_long

NOW = 1_790_000_000
SECRET, PREVIOUS, OTHER_MODE = "whsec_present", "whsec_previous", "whsec_other_mode"
OTHERS = {"the previous secret": PREVIOUS, "the other mode's secret": OTHER_MODE}
EVENT: dict[str, Any] = {
    "id": "evt_1",
    "object": "event",
    "api_version": "2026-10-28.endive",
    "created": NOW - 1,
    "data": {"object": {"id": "cus_1", "object": "customer", "name": "Größe ☂", "metadata": {"a": "b"}}},
    "livemode": False,
    "pending_webhooks": 1,
    "type": "customer.created",
}
PRETTY = json.dumps(EVENT, indent=2, ensure_ascii=False).encode()
COMPACT = json.dumps(EVENT, separators=(",", ":"), ensure_ascii=False).encode()
TOLD = {**EVENT, "pending_webhooks": 0}
REWRITTEN = "Its JSON was read and written anew."
OTHER_CONTENT = "Its content is not what Stripe says that it sent."


def header(body: bytes, *secrets: str, at: int = NOW) -> str:
    marks = [hmac.new(s.encode(), b"%d." % at + body, hashlib.sha256).hexdigest() for s in secrets]
    return ",".join([f"t={at}", *(f"v1={mark}" for mark in marks)])


def sent(body: bytes = PRETTY, *secrets: str, at: int = NOW, **changed: Any) -> Evidence:
    """A delivery that left Stripe like this; `changed` is what became of it."""
    return replace(Evidence(body, header(body, *(secrets or (SECRET,)), at=at), NOW), **changed)


def found(evidence: Evidence, secret: str = SECRET) -> Diagnosis:
    return diagnose(evidence, secret, OTHERS)


@pytest.mark.parametrize("body", [PRETTY, COMPACT])
@pytest.mark.parametrize("at", [NOW, NOW - 300, NOW + 300])
def test_what_the_secret_signed_in_time_is_genuine(body: bytes, at: int) -> None:
    assert found(sent(body, at=at)) == Diagnosis(Finding.GENUINE)


def test_one_fitting_signature_among_several_is_enough() -> None:
    assert found(sent(PRETTY, "whsec_rolled", SECRET)) == Diagnosis(Finding.GENUINE)


@pytest.mark.parametrize(("label", "secret"), OTHERS.items())
def test_another_secret_that_is_known_is_named(label: str, secret: str) -> None:
    assert found(sent(PRETTY, secret)) == Diagnosis(Finding.OTHER_SECRET, label)


def test_both_secrets_of_a_roll_prove_the_present_one() -> None:
    assert found(sent(PRETTY, PREVIOUS, SECRET)).finding is Finding.GENUINE


@pytest.mark.parametrize("key", ["sk_test_51Abc", "rk_live_51Abc", "pk_test_51Abc"])
@pytest.mark.parametrize("signer", [SECRET, PREVIOUS])
def test_a_key_in_the_secrets_place_is_told_whoever_signed(key: str, signer: str) -> None:
    assert found(sent(PRETTY, signer), key) == Diagnosis(Finding.KEY_PASTED)


@pytest.mark.parametrize(("at", "seconds"), [(NOW - 360, 360), (NOW + 301, -301), (NOW - 86_400, 86_400)])
def test_a_clock_that_is_off_is_told_with_its_direction(at: int, seconds: int) -> None:
    assert found(sent(at=at)) == Diagnosis(Finding.CLOCK, seconds=seconds)


def test_a_wrong_secret_comes_before_a_wrong_clock() -> None:
    assert found(sent(PRETTY, PREVIOUS, at=NOW - 900)).finding is Finding.OTHER_SECRET
    assert found(sent(PRETTY, "whsec_of_nobody", at=NOW - 900)).finding is Finding.UNKNOWN_SECRET


@pytest.mark.parametrize("broken", ["", "nonsense", "t=1", "v1=00", "t=x,v1=00", f"t={NOW},v1=é", "t=,v1="])
def test_a_header_that_holds_no_signature_is_unsigned(broken: str) -> None:
    assert found(sent(header=broken)) == Diagnosis(Finding.UNSIGNED)


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "line break at the end": (lambda body: body + b"\n", "White space was added around it."),
    "space in front": (lambda body: b"  " + body, "White space was added around it."),
    "byte order mark": (lambda body: b"\xef\xbb\xbf" + body, "A byte order mark was put in front of it."),
    "mark and line break": (
        lambda body: b"\xef\xbb\xbf" + body + b"\r\n",
        "White space was added around it.",
    ),
    "script at the end": (lambda body: body + b"<!-- banner -->", "Something was added at its end."),
    "compact": (lambda _: COMPACT, REWRITTEN),
    "escaped": (lambda _: json.dumps(EVENT).encode(), REWRITTEN),
    "four spaces": (lambda _: json.dumps(EVENT, indent=4).encode(), REWRITTEN),
    "windows line breaks": (lambda body: body.replace(b"\n", b"\r\n"), "Its line breaks were changed."),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_a_body_whose_form_was_changed_is_told(change: Callable[[bytes], bytes], words: str) -> None:
    assert found(sent(body=PRETTY, header=header(PRETTY, SECRET))).finding is Finding.GENUINE
    evidence = replace(sent(PRETTY), body=change(PRETTY))
    assert found(evidence) == Diagnosis(Finding.BODY_REFORMATTED, change=words)


def test_a_compact_body_that_was_made_pretty_is_told() -> None:
    evidence = replace(sent(COMPACT), body=PRETTY)
    assert found(evidence) == Diagnosis(Finding.BODY_REFORMATTED, change=REWRITTEN)


def test_a_line_break_that_was_taken_away_is_told() -> None:
    evidence = replace(sent(PRETTY + b"\n"), body=PRETTY)
    assert found(evidence).change == "A line break at its end was taken away."


def test_a_reformatted_body_of_another_secret_names_the_secret_too() -> None:
    evidence = replace(sent(PRETTY, PREVIOUS), body=COMPACT)
    assert found(evidence) == Diagnosis(Finding.BODY_REFORMATTED, "the previous secret", change=REWRITTEN)


@pytest.mark.parametrize("signed_as", [PRETTY, COMPACT])
@pytest.mark.parametrize("told", [EVENT, TOLD])
def test_other_content_is_proved_by_what_stripe_tells(signed_as: bytes, told: dict[str, Any]) -> None:
    other = json.dumps({**EVENT, "created": NOW}, separators=(",", ":")).encode()
    evidence = replace(sent(signed_as), body=other, told=told)
    assert found(evidence) == Diagnosis(Finding.BODY_CHANGED, change=OTHER_CONTENT)


@pytest.mark.parametrize(
    "changed", [{"id": "evt_2"}, {"created": 1}, {"livemode": True}, {"data": {"object": {"id": "cus_2"}}}]
)
def test_other_content_is_told_even_when_nobody_known_signed_it(changed: dict[str, Any]) -> None:
    evidence = replace(sent(PRETTY, "whsec_of_nobody"), body=json.dumps(EVENT | changed).encode(), told=TOLD)
    assert found(evidence) == Diagnosis(Finding.BODY_CHANGED, change=OTHER_CONTENT)


@pytest.mark.parametrize("body", [PRETTY[:-20], b"", b"<html>", b"[1]", b"[" * 100_000, b"\xff\xfe"])
def test_a_body_that_is_no_object_any_more_was_changed(body: bytes) -> None:
    evidence = replace(sent(PRETTY), body=body)
    assert found(evidence) == Diagnosis(Finding.BODY_CHANGED, change="It is not complete JSON any more.")


@pytest.mark.parametrize(
    "told", [None, EVENT, TOLD, {**TOLD, "api_version": "2020-08-27", "data": {"object": {"id": "cus_1"}}}]
)
def test_a_secret_that_nobody_here_knows_is_told_when_the_body_is_whole(told: dict[str, Any] | None) -> None:
    assert found(sent(PRETTY, "whsec_of_nobody", told=told)) == Diagnosis(Finding.UNKNOWN_SECRET)


@pytest.mark.parametrize("secret", ["", " ", "\n"])
def test_an_empty_secret_signs_nothing(secret: str) -> None:
    evidence = sent(PRETTY, secret)
    assert diagnose(evidence, secret, {"the previous secret": ""}).finding is Finding.UNKNOWN_SECRET


def test_evidence_does_not_show_what_it_holds() -> None:
    shown = repr(sent(told=EVENT))
    assert "cus_1" not in shown
    assert "v1=" not in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (301, "5 minutes"),
        (-360, "6 minutes"),
        (7199, "2 hours"),
        (5400, "90 minutes"),
        (200_000, "2 days"),
        (60, "1 minute"),
        (5, "5 seconds"),
    ],
)
def test_lengths_of_time_are_words(seconds: int, words: str) -> None:
    assert how_long(seconds) == words
