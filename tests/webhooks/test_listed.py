"""Events from a provider's list are stored by the statement that stores deliveries, in a transaction."""

from __future__ import annotations

import pytest

from portal.accounts.services import load_account
from portal.contract.facts import Mode
from portal.contract.work import ListedEvent, ReceivedEvent
from portal.database.transaction import connection, transaction
from portal.webhooks import inserts
from portal.webhooks.listed import store_listed
from tests.builders import Connected, connect_account
from tests.webhooks.signing import deliver, event_body, signed


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


def listed(external_id: str, *, mode: Mode = Mode.TEST, of: str | None = None) -> ListedEvent:
    event = ReceivedEvent(external_id, "invoice.paid", "invoice", "in_1", "in_1", mode, None, of)
    return ListedEvent(event, b"{}")


async def store(account: Connected, *events: ListedEvent) -> int:
    known = await load_account(account.id)
    async with transaction() as tx:
        return await store_listed(tx.connection, known, events)


async def stored() -> list[tuple[str, str, str]]:
    async with connection() as held:
        rows = await held.fetch("SELECT external_id, origin, state FROM webhook_event ORDER BY id")
    return [(row["external_id"], row["origin"], row["state"]) for row in rows]


async def test_a_list_is_stored_oldest_first_without_what_was_delivered(account: Connected) -> None:
    body = event_body("evt_2")
    await deliver(account, body, signed(body))
    assert await store(account, listed("evt_3"), listed("evt_2"), listed("evt_1")) == 2
    assert await stored() == [
        ("evt_2", "delivery", "received"), ("evt_1", "list", "received"), ("evt_3", "list", "received")
    ]  # fmt: skip
    async with connection() as held:
        assert await held.fetchval("SELECT count(*) FROM portal_job") == 3


async def test_what_is_of_another_account_or_mode_is_stored_without_effect(account: Connected) -> None:
    assert await store(account, listed("evt_1", of="acct_other"), listed("evt_2", mode=Mode.LIVE)) == 2
    assert [state for _, _, state in await stored()] == ["rejected", "rejected"]
    async with connection() as held:
        assert await held.fetchval("SELECT count(*) FROM portal_job") == 0


async def test_a_separate_broker_is_rung_only_for_what_was_committed(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[tuple[str, int]] = []
    monkeypatch.setattr(inserts, "rings_in_statement", lambda: False)
    monkeypatch.setattr(inserts, "ring_later", rung.extend)
    known = await load_account(account.id)
    async with transaction() as tx:
        await store_listed(tx.connection, known, [listed("evt_1")])
        assert rung == []
        await tx.rollback()
    assert rung == []
    await store(account, listed("evt_1"))
    assert [actor for actor, _ in rung] == ["stripe.process_event"]
