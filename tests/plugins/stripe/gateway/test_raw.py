"""A read brings what Stripe said, or says that it was no answer."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plugins.stripe.gateway import raw, spending
from plugins.stripe.services.listings.histories import list_events
from portal.accounts.services import load_account
from portal.sdk import ProviderUnavailable, current_settings
from tests.builders import Connected, connect_account
from tests.plugins.stripe.gateway.test_client import Answers

HALF_A_CHARACTER = rb'{"id": "cus_1", "name": "\ud800"}'


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


async def said(monkeypatch: pytest.MonkeyPatch, account: Connected, body: bytes) -> raw.Raw:
    """What a read makes of this answer."""
    monkeypatch.setattr(spending, "http_client", lambda: Answers(200, body))
    loaded = await load_account(account.id)
    return await raw.raw_read(loaded, current_settings(), service="customers", external_id="cus_1")


async def test_an_object_comes_as_it_was_sent(monkeypatch: pytest.MonkeyPatch, account: Connected) -> None:
    sent = b'{"id": "cus_1", "name": null, "balance": -9007199254740993, "tax": {"ids": [1, "a"]}}'
    assert await said(monkeypatch, account, sent) == {
        "id": "cus_1",
        "name": None,
        "balance": -9007199254740993,
        "tax": {"ids": [1, "a"]},
    }


async def test_half_a_character_keeps_nothing_else_out(
    monkeypatch: pytest.MonkeyPatch, account: Connected
) -> None:
    assert await said(monkeypatch, account, HALF_A_CHARACTER) == {"id": "cus_1", "name": "?"}


async def test_half_a_character_does_not_end_the_walk_over_all_events(
    monkeypatch: pytest.MonkeyPatch, account: Connected
) -> None:
    event = b'{"id": "evt_%d", "object": "event", "type": "customer.created", "livemode": false, "data": %s}'
    half = event % (1, b'{"object": %s}' % HALF_A_CHARACTER)
    whole = event % (2, b'{"object": {"id": "cus_2", "object": "customer"}}')
    page = b'{"data": [%s, %s], "has_more": false}' % (half, whole)
    monkeypatch.setattr(spending, "http_client", lambda: Answers(200, page))
    listed = await list_events(await load_account(account.id), since=datetime.now(UTC), after=None)
    assert [one.event.external_id for one in listed.events] == ["evt_1", "evt_2"]


async def test_what_is_no_object_is_no_answer(monkeypatch: pytest.MonkeyPatch, account: Connected) -> None:
    for body in (b"<html>A proxy says hello</html>", b"", b'{"id": ', b"[1]", b"\xff"):
        with pytest.raises(ProviderUnavailable) as raised:
            await said(monkeypatch, account, body)
        assert "html" not in str(raised.value)
        assert raised.value.__context__ is None
