"""Who may read the figures, and that they are the database's."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator

import pytest
from litestar import Litestar

from portal.metrics import controllers
from portal.settings import Settings
from portal.sync.counts import count_for, flush_counts
from tests.builders import connect_account
from tests.visitors import Visitor

HERE = {"Host": "127.0.0.1:8000"}
TOKEN = "a-token-for-prometheus"


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    controllers.figures.forget()
    yield
    controllers.figures.forget()


@pytest.fixture
def token(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    with_token = dataclasses.replace(settings, metrics_token=TOKEN)
    monkeypatch.setattr(controllers, "current_settings", lambda: with_token)
    return TOKEN


@pytest.fixture
def beside(app: Litestar, database: None) -> Visitor:
    """A program on the same machine."""
    return Visitor(app, address="127.0.0.1")


async def test_a_visitor_finds_no_such_page(visitor: Visitor) -> None:
    assert (await visitor.http.get("/metrics", headers=HERE)).status_code == 404


async def test_the_machine_itself_may_read_unless_it_asks_for_somebody_else(beside: Visitor) -> None:
    assert (await beside.http.get("/metrics", headers=HERE)).status_code == 200
    for forwarded in ({"X-Forwarded-For": "192.0.2.7"}, {"Forwarded": "for=192.0.2.7"}, {"Via": "1.1 proxy"}):
        assert (await beside.http.get("/metrics", headers=HERE | forwarded)).status_code == 404
    assert (await beside.http.get("/metrics")).status_code == 404, "the public name came through a proxy"


@pytest.mark.parametrize("shown", ["", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN}x"])
async def test_without_the_token_a_visitor_is_asked_for_it(visitor: Visitor, token: str, shown: str) -> None:
    answer = await visitor.http.get("/metrics", headers={"Authorization": shown})
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert token not in answer.text


async def test_with_the_token_anybody_may_read(visitor: Visitor, token: str) -> None:
    answer = await visitor.http.get("/metrics", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")


async def test_the_figures_are_the_databases_and_name_no_titles(beside: Visitor) -> None:
    account = await connect_account()
    count_for(account.id, "accepted", 3)
    await flush_counts()

    text = (await beside.http.get("/metrics", headers=HERE)).text

    labels = f'account="{account.id}",mode="test",plugin="stripe"'
    assert f"portal_event_lag_seconds{{{labels}}} 0.0" in text
    assert re.search(rf'portal_happened_total{{{labels},what="accepted"}} 3\.0', text)
    assert f'portal_account_state{{{labels},state="ready"}} 1.0' in text
    assert "process_resident_memory_bytes" in text
    assert "Northwind" not in text
