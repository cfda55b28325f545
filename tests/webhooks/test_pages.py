"""The event log: filters, words for what went wrong, and a payload that opens nothing."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from portal.contract.facts import Mode
from portal.database.transaction import transaction
from portal.security.keyrings import current_keyring
from portal.webhooks import payloads
from portal.webhooks.filters import read_filter
from portal.webhooks.kept_out import forget_rejected_bodies
from portal.webhooks.queries import count_newer, find_body
from tests.builders import Connected, connect_account, make_invoice
from tests.visitors import Visitor
from tests.webhooks.events import make_event

LINK = re.compile(r'"/webhook-events/(\d+)"')
NEWEST = datetime(2026, 11, 20, 12, tzinfo=UTC)
FAILED = {"at": "2026-11-20T12:00:01+00:00", "kind": "failed", "attempt": 1, "code": "PROVIDER_TIMEOUT"}
STORY: list[dict[str, object]] = [
    {**FAILED, "words": "Stripe did not answer in time.", "next_at": "2026-11-20T12:00:06+00:00"},
    {"at": "2026-11-20T12:00:09+00:00", "kind": "parked", "attempt": 2, "words": "Stripe refused."},
    {"at": "2026-11-20T13:00:00+00:00", "kind": "replayed", "attempt": 2, "by": "Mara Kovač"},
]


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


async def listed(visitor: Visitor, query: str = "") -> list[int]:
    """The events that the list shows, in its order."""
    answer = await visitor.get(f"/webhook-events?{query}")
    assert answer.status_code == 200
    return [int(found) for found in LINK.findall(answer.text)]


async def test_each_filter_shows_what_fits_alone(owner: Visitor, account: Connected) -> None:
    live = await connect_account(mode=Mode.LIVE)
    parked = await make_event(account, state="parked", at=NEWEST - timedelta(days=2))
    ignored = await make_event(live, state="ignored", object_id="in_2", at=NEWEST - timedelta(days=1))
    other = await make_event(account, type_="customer.created", external_id="evt_9", at=NEWEST)
    assert await listed(owner) == [other, ignored, parked]
    for query, expected in {
        "status=parked": [parked],
        "status=ignored&kind=invoice.paid": [ignored],
        "kind=customer.created": [other],
        "kind=customer.created&mode=live": [],
        "mode=live": [ignored],
        f"account={account.id}": [other, parked],
        f"account={account.id}&mode=live": [],
        "from=2026-11-19": [other, ignored],
        "from=2026-11-19&to=2026-11-19": [ignored],
        "to=2026-11-18": [parked],
        "q=in_2": [ignored],
        "q=evt_9": [other],
        "q=evt": [],
        "status=strange&from=never&account=x": [other, ignored, parked],
    }.items():
        assert await listed(owner, query) == expected, query


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
async def test_day_at_either_end_of_the_calendar_is_no_filter(owner: Visitor, day: str) -> None:
    for path in ("/webhook-events", "/webhook-events/again"):
        assert (await owner.get(f"{path}?from={day}&to={day}")).status_code == 200


async def test_number_of_an_invoice_finds_the_events_of_all_its_objects(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await make_invoice()
    async with transaction() as tx:
        await tx.connection.execute("UPDATE invoice SET external_id = 'in_7' WHERE id = $1", invoice_id)
        await tx.connection.execute(
            """
            INSERT INTO payment_attempt (invoice, account, mode, external_id, state, amount_minor, currency,
                                         occurred_at, recorded_at)
            VALUES ($1, $2, 'test', 'pi_7', 'processing', 48000, 'usd', now(), now())
            """,
            invoice_id,
            account.id,
        )
    invoice, intent = await make_event(account, object_id="in_7"), await make_event(account, object_id="pi_7")
    await make_event(account, object_id="in_8")
    assert await listed(owner, "q=inv-0001") == [intent, invoice]
    page = (await owner.get(f"/webhook-events/{intent}")).text
    assert f'href="/invoices/{invoice_id}">INV-0001' in page
    assert ">Globex Trading<" in page


async def test_pages_follow_each_other_within_the_filter(owner: Visitor, account: Connected) -> None:
    wanted = [await make_event(account, type_="a.b") for _ in range(27)][::-1]
    await make_event(account)
    first = (await owner.get("/webhook-events?kind=a.b")).text
    assert [int(found) for found in LINK.findall(first)] == wanted[:25]
    older = re.search(r'href="(/webhook-events\?kind=a\.b&amp;page_at=[^"]+)" rel="next"', first)
    assert older
    second = (await owner.get(older[1].replace("&amp;", "&"), hx_request="true")).text
    assert [int(found) for found in LINK.findall(second)] == wanted[25:]
    assert "<html" not in second
    assert "2 events on this page" in second


async def test_newer_events_are_counted_within_the_filter(owner: Visitor, account: Connected) -> None:
    shown = await make_event(account)
    for state in ("parked", "processed", "parked"):
        await make_event(account, state=state)
    assert await count_newer(read_filter({}), shown) == 3
    assert await count_newer(read_filter({"status": "parked"}), shown) == 2
    assert await count_newer(read_filter({"kind": "invoice.paid", "mode": "live"}), shown) == 0
    page = (await owner.get("/webhook-events?status=parked")).text
    assert re.search(r'hx-sse:connect="/webhook-events/newer\?status=parked&amp;after=\d+"', page)


async def test_timeline_tells_each_attempt_and_who_had_it_replayed(
    owner: Visitor, account: Connected
) -> None:
    event_id = await make_event(account, state="parked", at=NEWEST, history=STORY)
    page = (await owner.get(f"/webhook-events/{event_id}")).text
    steps = re.findall(r'class="p-timeline-title">([^<]+)<', page)
    assert steps == [
        "Handled again",
        "Attempt 2 failed, and it was given up",
        "Attempt 1 failed",
        "Received from Northwind",
    ]
    assert "Mara Kovač" in page
    assert "Next try" in page
    assert "Stripe does not know this payment." in page
    assert 'href="/help/stripe/' in page
    assert "Failed" in page


async def test_echo_of_the_portals_own_call_is_told(owner: Visitor, account: Connected) -> None:
    key = f"portal:{current_keyring().instance}:1:test:publish_invoice:1:create"
    for request, words in (({"id": "req_1", "idempotency_key": key}, "echo"), (None, "The provider itself")):
        body = json.dumps({"request": request}).encode()
        page = (await owner.get(f"/webhook-events/{await make_event(account, body=body)}")).text
        assert words in page


async def test_payload_shows_no_secret_and_personal_data_only_when_asked(
    owner: Visitor, account: Connected
) -> None:
    event_id = await make_event(account)
    assert "ap@globex.example" not in (await owner.get(f"/webhook-events/{event_id}")).text
    page = (await owner.get(f"/webhook-events/{event_id}?personal=shown")).text
    assert "ap@globex.example" in page
    for secret in ("secret_abcdef", "abcdefghijk"):
        assert secret not in page


def test_what_tells_of_a_person_is_masked_wherever_it_stands() -> None:
    canaries = {
        "name": "Canary-1",
        "receipt_email": "canary-2@example.com",
        "note": "write to canary-3@example.com",
        "billing_details": {"address": {"line1": "Canary-4", "country": "Canary-5"}, "phone": "Canary-6"},
        "payment_method_details": {"card": {"brand": "visa", "last4": "Canary-7"}},
        "metadata": {"po": "Canary-8", "canary-16@example.com": 1},
        "tax_ids": [{"type": "eu_vat", "value": "Canary-9"}],
        "hosted_invoice_url": "https://invoice.example/canary-10",
        "description": "Canary-11",
        "cancellation_details": {"comment": "Canary-12"},
        "evidence": {"id": "Canary-13"},
        "custom_fields": [{"type": "Canary-14"}],
        "sent": json.dumps({"customer": {"name": "Canary-15"}}),
    }
    body = {"type": "charge.succeeded", "data": {"object": {"id": "ch_1", "amount": 4200, **canaries}}}
    seen = payloads.readable_payload(json.dumps(body).encode(), personal=False)
    assert "anary" not in seen.text
    assert seen.masked == 16
    for kept in ('"ch_1"', "4200", '"visa"', "charge.succeeded", "eu_vat"):
        assert kept in seen.text
    assert "Canary-4" in payloads.readable_payload(json.dumps(body).encode(), personal=True).text


@pytest.mark.parametrize("body", [b'{"a":"\\ud800"}', b'{"a":' * 500 + b"1" + b"}" * 500, b"\xff", b"NaN"])
@pytest.mark.parametrize("personal", [True, False])
def test_a_hostile_body_is_shown_or_said_not_to_be(body: bytes, *, personal: bool) -> None:
    assert payloads.readable_payload(body, personal=personal).text.encode()


async def test_viewer_sees_the_event_but_neither_payload_nor_actions(
    viewer: Visitor, owner: Visitor, account: Connected
) -> None:
    event_id = await make_event(account, state="parked")
    page = await viewer.get(f"/webhook-events/{event_id}?personal=shown")
    assert page.status_code == 200
    for kept in ("ap@globex.example", "client_secret", "Try again", "Set aside"):
        assert kept not in page.text
    assert (await viewer.post(f"/webhook-events/{event_id}/set-aside")).status_code == 403


async def test_what_a_rejected_event_holds_is_not_kept(owner: Visitor, account: Connected) -> None:
    rejected, other = await make_event(account, state="rejected"), await make_event(account)
    async with transaction() as tx:
        assert await forget_rejected_bodies(tx.connection) == 1
        assert await forget_rejected_bodies(tx.connection) == 0
    assert await find_body(rejected) == b""
    assert await find_body(other)


async def test_payload_of_what_was_kept_out_is_shown_to_nobody(owner: Visitor, account: Connected) -> None:
    event_id = await make_event(account, state="rejected")
    page = (await owner.get(f"/webhook-events/{event_id}?personal=shown")).text
    assert "ap@globex.example" not in page
    assert "Stripe does not know this payment." in page


async def test_failed_events_are_counted_in_the_navigation_until_set_aside(
    owner: Visitor, account: Connected
) -> None:
    live = await connect_account(mode=Mode.LIVE)
    gone = await connect_account(mode=Mode.LIVE, external_id="acct_gone")
    assert "failed event" not in (await owner.get("/customers")).text
    event_id, _, _ = [await make_event(one, state="parked") for one in (account, live, gone)]
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE connected_account SET state = 'disconnected' WHERE id = $1", gone.id
        )
    assert "(2 failed events, 1 in test mode)" in (await owner.get("/customers")).text
    await owner.post(f"/webhook-events/{event_id}/set-aside")
    assert "(1 failed event)" in (await owner.get("/customers")).text
    assert "Set aside by Ana Duarte." in (await owner.get(f"/webhook-events/{event_id}")).text
    assert "aside" in (await owner.get("/audit-log")).text


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[" * 5, b"[" * 100_000, b"null", b'"text"', b'{"request": 7}']
)
async def test_strange_body_does_not_break_the_page(owner: Visitor, account: Connected, body: bytes) -> None:
    assert (await owner.get(f"/webhook-events/{await make_event(account, body=body)}")).status_code == 200


async def test_empty_log_says_what_will_appear(owner: Visitor, account: Connected) -> None:
    page = (await owner.get("/webhook-events")).text
    assert "No events yet" in page
    assert "Send test event" in page
    page = (await owner.get("/webhook-events?status=parked")).text
    assert "Nothing matches" in page
    assert "Clear filters" in page
    assert (await owner.get("/webhook-events/404")).status_code == 404
