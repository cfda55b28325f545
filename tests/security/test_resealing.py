"""Everything opens with the new key afterwards, and nothing that somebody writes meanwhile is lost."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from portal.accounts.endpoints import keep_for_form, pending_endpoint, with_what_was_kept
from portal.accounts.rechecks import saved_endpoint
from portal.accounts.services import credential_place, load_account
from portal.contract.secrets import Secret
from portal.database.transaction import connection, transaction
from portal.invoices.services import pay_link
from portal.security import resealing
from portal.security.keyrings import Keyring, current_keyring
from portal.security.places import SEALED_PLACES, count_uses
from portal.security.resealing import RowsInUse, reseal_all
from portal.security.sealing import key_id_of, open_sealed, seal
from portal.settings import Settings
from tests.builders import KEYS, connect_account, make_invoice
from tests.security.rings import add, drop, own_key_file, sealed_texts

PREVIOUS = "whsec_test_that_was_replaced_0123456789"


@pytest.fixture
def path(database: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return own_key_file(tmp_path, settings, monkeypatch)


async def reseal(ring: Keyring | None = None) -> resealing.Resealed:
    return await reseal_all(ring or current_keyring(), lambda *_: None)


async def write(account_id: int, field: str, text: str) -> None:
    async with connection() as held:
        await held.execute(
            "UPDATE connected_account SET sealed_credentials = sealed_credentials || $2::jsonb WHERE id = $1",
            account_id,
            json.dumps({field: text}),
        )


async def seal_more_into(account_id: int) -> None:
    """The webhook token and a previous secret, as the product seals them."""
    async with connection() as held:
        await held.execute(
            """
            UPDATE connected_account SET sealed_webhook_token = $2, sealed_previous = $3,
                   previous_until = now() + interval '1 hour' WHERE id = $1
            """,
            account_id,
            seal(Secret("the-token"), context=credential_place(account_id, "test", "webhook_token")),
            json.dumps(
                {
                    "webhook_secret": seal(
                        Secret(PREVIOUS), context=credential_place(account_id, "test", "webhook_secret")
                    )
                }
            ),
        )


async def test_after_it_every_place_opens_with_the_new_key_alone(path: Path) -> None:
    account = await connect_account()
    await seal_more_into(account.id)
    invoice_id = await make_invoice()
    link, endpoint = await pay_link(invoice_id), await pending_endpoint("acme")
    await keep_for_form(
        "acme",
        "these keys",
        {"webhook_secret": Secret("whsec_of_the_form")},
        typed={},
        address=f"/{endpoint.token.reveal()}",
    )
    old = current_keyring().primary
    add(path)

    done = await reseal()

    assert (done.texts, {place for place, ids in done.broken.items() if ids}) == (8, set())
    drop(path, old)
    loaded = await load_account(account.id)
    assert {name: secret.reveal() for name, secret in loaded.credentials.items()} == KEYS
    assert loaded.previous == {"webhook_secret": Secret(PREVIOUS)}
    assert (await saved_endpoint(account.id)).reveal() == "the-token"
    assert await pay_link(invoice_id) == link
    assert await pending_endpoint("acme") == endpoint
    kept = await with_what_was_kept("acme", "these keys", {"webhook_secret": Secret("")})
    assert kept == {"webhook_secret": Secret("whsec_of_the_form")}


async def test_a_second_run_changes_nothing(path: Path) -> None:
    await connect_account()
    add(path)
    await reseal()
    texts = await sealed_texts()
    assert (await reseal()).texts == 0
    assert await sealed_texts() == texts


async def test_what_somebody_is_writing_at_that_moment_is_not_overwritten(path: Path) -> None:
    account = await connect_account()
    old = current_keyring()
    ring = add(path)
    place = credential_place(account.id, "test", "secret_key")
    written = json.dumps(
        {"secret_key": seal(Secret("sk_test_entered_meanwhile"), context=place, keyring=old)}
    )
    async with transaction() as tx:
        await tx.connection.execute("UPDATE connected_account SET sealed_credentials = $1", written)
        run = asyncio.create_task(reseal_in_a_context_of_its_own(ring))
        await asyncio.sleep(0.3)
        assert not run.done()
    assert (await run).texts == 2  # it, and the address beside it
    loaded = await load_account(account.id)
    assert {name: secret.reveal() for name, secret in loaded.credentials.items()} == {
        "secret_key": "sk_test_entered_meanwhile"
    }


async def reseal_in_a_context_of_its_own(ring: Keyring) -> resealing.Resealed:
    """The task was made inside a transaction, which it must not join."""
    from portal.database.engine import current_engine  # noqa: PLC0415 - for this test alone

    current_engine().current_transaction.set(None)
    return await reseal(ring)


async def test_under_writers_of_all_kinds_the_last_word_of_each_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "BATCH", 3)
    monkeypatch.setattr(resealing, "PAUSE_SECONDS", 0.01)
    old = current_keyring()
    plugins = [f"plugin{number}" for number in range(12)]
    for plugin in plugins:
        await pending_endpoint(plugin)
    ring, ends, said = add(path), asyncio.Event(), dict.fromkeys(plugins, "")

    async def keep_writing(plugin: str) -> None:
        number = 0
        while number < 5 or not ends.is_set():
            said[plugin] = f"{plugin} said {number}"
            await store(plugin, said[plugin], old if number % 2 else ring)
            number += 1

    writers = [asyncio.create_task(keep_writing(plugin)) for plugin in plugins[:6]]
    for _ in range(4):
        await reseal(ring)
    ends.set()
    await asyncio.gather(*writers)
    await reseal(ring)

    async with connection() as held:
        assert list(await count_uses(held)) == [ring.primary]
        rows = await held.fetch("SELECT plugin, sealed_token FROM pending_endpoint")
    drop(path, old.primary)
    opened = {row[0]: open_sealed(row[1], context=("pending_endpoint", row[0])).reveal() for row in rows}
    assert {plugin: opened[plugin] for plugin in plugins[:6]} == {p: said[p] for p in plugins[:6]}
    assert set(opened) == set(plugins)


async def store(plugin: str, secret: str, ring: Keyring) -> None:
    """As a process would that has not noticed the new key yet, or has."""
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE pending_endpoint SET sealed_token = $2 WHERE plugin = $1",
            plugin,
            seal(Secret(secret), context=("pending_endpoint", plugin), keyring=ring),
        )


async def test_rows_that_refer_to_one_that_is_being_sealed_again_are_stored_meanwhile(path: Path) -> None:
    account = await connect_account()
    ring = add(path)
    async with transaction() as tx:
        assert await resealing._take_rows(tx.connection, SEALED_PLACES[0], ring.primary, 0)
        async with asyncio.timeout(5):
            await _store_event(account.id)


async def _store_event(account_id: int) -> None:
    """On a connection of its own, as the intake does."""
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO webhook_event (account, mode, external_id, type, body, due_at, received_at)
            VALUES ($1, 'test', 'evt_1', 'invoice.paid', '', now(), now())
            """,
            account_id,
        )


