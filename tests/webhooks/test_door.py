"""The short way in: the same answers as the long one, and nothing that the long one would refuse."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from litestar import Litestar

from portal.security.headers import RouteClass, security_headers
from portal.webhooks import door, intake
from portal.webhooks.intake import forget_connections
from tests.builders import Connected, connect_account
from tests.visitors import Visitor
from tests.webhooks.signing import event_body, signed, stored_ids


@pytest.fixture
async def account(database: None) -> Connected:
    forget_connections()
    return await connect_account()


@pytest.fixture
async def http(app: Litestar, database: None) -> AsyncIterator[httpx.AsyncClient]:
    client = Visitor(app).http
    yield client
    await client.aclose()


@pytest.mark.parametrize("end", ["", "/"], ids=["short way", "long way"])
async def test_both_ways_store_and_answer_alike(
    account: Connected, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    passed: list[str] = []
    decide = door._decide

    async def noting(*given: object) -> object:
        passed.append("short")
        return await decide(*given)  # type: ignore[arg-type]  # as they came

    monkeypatch.setattr(door, "_decide", noting)
    body = event_body()
    good = await http.post(account.webhook_path + end, content=body, headers=signed(body))
    bad = await http.post(account.webhook_path + end, content=body, headers=signed(body, "whsec_other"))
    assert (good.status_code, good.json()) == (200, {"status": "stored"})
    assert (bad.status_code, bad.json()) == (400, {"status": "refused"})
    assert passed == ([] if end else ["short", "short"])
    assert await stored_ids() == ["evt_1"]
    for name, value in security_headers(RouteClass.WEBHOOK, secure=False).items():
        assert good.headers[name] == value
    assert len(good.headers["x-request-id"]) == 16
    assert good.headers["x-request-id"] != bad.headers["x-request-id"]


async def test_a_host_that_is_not_ours_is_refused_before_anything_is_read(
    account: Connected, http: httpx.AsyncClient
) -> None:
    body = event_body()
    headers = {**signed(body), "host": "elsewhere.example"}
    assert (await http.post(account.webhook_path, content=body, headers=headers)).status_code == 400
    assert await stored_ids() == []


async def test_a_fault_of_ours_is_500_in_a_word_and_in_the_log(
    account: Connected,
    http: httpx.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def stumble(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(intake, "receive", stumble)
    answer = await http.post(account.webhook_path, content=event_body())
    assert (answer.status_code, answer.json()) == (500, {"status": "try again"})
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("portal")]
    assert "ZeroDivisionError" in caplog.text
    assert not any(account.token in line for line in ours)
