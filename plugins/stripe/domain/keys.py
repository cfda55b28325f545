"""What can be told about a pasted key without asking Stripe: its kind, its mode, what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

KeyMode = Literal["test", "live"]
FEWEST_CHARACTERS = 16
"""After the prefix. Lengths are not promised by Stripe; the shortest keys ever issued have 24."""

INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff"
SURROUNDINGS = " \t\r\n\f\v\u00a0" + INVISIBLE
MASKED = re.compile(r"[•●∙·…*]|\.{3}|x{8}", re.IGNORECASE)
API_KEY = re.compile(r"(?P<kind>pk|sk|rk)_(?P<mode>test|live)_(?P<rest>.*)", re.DOTALL)
PREFIXES = ("pk_test_", "pk_live_", "sk_test_", "sk_live_", "rk_test_", "rk_live_", "whsec_")


class KeyKind(StrEnum):
    """What a pasted text is, told by its prefix."""

    PUBLISHABLE = "publishable"
    SECRET = "secret"  # noqa: S105 - the name of a kind
    RESTRICTED = "restricted"
    WEBHOOK = "webhook"
    ORGANIZATION = "organization"
    ENDPOINT_ID = "endpoint_id"
    OTHER_ID = "other_id"
    UNKNOWN = "unknown"


KINDS = {"pk": KeyKind.PUBLISHABLE, "sk": KeyKind.SECRET, "rk": KeyKind.RESTRICTED}
IDS = {
    "we_": (KeyKind.ENDPOINT_ID, "the endpoint ID"),
    "ed_": (KeyKind.ENDPOINT_ID, "the endpoint ID"),
    "acct_": (KeyKind.OTHER_ID, "an account ID"),
    "mk_": (KeyKind.OTHER_ID, "a key ID"),
    "evt_": (KeyKind.OTHER_ID, "an event ID"),
    "cus_": (KeyKind.OTHER_ID, "a customer ID"),
}
ACCEPTED = {
    "publishable_key": frozenset({KeyKind.PUBLISHABLE}),
    "secret_key": frozenset({KeyKind.SECRET, KeyKind.RESTRICTED}),
    "webhook_secret": frozenset({KeyKind.WEBHOOK}),
}
EXPECTED = {
    "publishable_key": "Paste the key that starts with pk_.",
    "secret_key": "Paste the key that starts with sk_ or rk_.",
    "webhook_secret": "Paste the signing secret that starts with whsec_.",
}
STARTS = {
    "publishable_key": "pk_test_ or pk_live_",
    "secret_key": "sk_test_, sk_live_, rk_test_ or rk_live_",
    "webhook_secret": "whsec_",
}
PARTNERS = {"publishable_key": "secret_key", "secret_key": "publishable_key"}
"""Fields whose modes must agree."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Words for one field. `tone`: ok, warn, bad or mute; a mute one without words shows nothing."""

    tone: str
    message: str

    @property
    def blocks(self) -> bool:
        """Whether the value cannot be used."""
        return self.tone == "bad"


NOTHING = Verdict("mute", "")
CUT_OFF = Verdict("bad", "This key looks cut off. Copy it again.")


def clean(text: str) -> str:
    """The text without spaces, line breaks and invisible characters around it."""
    return text.strip(SURROUNDINGS)


def kind_of(text: str) -> KeyKind:
    """What the text is by its prefix alone."""
    value = clean(text)
    if value.startswith("sk_org_"):
        return KeyKind.ORGANIZATION
    if found := API_KEY.fullmatch(value):
        return KINDS[found["kind"]]
    if value.startswith("whsec_"):
        return KeyKind.WEBHOOK
    return next((kind for prefix, (kind, _) in IDS.items() if value.startswith(prefix)), KeyKind.UNKNOWN)


def mode_of(text: str) -> KeyMode | None:
    """`test` or `live` as an API key's prefix says; None for everything else."""
    found = API_KEY.fullmatch(clean(text))
    return ("live" if found["mode"] == "live" else "test") if found else None


def shared_mode(values: Mapping[str, str]) -> KeyMode | Literal["mixed"] | None:
    """The mode that the keys of a form agree on, `mixed` when they do not, None before one is readable."""
    modes = {mode for name in ("publishable_key", "secret_key") if (mode := mode_of(values.get(name, "")))}
    return "mixed" if len(modes) > 1 else next(iter(modes), None)


def judge(name: str, values: Mapping[str, str], *, finished: bool) -> Verdict:
    """Words for the field `name` among all `values` of the form.

    Args:
        name: `publishable_key`, `secret_key` or `webhook_secret`.
        values: the form as typed, not trimmed.
        finished: the person left the field or submitted; before that, a text that may still
            become a key is not called wrong.
    """
    text = values.get(name, "")
    value = clean(text)
    if not value:
        return NOTHING
    if _may_become_a_key(name, value):
        return CUT_OFF if finished else NOTHING
    return (
        _swapped(name, value)
        or _damaged(value)
        or _unfamiliar(name, value)
        or _cut_short(value, finished=finished)
        or _mixed(name, values)
        or _well_formed(value, text)
    )


