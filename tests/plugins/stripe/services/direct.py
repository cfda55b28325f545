"""The sandbox inside the test's own process: the same code without a socket, for thousands of histories."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import stripe as stripe_sdk

from plugins.stripe.sandbox.api import Request, answer
from plugins.stripe.sandbox.control import steer
from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.sandbox.sandbox import Sandbox

Json = dict[str, Any]
NOWHERE = "http://127.0.0.1:9"
"""Where nobody listens: what does not go through the direct client fails at once."""


class DirectClient(stripe_sdk.HTTPClient):
    """Answers the SDK's calls from a sandbox in this process."""

    name = "direct"

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__()
        self._sandbox = sandbox

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """One call."""
        where = urlsplit(url)
        sent = {name.lower().encode(): str(text).encode() for name, text in headers.items()}
        body = post_data.encode() if isinstance(post_data, str) else post_data or b""
        request = Request(method.upper(), where.path, where.query, body, sent)
        given = await answer(self._sandbox, request)
        return given.body, given.status, {name.decode(): text.decode() for name, text in given.headers}


class Direct:
    """The sandbox as a person uses it."""

    def __init__(self) -> None:
        self.sandbox = Sandbox(shape_mode="off")
        self.client = DirectClient(self.sandbox)

    async def call(self, method: str, path: str, *, refused: bool = False, **params: Any) -> Json:
        """A call with the secret key; `refused`: a card is declined, and that is what is wanted."""
        headers = {b"authorization": f"Bearer {DEFAULT.secret_key}".encode()}
        request = Request(method, f"/v1/{path}", "", urlencode(_flat(params)).encode(), headers)
        given = await answer(self.sandbox, request)
        body: Json = json.loads(given.body)
        assert given.status == (402 if refused else 200), (method, path, params, body)
        return body

    def settle(self, intent: str, outcome: str) -> None:
        """End a bank debit."""
        steer(self.sandbox, "POST", "/settle", {"payment_intent": intent, "outcome": outcome})

    def events(self) -> list[Json]:
        """Every event since the sandbox was emptied, oldest first."""
        return list(self.sandbox.worlds[DEFAULT.name].table("event").rows.values())

    def find(self, kind: str, external_id: str) -> Json:
        """An object as it is now."""
        found = self.sandbox.worlds[DEFAULT.name].find(kind, external_id)
        assert found is not None, external_id
        return found

    def rows(self, kind: str, path: str, value: str) -> list[Json]:
        """The objects of a kind with this value."""
        return self.sandbox.worlds[DEFAULT.name].table(kind).where(path, value)


def _flat(params: Mapping[str, Any], inside: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in params.items():
        key = f"{inside}[{name}]" if inside else name
        if isinstance(value, list):
            found |= _flat({str(number): entry for number, entry in enumerate(value)}, key)
        elif isinstance(value, dict):
            found |= _flat(value, key)
        else:
            found[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return found
