"""The public address through the whole application: what it answers, and what is stored then."""

from __future__ import annotations

import gzip
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from litestar import Litestar

from portal.database.transaction import DatabaseBusy, transaction
from portal.webhooks import intake
from portal.webhooks.controllers import MOST_BYTES
from portal.webhooks.intake import forget_connections
from tests.builders import WEBHOOK_SECRET, Connected, connect_account
from tests.visitors import Visitor

COMPOSED = sorted((Path(__file__).parents[1] / "data" / "stripe_events").glob("*.json"))
EVENT, EVENT_ID = COMPOSED[5].read_bytes(), b"evt_1TEST0006"
STRANGER = "/webhooks/stripe/bm90LWEtdG9rZW4tb2YtYW55Ym9keS1hdC1hbGwtLS0"


@pytest.fixture
async def account(database: None) -> Connected:
    forget_connections()
    return await connect_account()


@pytest.fixture
async def http(app: Litestar, database: None) -> AsyncIterator[httpx.AsyncClient]:
    client = Visitor(app).http
    yield client
    await client.aclose()


def signed(body: bytes) -> dict[str, str]:
    """As Stripe signs it; its SDK signs no body that is not UTF-8."""
    stamp = int(time.time())
    mark = hmac.new(WEBHOOK_SECRET.encode(), b"%d." % stamp + body, hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={stamp},v1={mark}"}


async def stored() -> list[str]:
    async with transaction() as tx:
        rows = await tx.connection.fetch("SELECT external_id FROM webhook_event ORDER BY id")
    return [row["external_id"] for row in rows]


async def in_chunks(body: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def test_there_are_26_composed_events() -> None:
    assert len(COMPOSED) == 26


async def test_every_composed_event_is_accepted_and_stored_once(
    account: Connected, http: httpx.AsyncClient
) -> None:
    bodies = [path.read_bytes() for path in COMPOSED]
    for word in ("stored", "duplicate"):
        for body in bodies:
            answer = await http.post(account.webhook_path, content=body, headers=signed(body))
            assert (answer.status_code, answer.json()) == (200, {"status": word})
    assert sorted(await stored()) == sorted(json.loads(body)["id"] for body in bodies)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413(
    account: Connected, http: httpx.AsyncClient, *, chunked: bool
) -> None:
    body = EVENT + b" " * (MOST_BYTES + 1 - len(EVENT))
    content = in_chunks(body) if chunked else body
    answer = await http.post(account.webhook_path, content=content, headers=signed(body))
    assert answer.status_code == 413
    assert await stored() == []


async def test_a_body_at_the_limit_is_accepted(account: Connected, http: httpx.AsyncClient) -> None:
    body = EVENT + b" " * (MOST_BYTES - len(EVENT))
    answer = await http.post(account.webhook_path, content=in_chunks(body), headers=signed(body))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"stripe-signature": ""},
        {"stripe-signature": "nonsense"},
        {"stripe-signature": "t=,v1="},
        {"stripe-signature": f"t={int(time.time())},v1=00"},
        {"stripe-signature": f"t={int(time.time())}," + "v1=00," * 2_000},
        {"stripe-signature": b"t=1,v1=\xff\xfe"},
        {"stripe-signature": b"\xd9\xa1\xd9\xa2=t,v1=\xc3\xa9"},
        [("stripe-signature", "t=1,v1=00"), ("stripe-signature", "t=2,v1=00")],
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "\x00garbage"},
        {"cookie": b"portal_session=\xff; portal_csrf=x"},
        {"sec-fetch-site": "cross-site", "origin": "https://elsewhere.example"},
    ],
    ids=lambda headers: re.sub(r"\d{10}", "now", repr(headers))[:40],
)
async def test_a_delivery_without_a_genuine_signature_is_400(
    account: Connected, http: httpx.AsyncClient, headers: Any
) -> None:
    answer = await http.post(account.webhook_path, content=EVENT, headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"status": "refused"})
    assert await stored() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        EVENT[:-2],
        EVENT[: len(EVENT) // 2],
        b"[" * 200_000,
        b'{"a":' * 200_000,
        b"\xff\xfe" + EVENT,
        EVENT.replace(EVENT_ID, b"evt_\\u0000"),
        EVENT.replace(b"2026-10-28.endive", b"\\u0000"),
        EVENT.replace(EVENT_ID, b"\\ud800"),
        EVENT.replace(EVENT_ID, b"\x00"),
        EVENT.replace(b'"' + EVENT_ID + b'"', b"1e999"),
        EVENT.replace(b'"data"', b'"date"'),
        EVENT.replace(b'"livemode": false', b'"livemode": "false"'),
        gzip.compress(EVENT, mtime=0),
    ],
    ids=lambda body: repr(body)[:30],
)
async def test_a_signed_body_that_is_no_event_is_400(
    account: Connected, http: httpx.AsyncClient, body: bytes
) -> None:
    assert body != EVENT
    answer = await http.post(account.webhook_path, content=in_chunks(body), headers=signed(body))
    assert (answer.status_code, answer.json()) == (400, {"status": "refused"})
    assert await stored() == []


@pytest.mark.parametrize("hostile", ["'; DROP TABLE webhook_event; --", "{0}", "%s", "\u202e", "e" * 255])
async def test_strange_words_in_a_genuine_event_are_only_words(
    account: Connected, http: httpx.AsyncClient, hostile: str
) -> None:
    event = json.loads(EVENT) | {"id": hostile, "type": hostile, "api_version": hostile}
    event["data"]["object"]["id"] = hostile
    body = json.dumps(event).encode()
    answer = await http.post(account.webhook_path, content=body, headers=signed(body))
    assert answer.status_code == 200
    assert await stored() == [hostile]


async def test_what_nobody_has_is_the_same_404_whoever_asks(
    account: Connected, http: httpx.AsyncClient
) -> None:
    wrong = [STRANGER, "/webhooks/paypal/x", account.webhook_path + "x", "/webhooks/stripe/%00%ff"]
    answers = [await http.post(path, content=EVENT, headers=signed(EVENT)) for path in wrong]
    answers += [await http.post(path, content=b"?") for path in wrong]
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (404, b'{"status":"unknown address"}')
    }
    assert await stored() == []


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
async def test_other_methods_are_405(account: Connected, http: httpx.AsyncClient, method: str) -> None:
    assert (await http.request(method, account.webhook_path)).status_code == 405


@pytest.mark.parametrize(
    "error",
    [
        DatabaseBusy("busy"),
        asyncpg.AdminShutdownError("terminating"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.InterfaceError("closed"),
        asyncpg.exceptions.InternalClientError("cut while idle"),
        ConnectionRefusedError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_an_event_that_could_not_be_stored_is_503(
    account: Connected, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    async def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(intake, "receive", fail)
    answer = await http.post(account.webhook_path, content=EVENT, headers=signed(EVENT))
    assert (answer.status_code, answer.json()) == (503, {"status": "try again"})


async def test_the_answer_sets_no_cookie_and_is_not_kept(account: Connected, http: httpx.AsyncClient) -> None:
    answer = await http.post(account.webhook_path, content=EVENT, headers=signed(EVENT))
    assert "set-cookie" not in answer.headers
    assert "no-store" in answer.headers["cache-control"]