async def test_a_row_that_is_held_for_long_ends_the_run_in_words_and_the_rest_is_done(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resealing, "PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(resealing, "MOST_PAUSES", 3)
    for plugin in ("held", "free"):
        await pending_endpoint(plugin)
    ring = add(path)
    async with transaction() as tx:
        await tx.connection.execute("SELECT FROM pending_endpoint WHERE plugin = 'held' FOR UPDATE")
        with pytest.raises(RowsInUse, match="pending_endpoint have been in use"):
            await asyncio.create_task(reseal_in_a_context_of_its_own(ring))
    keys = [key_id_of(text) for text in (await sealed_texts()).values()]
    assert sorted(key == ring.primary for key in keys) == [False, True]


async def test_a_text_that_does_not_open_is_left_as_it_is_and_named(path: Path) -> None:
    account = await connect_account()
    misplaced = seal(Secret("elsewhere"), context=("another", "place"))
    lost = "v1.k000000." + misplaced.split(".", 2)[2]
    await write(account.id, "misplaced", misplaced)
    await write(account.id, "lost", lost)
    ring = add(path)

    done = await reseal()

    assert done.texts == 4
    assert [(str(place), ids) for place, ids in done.broken.items() if ids] == [
        ("connected_account.sealed_credentials", {account.id})
    ]
    texts = {field: text for (_, _, field), text in (await sealed_texts()).items()}
    assert (texts["misplaced"], texts["lost"]) == (misplaced, lost)
    assert {key_id_of(texts[name]) for name in KEYS} == {ring.primary}
