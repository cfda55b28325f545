"""The provider that the peers read from: any object by its id, in the shape of our example events.

python -m granian --interface asgi tests.bench.peers.provider:app
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from portal.settings import ROOT
from tests.bench.requests import IDS

EXAMPLES = {
    "invoices": "06_invoice.paid",
    "payment_intents": "04_payment_intent.succeeded",
    "invoice_payments": "05_invoice_payment.paid",
    "customers": "01_customer.created",
    "charges": "22_charge.refunded",
}
LEFT_OUT = {"balance_transaction": None, "discount": None, "payment_method": None, "latest_charge": None}
"""References that would make a peer read more than the object it was told of."""
ACCOUNT = {
    "id": "acct_1TEST0001",
    "object": "account",
    "country": "US",
    "default_currency": "usd",
    "charges_enabled": True,
    "details_submitted": True,
    "payouts_enabled": True,
    "type": "standard",
    "created": 1_700_000_000,
    "email": "owner@example.com",
    "metadata": {},
    "settings": {"dashboard": {"display_name": "Bench"}},
    "business_profile": {"name": "Bench"},
}
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def _shapes() -> dict[str, dict[str, Any]]:
    data, found = ROOT / "tests" / "data" / "stripe_events", {}
    for kind, name in EXAMPLES.items():
        shape = json.loads((data / f"{name}.json").read_bytes())["data"]["object"]
        found[kind] = {**shape, **{key: None for key in LEFT_OUT if key in shape}}
    return found


SHAPES = _shapes()


def answer_to(path: str) -> tuple[int, bytes]:
    """Status and body."""
    _, _, kind, *rest = path.rstrip("/").split("/")
    if kind == "account" or (kind == "accounts" and rest):
        return 200, json.dumps(ACCOUNT).encode()
    if not rest:
        return 200, json.dumps({"object": "list", "url": path, "data": [], "has_more": False}).encode()
    if len(rest) > 1 or kind not in SHAPES:
        error = {"type": "invalid_request_error", "code": "resource_missing", "message": f"No such {kind}"}
        return 404, json.dumps({"error": error}).encode()
    body = json.dumps({**SHAPES[kind], "id": rest[0]}).encode()
    _, _, number = rest[0].partition("_1B")
    return 200, IDS.sub(rb'"\g<1>1B%s"' % number.encode(), body) if number else body


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every read."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, body = answer_to(scope["path"])
    length = b"%d" % len(body)
    headers = [(b"content-type", b"application/json"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
