"""A proof sees the one delivery that it waits for, and lets nothing in that was not let in before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from portal.accounts.endpoints import endpoint_url, pending_endpoint
from portal.contract.errors import EventRefused
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import DatabaseBusy, connection, transaction
from portal.webhooks import intake, proofs
from portal.webhooks.intake import Outcome, forget_connections
from portal.webhooks.notes import flush_notes
from portal.webhooks.proofs import MOST_DELIVERIES, WaitingProof, delivery_proof, forget_proofs
from tests.builders import WEBHOOK_SECRET, Connected, connect_account
from tests.webhooks.signing import NEW_SECRET, at_once, deliver, event_body, signed, stored_ids

BASE = "https://portal.example.com"
CANDIDATE = Secret(NEW_SECRET)


@pytest.fixture
async def account(database: None) -> AsyncIterator[Connected]:
    forget_connections()
    yield await connect_account()
    forget_connections()


@pytest.fixture
async def unsaved(database: None) -> Connected:
    """The address of a connect form that nobody has saved."""
    forget_connections()
    token = (await pending_endpoint("stripe")).token
    return Connected(0, Mode.TEST, token.reveal())


def address(account: Connected) -> str:
    return endpoint_url(BASE, "stripe", Secret(account.token))


def proof_of(account: Connected, *secrets: Secret) -> Any:
    return delivery_proof(address(account), secrets or (CANDIDATE,))


def marked(proof: WaitingProof, event_id: str = "evt_marked") -> bytes:
    customer = {"id": "cus_1", "object": "customer", "metadata": {"portal_probe": proof.marker}}
    return event_body(event_id, type="customer.created", data={"object": customer})


async def count(table: str) -> int:
    async with connection() as held:
        found: int = await held.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - of the test
    return found


async def test_a_genuine_delivery_ends_the_wait_at_once(account: Connected) -> None:
    async with proof_of(account, Secret(WEBHOOK_SECRET)) as proof:
        waiting = asyncio.create_task(proof.wait(60))
        body, headers = marked(proof), signed(marked(proof))
        assert await deliver(account, body, headers) is Outcome.STORED
        (seen,) = await waiting
    assert (seen.body, seen.headers, seen.signed_by, seen.refusal) == (body, headers, 0, "")
    assert await stored_ids() == ["evt_marked"]


async def test_the_candidate_is_judged_apart_and_opens_nothing(account: Connected) -> None:
    """While the saved secret signs, an event is stored; whether the typed one signs is another question."""
    async with proof_of(account) as proof:
        body = marked(proof)
        assert await deliver(account, body, signed(body, WEBHOOK_SECRET)) is Outcome.STORED
        with pytest.raises(EventRefused):
            await deliver(account, marked(proof, "evt_2"), signed(marked(proof, "evt_2"), NEW_SECRET))
        old, new = await proof.wait(0)
    assert (old.signed_by, old.refusal) == (None, "signature")
    assert (new.signed_by, new.refusal) == (0, "")
    assert await stored_ids() == ["evt_marked"]


async def test_a_refused_delivery_is_still_counted(account: Connected) -> None:
    async with proof_of(account) as proof:
        body = marked(proof)
        with pytest.raises(EventRefused):
            await deliver(account, body, signed(body, "whsec_of_somebody"))
        await flush_notes()
    assert await count("delivery_refusal") == 1


async def test_an_unsaved_address_notes_a_genuine_delivery_and_stores_nothing(unsaved: Connected) -> None:
    async with proof_of(unsaved) as proof:
        body = marked(proof)
        assert await deliver(unsaved, body, signed(body, NEW_SECRET)) is Outcome.NOTED
        (seen,) = await proof.wait(0)
    assert seen.signed_by == 0
    assert await stored_ids() == []


@pytest.mark.parametrize(
    ("secret", "ahead", "refusal"), [(WEBHOOK_SECRET, 0, "signature"), (NEW_SECRET, 900, "clock")]
)
async def test_an_unsaved_address_refuses_what_the_candidate_did_not_sign(
    unsaved: Connected, secret: str, ahead: int, refusal: str
) -> None:
    async with proof_of(unsaved) as proof:
        body = marked(proof)
        with pytest.raises(EventRefused):
            await deliver(unsaved, body, signed(body, secret, ahead=ahead))
        (seen,) = await proof.wait(0)
    assert (seen.signed_by, seen.refusal) == (None, refusal)


@pytest.mark.parametrize("marker", ["", "0" * 32, "portal_probe"])
async def test_without_the_marker_an_unsaved_address_is_unknown_and_leaves_no_row(
    unsaved: Connected, marker: str
) -> None:
    async with proof_of(unsaved) as proof:
        body = event_body(data={"object": {"id": "cus_1", "metadata": {"portal_probe": marker}}})
        assert await deliver(unsaved, body, signed(body, NEW_SECRET)) is Outcome.UNKNOWN
        assert await proof.wait(0) == ()


async def test_a_proof_is_of_one_address_alone(account: Connected, unsaved: Connected) -> None:
    async with proof_of(unsaved) as proof:
        body = marked(proof)
        assert await deliver(account, body, signed(body)) is Outcome.STORED
        assert await proof.wait(0) == ()


async def test_an_address_is_unknown_again_when_the_proof_has_ended(unsaved: Connected) -> None:
    async with proof_of(unsaved) as proof:
        body = marked(proof)
    assert await deliver(unsaved, body, signed(body, NEW_SECRET)) is Outcome.UNKNOWN
    assert await count("delivery_proof") == 0


async def test_the_end_takes_everything_with_it_however_it_comes(unsaved: Connected) -> None:
    inside = asyncio.Event()

    async def wait() -> None:
        async with proof_of(unsaved) as proof:
            body = marked(proof)
            await deliver(unsaved, body, signed(body, NEW_SECRET))
            inside.set()
            await asyncio.sleep(60)

    waiting = asyncio.create_task(wait())
    await inside.wait()
    assert (await count("delivery_proof"), await count("proof_delivery")) == (1, 1)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert (await count("delivery_proof"), await count("proof_delivery")) == (0, 0)


async def test_only_so_many_deliveries_are_kept(unsaved: Connected) -> None:
    async with proof_of(unsaved) as proof:
        body = marked(proof)
        await at_once(unsaved, [(body, signed(body, NEW_SECRET))] * 25)
        assert len(await proof.wait(0)) == MOST_DELIVERIES


async def test_a_large_body_is_cut_and_headers_are_those_of_signatures(unsaved: Connected) -> None:
    async with proof_of(unsaved) as proof:
        body = marked(proof)[:-1] + b" " * 400_000 + b"}"
        headers = {**signed(body, NEW_SECRET), "cookie": "secret=1", "authorization": "Basic x"}
        await deliver(unsaved, body, headers)
        (seen,) = await proof.wait(0)
    assert len(seen.body) == proofs.MOST_BODY_BYTES
    assert list(seen.headers) == ["stripe-signature"]


async def test_secrets_of_a_proof_are_sealed_for_it_alone(unsaved: Connected) -> None:
    async with proof_of(unsaved, CANDIDATE, Secret(WEBHOOK_SECRET)) as first, proof_of(unsaved) as second:
        async with connection() as held:
            dump = str(await held.fetchval("SELECT jsonb_agg(to_jsonb(p))::text FROM delivery_proof p"))
            assert NEW_SECRET not in dump
            await held.execute(
                """
                UPDATE delivery_proof SET sealed_secrets =
                    (SELECT sealed_secrets FROM delivery_proof WHERE marker = $1) WHERE marker = $2
                """,
                first.marker,
                second.marker,
            )
        body = marked(second)
        with pytest.raises(Exception, match="does not fit its place"):
            await deliver(unsaved, body, signed(body, NEW_SECRET))


async def test_a_proof_that_breaks_changes_no_answer_of_a_saved_connection(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> bool:
        raise DatabaseBusy("away")

    monkeypatch.setattr(intake, "note_delivery", fail)
    async with proof_of(account) as proof:
        body = marked(proof)
        assert await deliver(account, body, signed(body)) is Outcome.STORED


async def test_waiting_ends_soon_after_a_first_delivery_that_is_not_genuine(unsaved: Connected) -> None:
    async with proof_of(unsaved) as proof:
        body = marked(proof)
        with pytest.raises(EventRefused):
            await deliver(unsaved, body, signed(body))
        assert len(await asyncio.wait_for(proof.wait(600, then=0.05), 60)) == 1


async def test_proofs_that_nobody_closed_are_deleted_when_they_expire(unsaved: Connected) -> None:
    async with proof_of(unsaved) as proof:
        async with transaction() as tx:
            await tx.connection.execute("UPDATE delivery_proof SET closes_at = now() - interval '1 second'")
        body = marked(proof)
        assert await deliver(unsaved, body, signed(body, NEW_SECRET)) is Outcome.UNKNOWN
        async with transaction() as tx:
            await forget_proofs(tx.connection)
        assert await count("delivery_proof") == 0


async def test_bodies_without_the_telltale_are_never_looked_up(
    account: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise AssertionError("looked up")

    monkeypatch.setattr(proofs._loads, "get", fail)
    body = event_body()
    assert await deliver(account, body, signed(body)) is Outcome.STORED


async def test_a_flood_with_the_telltale_reads_proofs_one_at_a_time(
    unsaved: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads, read = [], proofs._loads._load

    async def counted(plugin_id: str, token_hash: bytes) -> object:
        reads.append(token_hash)
        await asyncio.sleep(0.01)
        return await read(plugin_id, token_hash)

    monkeypatch.setattr(proofs._loads, "_load", counted)
    body = event_body(data={"object": {"metadata": {"portal_probe": "x"}}})
    ends = await at_once(unsaved, [(body, {})] * 200)
    assert set(ends) == {Outcome.UNKNOWN}
    assert len(reads) <= 3
