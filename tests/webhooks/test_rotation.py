"""While secrets change, nothing that either of them signed is refused, and each use is noted."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.accounts.services import account_for_webhook
from portal.contract.accounts import Account
from portal.contract.errors import EventRefused
from portal.contract.secrets import Secret
from portal.database.transaction import transaction
from portal.webhooks import intake, uses
from portal.webhooks.intake import Outcome, forget_connections
from portal.webhooks.notes import flush_notes, forget_notes
from tests.builders import WEBHOOK_SECRET, Connected, connect_account
from tests.webhooks.signing import (
    NEW_SECRET,
    at_once,
    deliver,
    event_body,
    rotate,
    signed,
    stored_ids,
    stripe_plugin,
    used,
)


@pytest.fixture
async def account(database: None) -> AsyncIterator[Connected]:
    forget_connections()
    yield await connect_account()
    forget_connections()


class Loads:
    """Counts how often a connection is read, and how many reads run side by side."""

    def __init__(self) -> None:
        self.all = self.running = self.most = 0

    async def load(self, plugin_id: str, token_hash: bytes) -> Account | None:
        self.all += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(0.01)
            return await account_for_webhook(plugin_id, token_hash)
        finally:
            self.running -= 1


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    counted = Loads()
    monkeypatch.setattr(intake, "account_for_webhook", counted.load)
    return counted


@pytest.mark.parametrize("secret", [WEBHOOK_SECRET, NEW_SECRET])
async def test_both_secrets_are_accepted_while_they_overlap(account: Connected, secret: str) -> None:
    await rotate(account)
    body = event_body()
    assert await deliver(account, body, signed(body, secret)) is Outcome.STORED


async def test_the_replaced_secret_is_refused_when_its_time_is_over(account: Connected) -> None:
    await rotate(account, overlap="-1 second")
    body = event_body()
    with pytest.raises(EventRefused):
        await deliver(account, body, signed(body, WEBHOOK_SECRET))
    assert await deliver(account, body, signed(body, NEW_SECRET)) is Outcome.STORED


async def test_a_removed_secret_is_refused_at_once_though_the_process_remembers_it(
    account: Connected,
) -> None:
    await rotate(account)
    body = event_body("evt_1")
    assert await deliver(account, body, signed(body, WEBHOOK_SECRET)) is Outcome.STORED
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE connected_account SET sealed_previous = '{}', previous_until = NULL WHERE id = $1",
            account.id,
        )
    body = event_body("evt_2")
    with pytest.raises(EventRefused):
        await deliver(account, body, signed(body, WEBHOOK_SECRET))
    assert await stored_ids() == ["evt_1"]


async def test_a_secret_that_was_replaced_and_removed_within_seconds_is_refused_at_once(
    account: Connected,
) -> None:
    """The process remembers it as the present one."""
    body = event_body("evt_1")
    assert await deliver(account, body, signed(body, WEBHOOK_SECRET)) is Outcome.STORED
    await rotate(account)
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE connected_account SET sealed_previous = '{}', previous_until = NULL, "
            "version = version + 1 WHERE id = $1",
            account.id,
        )
    body = event_body("evt_2")
    with pytest.raises(EventRefused):
        await deliver(account, body, signed(body, WEBHOOK_SECRET))
    assert await deliver(account, body, signed(body, NEW_SECRET)) is Outcome.STORED


@pytest.mark.parametrize(
    ("secrets", "which"),
    [
        ((NEW_SECRET,), (True, False)),
        ((WEBHOOK_SECRET,), (False, True)),
        ((WEBHOOK_SECRET, NEW_SECRET), (True, False)),
    ],
)
async def test_the_present_secret_counts_as_used_when_both_signed(
    account: Connected, secrets: tuple[str, ...], which: tuple[bool, bool]
) -> None:
    await rotate(account)
    body = event_body()
    await deliver(account, body, signed(body, *secrets))
    await flush_notes()
    assert await used(account) == which


async def test_a_process_that_remembers_the_old_secret_does_not_call_it_the_present_one(
    account: Connected,
) -> None:
    first, second = event_body("evt_1"), event_body("evt_2")
    await deliver(account, first, signed(first))
    await rotate(account)
    forget_notes()
    assert await deliver(account, second, signed(second, WEBHOOK_SECRET)) is Outcome.STORED
    await flush_notes()
    assert await used(account) == (False, True)


async def test_a_use_is_written_once_for_many_deliveries(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []

    async def store(*use: object) -> bool:
        written.append(use)
        return True

    monkeypatch.setattr(uses, "_store", store)
    events = [event_body(f"evt_{number}") for number in range(30)]
    await at_once(account, [(body, signed(body)) for body in events])
    await flush_notes()
    await at_once(account, [(body, signed(body)) for body in events])
    await flush_notes()
    assert len(written) == 1


async def test_a_locked_connection_delays_no_delivery_and_its_use_is_noted_later(account: Connected) -> None:
    body = event_body()
    async with transaction() as tx:
        await tx.connection.execute("SELECT 1 FROM connected_account FOR UPDATE")
        # In a context of its own: in this one it would join this transaction.
        other = asyncio.create_task(_deliver_and_flush(account, body), context=contextvars.Context())
        # Foreign keys make the insert itself wait for a full lock, so it is let go before the end.
        await asyncio.sleep(0.05)
    assert await other is Outcome.STORED
    await deliver(account, body, signed(body))
    await flush_notes()
    assert await used(account) == (True, False)


async def _deliver_and_flush(account: Connected, body: bytes) -> Outcome:
    outcome = await deliver(account, body, signed(body))
    await flush_notes()
    return outcome


async def test_a_rotation_in_the_middle_of_deliveries_refuses_none(account: Connected) -> None:
    old = [event_body(f"evt_old_{number}") for number in range(40)]
    new = [event_body(f"evt_new_{number}") for number in range(40)]
    before = asyncio.create_task(at_once(account, [(body, signed(body)) for body in old]))
    await asyncio.sleep(0.01)
    await rotate(account)
    after = await at_once(account, [(body, signed(body, NEW_SECRET)) for body in new])
    assert {*after, *(await before)} == {Outcome.STORED}
    assert len(await stored_ids()) == 80


async def test_a_process_that_remembers_old_secrets_accepts_the_first_event_with_the_new_one(
    account: Connected,
) -> None:
    first, second = event_body("evt_1"), event_body("evt_2")
    await deliver(account, first, signed(first))
    await rotate(account, overlap="-1 second")
    assert await deliver(account, second, signed(second, NEW_SECRET)) is Outcome.STORED


async def test_a_flood_of_bad_signatures_reads_the_connection_one_at_a_time(
    account: Connected, loads: Loads
) -> None:
    body = event_body()
    wrong: list[tuple[bytes, dict[str, str]]] = [(body, signed(body, "whsec_of_somebody"))] * 300
    ends = await at_once(account, wrong)
    assert all(isinstance(end, EventRefused) for end in ends)
    assert loads.most == 1
    assert loads.all <= 3


@pytest.mark.parametrize("headers", [{}, {"stripe-signature": "t=1,v1=00"}])
async def test_only_an_unknown_signature_makes_a_process_look_again(
    account: Connected, loads: Loads, headers: dict[str, Any]
) -> None:
    body = event_body()
    await deliver(account, body, signed(body))
    known = signed(body, ahead=900) if headers else headers
    with pytest.raises(EventRefused):
        await deliver(account, body, known)
    assert loads.all == 1


async def test_a_load_that_began_before_the_delivery_is_not_believed(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that has the old row already must not answer for what comes in after the rotation."""
    read, go = asyncio.Event(), asyncio.Event()

    async def slow(plugin_id: str, token_hash: bytes) -> Account | None:
        found = await account_for_webhook(plugin_id, token_hash)
        read.set()
        await go.wait()
        return found

    monkeypatch.setattr(intake, "account_for_webhook", slow)
    old, new = event_body("evt_old"), event_body("evt_new")
    early = asyncio.create_task(deliver(account, old, signed(old)))
    await read.wait()
    await rotate(account, overlap="-1 second")
    late = asyncio.create_task(deliver(account, new, signed(new, NEW_SECRET)))
    await asyncio.sleep(0)
    go.set()
    assert await late is Outcome.STORED
    assert await early is Outcome.STORED


async def test_an_address_that_ended_meanwhile_is_unknown_to_a_bad_signature_too(account: Connected) -> None:
    body = event_body()
    await deliver(account, body, signed(body))
    async with transaction() as tx:
        await tx.connection.execute("UPDATE connected_account SET state = 'disconnected'")
    assert await deliver(account, body, signed(body, "whsec_of_somebody")) is Outcome.UNKNOWN


async def test_which_secret_signed_is_told_by_its_place() -> None:
    plugin, body = stripe_plugin(), event_body()
    both = (Secret(NEW_SECRET), Secret(WEBHOOK_SECRET))
    now = datetime.now(UTC)
    assert plugin.receive_event(body, signed(body, WEBHOOK_SECRET), both, now).signed_by == 1
    assert plugin.receive_event(body, signed(body, WEBHOOK_SECRET, NEW_SECRET), both, now).signed_by == 0
