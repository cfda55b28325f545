"""New credentials for a connection: of its own account, with a day in which two secrets are accepted."""

from __future__ import annotations

import asyncio
import contextvars
from datetime import UTC, datetime, timedelta

import pytest

from portal.accounts.disconnections import disconnect
from portal.accounts.overlaps import (
    OverlapOpen,
    end_overlap,
    finish_overlap,
    is_safe_to_remove,
    overlaps_over,
)
from portal.accounts.rotations import (
    NothingNew,
    WrongAccount,
    replace_credentials,
    require_same_account,
)
from portal.accounts.services import (
    AccountDisconnected,
    load_account,
    load_summary,
    mark_broken,
    require_connected,
)
from portal.contract.accounts import AccountIdentity
from portal.contract.errors import ProviderUnavailable
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import connection
from portal.errors import Conflict
from tests.accounts.fakes import ANA, ASKED, NEW_SIGNING, REFUSES, SECRET, SIGNING, Acme, connect_acme

NOW = datetime.now(UTC)
NEW_KEY = "key_test_9876543210"


async def row(account_id: int) -> dict[str, object]:
    async with connection() as held:
        found = await held.fetchrow("SELECT * FROM connected_account WHERE id = $1", account_id)
    assert found is not None
    return dict(found)


async def end_all() -> None:
    for account_id in await overlaps_over():
        await end_overlap(account_id)


async def replace(account_id: int, **new: str) -> tuple[str, ...]:
    values = {name: Secret(value) for name, value in new.items()}
    return await replace_credentials(account_id, Acme(), values, actor=ANA)


async def test_a_new_key_takes_the_place_of_the_old_one_at_once(database: None) -> None:
    account_id = await connect_acme()
    assert await replace(account_id, secret_key=NEW_KEY, signing="") == ("Secret key",)
    account = await load_account(account_id)
    assert account.credentials["secret_key"].reveal() == NEW_KEY
    assert account.credentials["signing"].reveal() == SIGNING
    assert not account.previous
    shown = str((await row(account_id))["shown_credentials"])
    assert "…3210" in shown
    assert NEW_KEY not in shown


async def test_a_new_key_waits_for_no_page_that_is_being_written(database: None) -> None:
    account_id = await connect_acme()
    async with connection() as writing, writing.transaction():
        await require_connected(writing, account_id)
        work = replace(account_id, secret_key=NEW_KEY)
        async with asyncio.timeout(5):
            await asyncio.create_task(work, context=contextvars.Context())


async def test_a_new_signing_secret_is_accepted_beside_the_old_one_for_a_day(database: None) -> None:
    account_id = await connect_acme()
    before = datetime.now(UTC)
    await replace(account_id, signing=NEW_SIGNING)
    after = datetime.now(UTC)
    account = await load_account(account_id)
    assert account.credentials["signing"].reveal() == NEW_SIGNING
    assert account.previous["signing"].reveal() == SIGNING
    until = (await row(account_id))["previous_until"]
    assert isinstance(until, datetime)
    assert before - timedelta(minutes=1) < until - timedelta(days=1) < after + timedelta(minutes=5)


async def test_the_old_secret_is_not_accepted_after_its_day_even_before_it_is_erased(database: None) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    async with connection() as held:
        await held.execute("UPDATE connected_account SET previous_until = now() - interval '1 second'")
    assert not (await load_account(account_id)).previous


async def test_the_end_of_the_day_erases_the_old_secret_and_its_endpoint(database: None) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    await end_all()
    assert (await row(account_id))["sealed_previous"] != "{}"
    async with connection() as held:
        await held.execute("UPDATE connected_account SET previous_until = now() - interval '1 second'")
    await end_all()
    found = await row(account_id)
    assert (found["sealed_previous"], found["previous_until"]) == ("{}", None)
    assert "retire_endpoint" in ASKED
    await end_all()


async def test_a_provider_that_is_away_does_not_keep_an_old_secret_alive(database: None) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    REFUSES["retire_endpoint"] = ProviderUnavailable("Acme is away.")
    async with connection() as held:
        await held.execute(
            "UPDATE connected_account "
            "SET previous_until = now() - interval '1 second', secret_used_at = now()"
        )
    await end_all()
    assert (await row(account_id))["sealed_previous"] == "{}"


async def test_an_endpoint_that_never_signed_is_tried_again_while_its_provider_is_away(
    database: None,
) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    REFUSES["retire_endpoint"] = ProviderUnavailable("Acme is away.")
    async with connection() as held:
        await held.execute("UPDATE connected_account SET previous_until = now() - interval '1 second'")
    await end_all()
    assert not (await load_account(account_id)).previous
    REFUSES.clear()
    await end_all()
    assert (await row(account_id))["sealed_previous"] == "{}"