def _may_become_a_key(name: str, value: str) -> bool:
    starts = [p for p in PREFIXES if kind_of(p) in ACCEPTED[name]]
    return any(prefix.startswith(value) for prefix in starts)


def _swapped(name: str, value: str) -> Verdict | None:
    """The value is something of Stripe's that belongs elsewhere."""
    kind = kind_of(value)
    if kind in ACCEPTED[name] or kind is KeyKind.UNKNOWN:
        return None
    if kind is KeyKind.ORGANIZATION:
        return Verdict(
            "bad",
            "This is an organization key. Paste a key of one account, from its API keys page.",
        )
    if kind in (KeyKind.SECRET, KeyKind.RESTRICTED) and name == "publishable_key":
        return Verdict("bad", f"This is a secret key. Do not put it here. {EXPECTED[name]}")
    return Verdict("bad", f"This is {_called(kind, value)}. {EXPECTED[name]}")


def _called(kind: KeyKind, value: str) -> str:
    names = {
        KeyKind.PUBLISHABLE: "a publishable key",
        KeyKind.SECRET: "a secret key",
        KeyKind.RESTRICTED: "a restricted key",
        KeyKind.WEBHOOK: "the webhook signing secret",
    }
    return names.get(kind) or next(words for start, (_, words) in IDS.items() if value.startswith(start))


def _damaged(value: str) -> Verdict | None:
    """Something happened to the value on its way here."""
    if MASKED.search(value):
        return Verdict("bad", "This is a hidden copy. Choose Reveal in Stripe, then copy it.")
    if found := re.search(r"\s", value):
        what = "line break" if found[0] in "\r\n" else "space"
        return Verdict("bad", f"Remove the {what} after character {found.start()}.")
    if value[0] in "\"'`“‘" or value[-1] in "\"'`”’":
        return Verdict("bad", "Remove the quotation marks around the key.")
    if found := re.search(rf"[{INVISIBLE}]", value):
        return Verdict("bad", f"Remove the hidden character after character {found.start()}.")
    if any(value.find(prefix, 1) > 0 for prefix in PREFIXES):
        return _surrounded(value)
    return None


def _surrounded(value: str) -> Verdict:
    """A known prefix stands in the middle: two keys, or a key with text before it."""
    if value.startswith(PREFIXES):
        return Verdict("bad", "Two keys are pasted into one field. Leave only one.")
    return Verdict("bad", "There is text before the key. Leave only the key.")


def _unfamiliar(name: str, value: str) -> Verdict | None:
    """New kinds of key may appear at any time, so they are only pointed out."""
    if kind_of(value) is KeyKind.UNKNOWN:
        return Verdict(
            "warn", f"Keys for this field start with {STARTS[name]}. If Stripe gave you this one, go on."
        )
    if found := re.search(r"[^A-Za-z0-9_]", _rest(value)):
        if kind_of(value) is KeyKind.WEBHOOK:
            return None if found[0] in "+/=-" else _strange(found[0])
        return _strange(found[0])
    return None


def _strange(character: str) -> Verdict:
    return Verdict("bad", f"Remove the character “{character}”. Keys hold only letters, digits and _.")


def _cut_short(value: str, *, finished: bool) -> Verdict | None:
    if kind_of(value) is KeyKind.UNKNOWN or len(_rest(value)) >= FEWEST_CHARACTERS:
        return None
    return CUT_OFF if finished else NOTHING


def _rest(value: str) -> str:
    found = API_KEY.fullmatch(value)
    return found["rest"] if found else value.removeprefix("whsec_")


def _mixed(name: str, values: Mapping[str, str]) -> Verdict | None:
    if name not in PARTNERS:
        return None
    other = PARTNERS[name]
    mine, theirs = mode_of(values.get(name, "")), mode_of(values.get(other, ""))
    if mine is None or theirs is None or mine == theirs or kind_of(values[other]) not in ACCEPTED[other]:
        return None
    return Verdict(
        "bad",
        f"This key is {mine} but the {other.replace('_', ' ')} is {theirs}. Use two keys from the same mode.",
    )


def _well_formed(value: str, text: str) -> Verdict:
    if removed := _removed(value, text):
        return Verdict("ok", f"We removed {removed}.")
    kind, mode = kind_of(value), mode_of(value)
    if kind is KeyKind.WEBHOOK:
        return Verdict("ok", "Looks right.")
    if kind is KeyKind.PUBLISHABLE:
        return Verdict("ok", f"Looks right. {str(mode).capitalize()} mode key.")
    return Verdict("ok", f"Looks right. {kind.capitalize()} key, {mode} mode.")


def _removed(value: str, text: str) -> str:
    """What trimming took away, in words; empty when nothing."""
    if value == text:
        return ""
    start = text.index(value)
    before, after = text[:start], text[start + len(value) :]
    what = "a line break" if set(before + after) & set("\r\n") else "a space"
    where = "both ends" if before and after else "the start" if before else "the end"
    return f"{what} from {where}"
