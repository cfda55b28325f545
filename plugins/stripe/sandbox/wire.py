"""Stripe's form encoding: `a[b][0]=c` to nested dictionaries, values left as text.

Lists stay dictionaries with numeric keys until the parameter's type says that a list is meant.
"""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

import msgspec

from plugins.stripe.sandbox.errors import ApiError, Json

_PART = re.compile(r"[^\[\]]+|\[\]")
_MAX_FIELDS = 5000

encode_json = msgspec.json.Encoder().encode
decode_json = msgspec.json.Decoder().decode


def decode_form(text: str) -> Json:
    """Decode a query string or a form body."""
    form: Json = {}
    if not text:
        return form
    try:
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise ApiError(400, f"Invalid request body: more than {_MAX_FIELDS} fields.") from None
    for key, value in fields:
        _place(form, _PART.findall(key) or [key], value)
    return form


def _place(form: Json, parts: list[str], value: str) -> None:
    node = form
    for part in parts[:-1]:
        key = str(len(node)) if part == "[]" else part
        node = node.setdefault(key, {})
        if not isinstance(node, dict):
            raise ApiError(400, "Invalid object", param=parts[0])
    last = parts[-1]
    node[str(len(node)) if last == "[]" else last] = value


def copied(value: Json) -> Json:
    """A deep copy of a JSON object."""
    copy: Json = decode_json(encode_json(value))
    return copy
