"""Values that no plugin may stumble over, and a connection that exists nowhere."""

from __future__ import annotations

from portal.contract.accounts import Account
from portal.contract.facts import Mode
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret

MIDDLE = "MiddleOfTheSecret"
SAMPLE_SECRET = f"abcdefgh{MIDDLE}9876wxyz"
"""Looks like a key; its middle must never be shown."""

TYPED = ("", " ", "\n", "x", SAMPLE_SECRET, f" {SAMPLE_SECRET}\n", "ключ-ключ-ключ", "\0", "a" * 10_000)
"""What people type or paste into a field, and what somebody may send instead."""

BODIES = (
    b"",
    b"{}",
    b"[]",
    b"null",
    b"not json",
    b"\xff\xfe\x00",
    b'{"id": 1, "type": null}',
    b"[" * 5_000,
    b'{"id": "' + b"x" * 100_000 + b'"}',
)
"""Bodies that no provider sends."""

HEADER_VALUES = ("", "x", "t=,v1=", "t=9999999999999999,v1=00", "\N{SNOWMAN}", "," * 1_000)


def sample_account(plugin: Plugin, mode: Mode = Mode.TEST) -> Account:
    """A connection of the plugin with made-up credentials."""
    credentials = {field.name: Secret(SAMPLE_SECRET) for field in plugin.credentials}
    return Account(1, plugin.manifest.id, mode, "external-account", "Sample account", credentials, {})
