"""What is let in, and that nothing accepted is lost or stored twice."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest
import stripe as stripe_sdk

from portal.contract.errors import EventRefused
from portal.contract.facts import Mode
from portal.contract.loading import plugin_by_id
from portal.database.transaction import transaction
from portal.webhooks.intake import Outcome, forget_connections, receive
from tests.builders import KEYS, WEBHOOK_SECRET, Connected, connect_account


def event(event_id: str = "evt_1", **changes: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "object": "event",
        "type": "invoice.paid",
        "api_version": "2026-10-28.endive",
        "livemode": False,
        "data": {"object": {"id": "in_1", "object": "invoice"}},
    } | changes


def signed(body: bytes, secret: str = WEBHOOK_SECRET, *, ahead: int = 0) -> dict[str, str]:
    stamp = int(time.time()) + ahead
    return {
        "stripe-signature": stripe_sdk.WebhookSignature.generate_signature_header(
            body.decode("utf-8", "surrogateescape"), secret, stamp
        )
    }


async def deliver(account: Connected, body: bytes, headers: dict[str, str] | None = None) -> Outcome:
    forget_connections()
    plugin = plugin_by_id("stripe")
    assert plugin is not None
    return await receive(plugin, account.token, body, signed(body) if headers is None else headers)


async def stored() -> list[tuple[str, str, bytes]]:
    async with transaction() as tx:
        rows = await tx.connection.fetch("SELECT external_id, state, body FROM webhook_event ORDER BY id")
    return [(row["external_id"], row["state"], bytes(row["body"])) for row in rows]


async def test_a_genuine_event_is_stored_byte_for_byte_and_rings_once(database: None) -> None:
    account = await connect_account()
    body = json.dumps(event(), indent=3).encode()
    assert await deliver(account, body) is Outcome.STORED
    assert await stored() == [("evt_1", "received", body)]
    async with transaction() as tx:
        jobs = await tx.connection.fetch("SELECT actor_name, args FROM portal_job")
        event_id = await tx.connection.fetchval("SELECT id FROM webhook_event")
    assert [(row["actor_name"], json.loads(row["args"])) for row in jobs] == [
        ("stripe.process_event", [event_id])
    ]


async def test_a_second_delivery_changes_nothing(database: None) -> None:
    account = await connect_account()
    body = json.dumps(event()).encode()
    outcomes = await asyncio.gather(*(deliver(account, body) for _ in range(20)))
    assert sorted(outcomes).count(Outcome.STORED) == 1
    assert len(await stored()) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"stripe-signature": ""},
        {"stripe-signature": "t=,v1="},
        {"stripe-signature": "t=abc,v1=00"},
        {"stripe-signature": "v1=00"},
        {"stripe-signature": f"t={int(time.time())},v1=00"},
        {"stripe-signature": f"t={int(time.time())},v1=\u00e9\u00e9"},
        {"stripe-signature": f"t={int(time.time())},v0=00"},
        {"stripe-signature": "t=" + "9" * 400 + ",v1=00"},
    ],
)
async def test_an_unsigned_delivery_is_refused(database: None, headers: dict[str, str]) -> None:
    account = await connect_account()
    with pytest.raises(EventRefused):
        await deliver(account, json.dumps(event()).encode(), headers)
    assert await stored() == []


@pytest.mark.parametrize("ahead", [-3600, -301, 302, 3600, 86_400 * 3650])
async def test_a_signature_of_another_time_is_refused(database: None, ahead: int) -> None:
    account = await connect_account()
    body = json.dumps(event()).encode()
    with pytest.raises(EventRefused, match="5 minutes"):
        await deliver(account, body, signed(body, ahead=ahead))


@pytest.mark.parametrize("secret", ["", " ", "\0", "whsec_of_somebody_else", WEBHOOK_SECRET + "\n"])
async def test_another_secret_is_refused(database: None, secret: str) -> None:
    account = await connect_account()
    body = json.dumps(event()).encode()
    stamp = int(time.time())
    header = stripe_sdk.WebhookSignature.generate_signature_header(body.decode(), secret or " ", stamp)
    with pytest.raises(EventRefused):
        await deliver(account, body, {"stripe-signature": header})


@pytest.mark.parametrize("secret", ["", " ", "\t\n"])
async def test_a_connection_without_signing_secret_is_closed(database: None, secret: str) -> None:
    account = await connect_account(keys={**KEYS, "webhook_secret": secret})
    body = json.dumps(event()).encode()
    with pytest.raises(EventRefused):
        await deliver(account, body, signed(body, secret or " "))
    assert await stored() == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"NaN",
        b"{}",
        b'{"object": "event"}',
        b"[" * 100_000,
        b'{"id": "evt_1", "object": "v2.core.event", "type": "v1.invoice.paid"}',
        json.dumps(event("x" * 300)).encode(),
        json.dumps(event("evt\u0000")).encode(),
        json.dumps(event(data={"object": []})).encode(),
        json.dumps(event(data=None)).encode(),
        json.dumps(event(type=7)).encode(),
    ],
)
async def test_a_signed_body_that_is_no_event_is_refused(database: None, body: bytes) -> None:
    account = await connect_account()
    with pytest.raises(EventRefused):
        await deliver(account, body)
    assert await stored() == []


async def test_a_body_that_is_no_text_is_refused(database: None) -> None:
    account = await connect_account()
    with pytest.raises(EventRefused):
        await deliver(account, b"\xff\xfe{}", {"stripe-signature": f"t={int(time.time())},v1=00"})


@pytest.mark.parametrize("flipped", [0, 10, -1])
async def test_one_changed_byte_is_refused(database: None, flipped: int) -> None:
    account = await connect_account()
    body = bytearray(json.dumps(event()).encode())
    headers = signed(bytes(body))
    body[flipped] ^= 1
    with pytest.raises(EventRefused):
        await deliver(account, bytes(body), headers)


@pytest.mark.parametrize(("mode", "livemode"), [(Mode.TEST, True), (Mode.LIVE, False)])
async def test_an_event_of_the_other_mode_is_kept_without_effect(
    database: None, mode: Mode, *, livemode: bool
) -> None:
    account = await connect_account(mode=mode)
    body = json.dumps(event(livemode=livemode)).encode()
    assert await deliver(account, body) is Outcome.QUARANTINED
    assert [state for _, state, _ in await stored()] == ["rejected"]
    async with transaction() as tx:
        assert await tx.connection.fetchval("SELECT count(*) FROM portal_job") == 0


async def test_an_event_of_another_account_is_kept_without_effect(database: None) -> None:
    account = await connect_account(external_id="acct_ours")
    body = json.dumps(event(account="acct_other")).encode()
    assert await deliver(account, body) is Outcome.QUARANTINED


async def test_an_unknown_address_is_unknown_whatever_is_signed(database: None) -> None:
    await connect_account()
    stranger = Connected(99, Mode.TEST, "not-a-token")
    assert await deliver(stranger, json.dumps(event()).encode()) is Outcome.UNKNOWN


async def test_disconnecting_closes_the_address_even_for_a_process_that_remembers(database: None) -> None:
    account = await connect_account()
    await deliver(account, json.dumps(event("evt_before")).encode())
    async with transaction() as tx:
        await tx.connection.execute("UPDATE connected_account SET state = 'disconnected'")
    plugin = plugin_by_id("stripe")
    assert plugin is not None
    body = json.dumps(event("evt_after")).encode()
    assert await receive(plugin, account.token, body, signed(body)) is Outcome.UNKNOWN
    assert [found for found, _, _ in await stored()] == ["evt_before"]


@pytest.mark.parametrize("lie", [" t={now},t={old}", "t={old},t={now}", "t={now},t={old}"])
async def test_a_second_time_in_the_header_makes_an_old_delivery_no_fresher(database: None, lie: str) -> None:
    account = await connect_account()
    body = json.dumps(event()).encode()
    now = int(time.time())
    header = signed(body, ahead=-3600)["stripe-signature"]
    mark = header.partition(",")[2]
    with pytest.raises(EventRefused):
        await deliver(
            account, body, {"stripe-signature": f"{lie.format(now=now, old=header[2:].split(',')[0])},{mark}"}
        )
    assert await stored() == []


async def test_every_refusal_says_why_in_a_word(database: None) -> None:
    account = await connect_account()
    body, junk = json.dumps(event()).encode(), b"{}"
    for given, headers, reason in (
        (body, {}, "unsigned"),
        (body, {"stripe-signature": f"t={int(time.time())},v0=00"}, "unsigned"),
        (body, signed(body, "whsec_of_somebody_else"), "signature"),
        (body, signed(body, "whsec_of_somebody_else", ahead=900), "signature"),
        (body, signed(body, ahead=900), "clock"),
        (junk, signed(junk), "body"),
    ):
        with pytest.raises(EventRefused) as refused:
            await deliver(account, given, headers)
        assert refused.value.reason == reason
