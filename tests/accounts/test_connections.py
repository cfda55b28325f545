"""Saving a connection: once, sealed, noted, and the same row when the account comes back."""

from __future__ import annotations

import asyncio

import pytest

from portal.accounts.connections import AlreadyConnected, same_credentials
from portal.accounts.disconnections import disconnect
from portal.accounts.endpoints import pending_endpoint
from portal.accounts.services import (
    AccountDisconnected,
    account_for_webhook,
    connected_accounts,
    load_account,
    load_summary,
    mark_broken,
    mark_ready,
)
from portal.audit.services import Actor
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import connection
from portal.errors import NotFound
from portal.security.sealing import SealBroken
from tests.accounts.fakes import ANA, CREDENTIALS, SECRET, SIGNING, Acme, connect_acme


async def value(query: str, *args: object) -> object:
    async with connection() as held:
        found: object = await held.fetchval(query, *args)
    return found


async def test_credentials_open_again_and_are_nowhere_in_plain_text(database: None) -> None:
    account = await load_account(await connect_acme())
    assert {name: secret.reveal() for name, secret in account.credentials.items()} == CREDENTIALS
    row = str(await value("SELECT to_jsonb(connected_account)::text FROM connected_account"))
    audit = str(await value("SELECT string_agg(to_jsonb(audit_entry)::text, '') FROM audit_entry"))
    for secret in (SECRET, SIGNING):
        assert secret not in row
        assert secret not in audit


async def test_a_seal_moved_to_another_field_does_not_open(database: None) -> None:
    account_id = await connect_acme()
    await value(
        """
        UPDATE connected_account SET sealed_credentials =
            jsonb_set(sealed_credentials, '{public_key}', sealed_credentials -> 'secret_key') RETURNING id
        """
    )
    with pytest.raises(SealBroken):
        await load_account(account_id)


async def test_saving_is_noted_with_who_and_which_mode(database: None) -> None:
    await connect_acme()
    words = await value("SELECT actor_name || ': ' || words || ' ' || mode FROM audit_entry")
    assert words == "Ana Duarte: Connected Acme account Northwind in test mode. test"


async def test_pressing_save_twice_makes_one_connection(database: None) -> None:
    first, second = await asyncio.gather(connect_acme(), connect_acme())
    assert first == second
    assert await value("SELECT count(*) FROM connected_account") == 1
    assert await value("SELECT count(*) FROM audit_entry") == 1


async def test_somebody_else_is_told_that_the_account_is_connected(database: None) -> None:
    await connect_acme()
    with pytest.raises(AlreadyConnected, match="Northwind is already connected in test mode"):
        await connect_acme(actor=Actor("person", "2", "Ben"))


async def test_test_and_live_are_two_connections_and_live_comes_first(database: None) -> None:
    await connect_acme()
    await connect_acme(secret="key_live_0123456789")
    assert [account.mode for account in await connected_accounts("acme")] == [Mode.LIVE, Mode.TEST]


async def test_the_address_of_the_form_becomes_the_accounts(database: None) -> None:
    shown = await pending_endpoint("acme")
    account_id = await connect_acme()
    found = await account_for_webhook("acme", shown.token_hash)
    assert found is not None
    assert found.id == account_id
    assert (await pending_endpoint("acme")).token_hash != shown.token_hash
    assert await account_for_webhook("stripe", shown.token_hash) is None


async def test_an_account_that_comes_back_takes_its_old_row(database: None) -> None:
    account_id = await connect_acme()
    await disconnect(account_id, Acme(), actor=ANA)
    again = await connect_acme(secret="key_test_another_one")
    assert again == account_id
    assert (await load_account(again)).credentials["secret_key"] == Secret("key_test_another_one")
    assert (await load_summary(again)).state == "ready"


async def test_two_people_who_bring_it_back_at_once_make_one(database: None) -> None:
    await disconnect(await connect_acme(), Acme(), actor=ANA)
    first, second = await asyncio.gather(connect_acme(), connect_acme())
    assert first == second
    assert await value("SELECT count(*) FROM connected_account") == 1


async def test_a_refused_key_breaks_the_connection_until_one_works(database: None) -> None:
    account_id = await connect_acme()
    await mark_broken(account_id, "Acme refused the key.")
    await mark_broken(account_id, "Acme refused the key.")
    broken = await load_summary(account_id)
    assert (broken.state, broken.health_reason) == ("broken", "Acme refused the key.")
    await mark_ready(account_id)
    assert (await load_summary(account_id)).state == "ready"
    noted = await value("SELECT array_agg(action ORDER BY id) FROM audit_entry")
    assert noted == ["account.connected", "account.broken", "account.recovered"]


async def test_a_disconnected_one_stays_disconnected(database: None) -> None:
    account_id = await connect_acme()
    await disconnect(account_id, Acme(), actor=ANA)
    await mark_broken(account_id, "late")
    assert (await load_summary(account_id)).state == "disconnected"
    with pytest.raises(AccountDisconnected):
        await load_account(account_id)


async def test_known_credentials_are_recognised(database: None) -> None:
    account_id = await connect_acme()
    known = await same_credentials(Acme(), {"secret_key": Secret(SECRET)})
    assert known is not None
    assert known.id == account_id
    assert await same_credentials(Acme(), {"secret_key": Secret("key_test_other")}) is None
    assert await same_credentials(Acme(), {"secret_key": Secret("")}) is None


async def test_what_is_not_there_is_not_found(database: None) -> None:
    for load in (load_account, load_summary):
        with pytest.raises(NotFound):
            await load(404)