async def test_a_person_who_ends_the_overlap_is_told_when_the_old_endpoint_stays(database: None) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    REFUSES["retire_endpoint"] = ProviderUnavailable("Acme is away.")
    with pytest.raises(ProviderUnavailable):
        await finish_overlap(account_id, actor=ANA)
    assert (await load_account(account_id)).previous
    REFUSES.clear()
    await finish_overlap(account_id, actor=ANA)
    assert not (await load_account(account_id)).previous
    with pytest.raises(Conflict):
        await finish_overlap(account_id, actor=ANA)


async def test_a_second_rotation_waits_so_that_no_secret_in_use_is_dropped(database: None) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    with pytest.raises(OverlapOpen):
        await replace(account_id, signing="sign_third_0123456789")
    assert (await load_account(account_id)).previous["signing"].reveal() == SIGNING


async def test_a_new_key_during_the_overlap_leaves_both_secrets(database: None) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    await replace(account_id, secret_key=NEW_KEY)
    account = await load_account(account_id)
    assert account.credentials["signing"].reveal() == NEW_SIGNING
    assert account.previous["signing"].reveal() == SIGNING


async def test_nothing_new_is_said_and_nothing_changes(database: None) -> None:
    account_id = await connect_acme()
    before = await row(account_id)
    with pytest.raises(NothingNew):
        await replace(account_id, secret_key=SECRET, signing=SIGNING)
    assert await row(account_id) == before


async def test_a_broken_connection_works_again_and_its_work_is_due(database: None) -> None:
    account_id = await connect_acme()
    await mark_broken(account_id, "Acme refused this key.")
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO sync_task (account, mode, kind, subject_id, idempotency_key, due_at, created_at)
            VALUES ($1, 'test', 'look', 1, 'k', now() + interval '1 hour', now())
            """,
            account_id,
        )
    await replace(account_id, secret_key=NEW_KEY)
    assert (await load_summary(account_id)).state == "ready"
    async with connection() as held:
        assert await held.fetchval("SELECT due_at <= now() FROM sync_task")


async def test_the_rotation_is_noted_without_a_secret(database: None) -> None:
    account_id = await connect_acme()
    await replace(account_id, secret_key=NEW_KEY, signing=NEW_SIGNING)
    async with connection() as held:
        entry = await held.fetchrow("SELECT * FROM audit_entry WHERE action = 'account.rotated'")
    assert entry is not None
    assert (
        entry["words"] == "Replaced the secret key and signing secret of Acme account Northwind (test mode)."
    )
    for secret in (NEW_KEY, NEW_SIGNING, SECRET, SIGNING):
        assert secret not in str(dict(entry))


async def test_disconnecting_erases_both_secrets(database: None) -> None:
    account_id = await connect_acme()
    await replace(account_id, signing=NEW_SIGNING)
    await disconnect(account_id, Acme(), actor=ANA)
    found = await row(account_id)
    assert (found["sealed_credentials"], found["sealed_previous"], found["previous_until"]) == (
        "{}",
        "{}",
        None,
    )
    with pytest.raises(AccountDisconnected):
        await replace(account_id, secret_key=NEW_KEY)


@pytest.mark.parametrize(
    ("identity", "words"),
    [
        (
            AccountIdentity("acme_2", "Acme Ltd", Mode.TEST),
            "This key belongs to Acme Ltd. You are connected to Northwind.",
        ),
        (
            AccountIdentity("acme_1", "Northwind", Mode.LIVE),
            "This is a live key. This connection is in test mode.",
        ),
    ],
)
async def test_a_key_of_another_account_or_mode_is_refused_with_words(
    database: None, identity: AccountIdentity, words: str
) -> None:
    account = await load_summary(await connect_acme())
    with pytest.raises(WrongAccount) as refused:
        require_same_account(account, identity)
    assert refused.value.message == words


@pytest.mark.parametrize(
    ("previous", "present", "safe"),
    [
        (None, None, False),
        (None, NOW, True),
        (NOW - timedelta(minutes=5), NOW, False),
        (NOW - timedelta(hours=2), NOW, True),
        (NOW - timedelta(hours=2), None, False),
    ],
)
def test_the_old_secret_can_go_once_it_is_quiet_and_the_new_one_signs(
    previous: datetime | None, present: datetime | None, *, safe: bool
) -> None:
    assert is_safe_to_remove(previous, present) is safe


def test_an_old_secret_that_goes_with_its_endpoint_can_go_as_soon_as_the_new_one_signs() -> None:
    assert is_safe_to_remove(NOW, NOW, both_deliver=True)
    assert not is_safe_to_remove(NOW, None, both_deliver=True)
