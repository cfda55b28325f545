"""An event's body for reading: nothing that opens something, and personal data only when asked for. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from portal.security.redaction import redact_value

PAYLOAD_LIMIT = 200_000
MASKED = "[personal]"
NOT_JSON = "The body is not JSON, or nested too deep to be shown."
PERSONAL = re.compile(
    r"(^|_)(name|email|phone|address|line[12]|city|postal_code|last4|fingerprint|ip|ip_address|dob|tax_ids?"
    r"|id_number|hosted_invoice_url|invoice_pdf|receipt_url|ssn|iban|account_number|routing_number|shipping|billing_details|customer_details)($|_)",
    re.IGNORECASE,
)
FREE_TEXT = frozenset(
    {
        "description",
        "metadata",
        "memo",
        "footer",
        "statement_descriptor",
        "custom_fields",
        "comment",
        "evidence",
    }
)
"""People write whatever they like into these."""
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
SAFE_NAMES = frozenset({"object", "type", "id"})


@dataclass(frozen=True, slots=True)
class Payload:
    """What is shown of a body."""

    text: str
    masked: int = 0
    """How many values were hidden because they tell of a person."""


def readable_payload(body: bytes, *, personal: bool) -> Payload:
    """Indented JSON, not meant for checking signatures. `personal`: show names, addresses and the like."""
    hidden: list[str] = []
    try:
        event = json.loads(body)
        shown = event if personal else _masked(event, "", hidden)
        text = json.dumps(redact_value("payload", shown), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return Payload(NOT_JSON)
    text = text.encode(
        errors="backslashreplace"
    ).decode()  # halves of characters can be in JSON, not on a page
    if len(text) > PAYLOAD_LIMIT:
        text = f"{text[:PAYLOAD_LIMIT]}\n… cut after {PAYLOAD_LIMIT:,} characters"
    return Payload(text, len(hidden))


def _masked(value: Any, name: str, hidden: list[str]) -> Any:
    """The value without what tells of a person; the shape stays, so that one sees what was there."""
    if isinstance(value, Mapping):
        return {
            MASKED if EMAIL.search(key) else key: _masked(item, _inherit(name, key), hidden)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_masked(item, name, hidden) for item in value]
    if value is None or isinstance(value, bool) or value == "":
        return value
    if _tells(name) or (isinstance(value, str) and EMAIL.search(value)):
        hidden.append(name)
        return MASKED
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        with suppress(ValueError):
            return json.dumps(_masked(json.loads(value), name, hidden), ensure_ascii=False)
    return value


def _inherit(above: str, name: str) -> str:
    """A personal object makes everything in it personal, but for what says only what kind of thing it is."""
    return above if above in FREE_TEXT or (_tells(above) and name not in SAFE_NAMES) else name


def _tells(name: str) -> bool:
    return name in FREE_TEXT or bool(PERSONAL.search(name))
