"""Calls without the SDK: for what the SDK would not send, or would hide."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

from plugins.stripe.sandbox.keys import DEFAULT

DAHLIA = "2026-08-26.dahlia"


@dataclass(frozen=True, slots=True)
class Reply:
    """A raw answer."""

    status: int
    headers: dict[str, str]
    body: Any

    @property
    def error(self) -> dict[str, Any]:
        """The error in it."""
        found: dict[str, Any] = self.body["error"]
        return found


def flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Nested parameters as form fields."""
    if isinstance(value, dict):
        return [f for k, v in value.items() for f in flat(f"{prefix}[{k}]" if prefix else k, v)]
    if isinstance(value, list):
        return [f for i, v in enumerate(value) for f in flat(f"{prefix}[{i}]", v)]
    words = {True: "true", False: "false", None: ""}
    return [(prefix, words[value] if value is None or isinstance(value, bool) else str(value))]


@dataclass(frozen=True, slots=True)
class Api:
    """The sandbox's API over plain HTTP, with account A's secret key unless another is given."""

    url: str

    def call(
        self,
        method: str,
        path: str,
        params: dict[str, Any] | None = None,
        *,
        key: str | None = DEFAULT.secret_key,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        """One call."""
        form = urlencode(flat("", params or {}))
        head = {"Authorization": f"Bearer {key}"} if key else {}
        head |= headers or {}
        if method == "POST":
            head["Content-Type"] = "application/x-www-form-urlencoded"
        elif form:
            path = f"{path}?{form}"
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=15)
        try:
            connection.request(method, path, body=form if method == "POST" else None, headers=head)
            reply = connection.getresponse()
            raw = reply.read()
            kind = reply.getheader("content-type") or ""
            body = json.loads(raw) if kind.startswith("application/json") else raw.decode()
            return Reply(reply.status, {k.lower(): v for k, v in reply.getheaders()}, body)
        finally:
            connection.close()

    def get(self, path: str, params: dict[str, Any] | None = None, **options: Any) -> Reply:
        """A GET."""
        return self.call("GET", path, params, **options)

    def post(self, path: str, params: dict[str, Any] | None = None, **options: Any) -> Reply:
        """A POST."""
        return self.call("POST", path, params, **options)

    def browse(self, method: str, path: str, params: dict[str, Any]) -> Reply:
        """A call as the browser makes it: publishable key among the parameters, no header."""
        return self.call(method, path, {"key": DEFAULT.publishable_key, **params}, key=None)
