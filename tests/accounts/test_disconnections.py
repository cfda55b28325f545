"""Ending a connection: the consequences are real, and afterwards nothing of it is left but history."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from portal.accounts.disconnections import consequences, disconnect
from portal.accounts.services import (
    AccountDisconnected,
    account_for_webhook,
    default_account,
    require_connected,
)
from portal.contract.accounts import Account
from portal.contract.descriptions import Effect
from portal.database.transaction import connection
from portal.errors import Conflict, NotFound
from portal.security.tokens import Purpose, hash_token
from tests.accounts.fakes import ANA, Acme, connect_acme
from tests.builders import connect_account, make_invoice


async def rows(query: str, *args: object) -> list[tuple[object, ...]]:
    async with connection() as held:
        return [tuple(row) for row in await held.fetch(query, *args)]


async def receive(account_id: int, external_id: str, state: str) -> None:
    await rows(
        """
        INSERT INTO webhook_event (account, mode, external_id, type, body, state, due_at, received_at)
        VALUES ($1, 'test', $2, 'x', '', $3, now(), now()) RETURNING id
        """,
        account_id,
        external_id,
        state,
    )


async def test_open_pay_links_are_counted_and_summed_per_currency(database: None) -> None:
    account = await connect_account()
    for amount, currency in ((48_000, "usd"), (2_050, "usd"), (900, "jpy")):
        await make_invoice(amount, currency=currency)
    await make_invoice(99_999, final=False)
    words = [effect.text for effect in await consequences(account.id, Acme())]
    assert words[0] == "Pay links stop working now: 3 open invoices, $500.50 and ¥900."


async def test_work_that_waits_is_named(database: None) -> None:
    account = await connect_account()
    await make_invoice()
    await receive(account.id, "evt_1", "received")
    await receive(account.id, "evt_2", "processed")
    words = [effect.text for effect in await consequences(account.id, Acme())]
    assert "1 event waiting to be handled will be ignored." in words
    assert "1 change waiting for Acme will not be sent." in words
    assert "Rockets keep flying." in words


async def test_a_provider_that_fails_does_not_stop_the_page(database: None) -> None:
    class Broken(Acme):
        async def disconnect_effects(
            self,
            account: Account,  # noqa: ARG002 - the contract's
        ) -> tuple[Effect, ...]:
            raise Conflict("No.")

    words = [effect.text for effect in await consequences(await connect_acme(), Broken())]
    assert "Acme could not be asked what goes on there. Nothing is cancelled." in words


async def test_secrets_are_erased_and_the_address_opens_nothing(database: None) -> None:
    account = await connect_account()
    ended = await disconnect(account.id, Acme(), actor=ANA)
    assert ended.words == "Acme disconnected. Its keys are erased, Northwind's history is kept."
    found = await rows(
        """
        SELECT state, sealed_credentials::text, shown_credentials::text, sealed_webhook_token,
               webhook_token_hash FROM connected_account
        """
    )
    assert found == [("disconnected", "{}", "{}", "", None)]
    assert await account_for_webhook("stripe", hash_token(account.token, Purpose.WEBHOOK)) is None
    assert await default_account() is None


async def test_waiting_work_ends_with_the_reason(database: None) -> None:
    account = await connect_account()
    await make_invoice()
    for external_id, state in (("evt_1", "received"), ("evt_2", "processed"), ("evt_3", "parked")):
        await receive(account.id, external_id, state)
    await disconnect(account.id, Acme(), actor=ANA)
    assert await rows("SELECT state, outcome FROM webhook_event ORDER BY id") == [
        ("ignored", "The account was disconnected."),
        ("processed", ""),
        ("parked", ""),
    ]
    assert await rows("SELECT state, error FROM sync_task") == [("failed", "The account was disconnected.")]
    assert await rows("SELECT sync_state, sync_error FROM invoice") == [
        ("failed", "The account was disconnected.")
    ]


async def test_the_keys_are_erased_while_somebody_still_writes_and_what_that_leaves_ends_too(
    database: None,
) -> None:
    """A backfill always writes some page: who waited for a moment without any would wait for its end."""
    account = await connect_account()
    async with connection() as writing, writing.transaction():
        await require_connected(writing, account.id)
        ending = asyncio.create_task(disconnect(account.id, Acme(), actor=ANA), context=contextvars.Context())
        for _ in range(250):
            if await writing.fetchval("SELECT bool_and(state = 'disconnected') FROM connected_account"):
                break
            await asyncio.sleep(0.02)
        else:
            pytest.fail("the keys are still there")
        assert not ending.done()
        await receive(account.id, "evt_1", "received")
    await ending
    assert await rows("SELECT state FROM webhook_event") == [("ignored",)]


async def test_history_stays(database: None) -> None:
    account = await connect_account()
    await make_invoice()
    await disconnect(account.id, Acme(), actor=ANA)
    assert await rows("SELECT account FROM invoice") == [(account.id,)]
    actions = await rows("SELECT action FROM audit_entry ORDER BY id DESC LIMIT 1")
    assert actions == [("account.disconnected",)]


async def test_a_second_disconnect_says_so(database: None) -> None:
    account_id = await connect_acme()
    await disconnect(account_id, Acme(), actor=ANA)
    with pytest.raises(AccountDisconnected):
        await disconnect(account_id, Acme(), actor=ANA)
    with pytest.raises(NotFound):
        await disconnect(404, Acme(), actor=ANA)
