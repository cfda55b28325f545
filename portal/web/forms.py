"""Forms: read with a list of known fields, kept for showing again, judged field by field."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from litestar.connection import Request
from litestar.datastructures import UploadFile

from portal.contract.descriptions import FieldFeedback
from portal.errors import InvalidInput, PortalError

TOKEN_FIELD = "_csrf_token"  # noqa: S105 - the name of a field
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
EMAIL = re.compile(r"[^@\s,;<>\"()]+@[^@\s,;<>\"().]+(\.[^@\s,;<>\"().]+)+")
LONGEST_TEXT = 2_000


class FormRefused(PortalError):
    """The request is not one that our own form makes."""

    code = "FORM_REFUSED"
    status_code = 400


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent. Control characters are gone, and nothing is there that was not asked for."""

    values: dict[str, list[str]]

    def text(self, name: str) -> str:
        """The value without spaces around it; empty when it was not sent."""
        return self.raw(name).strip()

    def raw(self, name: str) -> str:
        """The value as typed: for passwords and keys."""
        found = self.values.get(name)
        return found[0] if found else ""

    def all(self, name: str) -> list[str]:
        """Every value of a repeated field, in order, without spaces around."""
        return [value.strip() for value in self.values.get(name, [])]

    def checked(self, name: str) -> bool:
        """Whether a checkbox was ticked."""
        return bool(self.raw(name))

    def whole(self, name: str) -> int:
        """A hidden number, such as a version; 0 for anything else."""
        text = self.text(name)
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0

    def shown(self, *, without: Iterable[str] = ()) -> dict[str, str]:
        """The first value of each field, to fill the form again; never passwords or keys."""
        hidden = set(without)
        return {name: found[0] for name, found in self.values.items() if found and name not in hidden}


@dataclass(slots=True)
class Problems:
    """Collects what is wrong, so that a person sees all of it at once."""

    fields: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, what_to_do: str | None) -> None:
        """Note a problem; the first one of a field stays. None is no problem."""
        if what_to_do:
            self.fields.setdefault(name, what_to_do)

    def need(self, form: Form, name: str, what_to_do: str, *, longest: int = 200) -> str:
        """The text of a field that must be filled in, and is not absurdly long."""
        text = form.text(name)
        self.add(name, what_to_do if not text else None)
        self.add(name, f"Use at most {longest} characters." if len(text) > longest else None)
        return text

    def raise_if_any(self) -> None:
        """End here when something is wrong.

        Raises:
            InvalidInput: with every problem.
        """
        if self.fields:
            raise InvalidInput(self.fields)


async def read_form(request: Request[Any, Any, Any], *fields: str) -> Form:
    """Read the form, refusing fields that it does not have.

    Args:
        request: any request with a form body.
        fields: every field of the form. A name ending in `*` covers all names that start so.

    Raises:
        FormRefused: an unknown field, a file, or a text that no person types.
    """
    sent = await request.form()
    values: dict[str, list[str]] = {}
    for name, value in sent.multi_items():
        if name == TOKEN_FIELD:
            continue
        if not _known(name, fields) or isinstance(value, UploadFile):
            raise FormRefused("This form has a field that the page does not.", hint="Load the page again.")
        text = str(value)
        if len(text) > LONGEST_TEXT:
            raise FormRefused("A field is far too long.", hint=f"Use at most {LONGEST_TEXT} characters.")
        values.setdefault(name, []).append(UNPRINTABLE.sub("", text))
    return Form(values)


def feedback_on(problems: Mapping[str, str]) -> Callable[[str], FieldFeedback | None]:
    """For templates: `feedback("name")` is what a field's slot says, or None."""
    return lambda name: FieldFeedback("bad", problems[name]) if name in problems else None


def email_problem(text: str) -> str | None:
    """Why this is no email address, as what to do; None when it looks like one."""
    if not text:
        return "Enter an email address."
    if len(text) > 254 or not EMAIL.fullmatch(text):
        return "Enter an email address like name@example.com."
    return None


def _known(name: str, fields: tuple[str, ...]) -> bool:
    return any(name == known or (known.endswith("*") and name.startswith(known[:-1])) for known in fields)
