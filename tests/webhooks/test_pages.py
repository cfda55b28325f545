"""The event log: filters, words for what went wrong, and a payload that opens nothing."""

from __future__ import annotations

import pytest

from portal.database.transaction import transaction
from tests.builders import Connected, connect_account, make_invoice
from tests.visitors import Visitor

BODY = b"""{"id": "evt_1", "data": {"object": {"id": "in_1", "client_secret": "pi_1_secret_abcdef",
 "note": "key sk_live_abcdefghijk", "customer_email": "ap@globex.example"}}}"""


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


async def make_event(
    account: Connected, *, state: str = "processed", type_: str = "invoice.paid", body: bytes = BODY
) -> int:
    async with transaction() as tx:
        event_id: int = await tx.connection.fetchval(
            """
            INSERT INTO webhook_event (account, mode, external_id, type, object_kind, object_id, body, state,
                                       attempts, due_at, error_code, error_words, received_at)
            VALUES ($1, 'test', gen_random_uuid()::text, $2, 'invoice', 'in_1', $3, $4,
                    12, now(), 'OBJECT_UNKNOWN', 'Stripe does not know this payment.', now()) RETURNING id
            """,
            account.id,
            type_,
            body,
            state,
        )
    return event_id


async def test_filters_show_what_fits_alone(owner: Visitor, account: Connected) -> None:
    parked = await make_event(account, state="parked")
    done = await make_event(account)
    other = await make_event(account, type_="customer.created")
    by_state = (await owner.get("/webhook-events?status=parked")).text
    assert f'"/webhook-events/{parked}"' in by_state
    assert f'"/webhook-events/{done}"' not in by_state
    by_type = (await owner.get("/webhook-events?kind=customer.created")).text
    assert f'"/webhook-events/{other}"' in by_type
    assert f'"/webhook-events/{done}"' not in by_type


async def test_failure_is_told_in_words(owner: Visitor, account: Connected) -> None:
    page = (await owner.get(f"/webhook-events/{await make_event(account, state='parked')}")).text
    assert "Stripe does not know this payment." in page
    assert "OBJECT_UNKNOWN" in page
    assert "Failed" in page


async def test_payload_is_shown_without_what_opens_something(owner: Visitor, account: Connected) -> None:
    page = (await owner.get(f"/webhook-events/{await make_event(account)}")).text
    assert "ap@globex.example" in page
    for secret in ("secret_abcdef", "abcdefghijk"):
        assert secret not in page


async def test_viewer_sees_the_event_but_not_its_payload(
    viewer: Visitor, owner: Visitor, account: Connected
) -> None:
    page = await viewer.get(f"/webhook-events/{await make_event(account)}")
    assert page.status_code == 200
    assert "ap@globex.example" not in page.text


async def test_event_leads_to_its_invoice(owner: Visitor, account: Connected) -> None:
    invoice_id = await make_invoice()
    async with transaction() as tx:
        await tx.connection.execute("UPDATE invoice SET external_id = 'in_1' WHERE id = $1", invoice_id)
    page = (await owner.get(f"/webhook-events/{await make_event(account)}")).text
    assert f'href="/invoices/{invoice_id}">INV-0001' in page


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 5, b"null", b'"text"'])
async def test_strange_body_does_not_break_the_page(owner: Visitor, account: Connected, body: bytes) -> None:
    assert (await owner.get(f"/webhook-events/{await make_event(account, body=body)}")).status_code == 200


async def test_empty_log_says_what_will_appear(owner: Visitor, account: Connected) -> None:
    assert "No events yet" in (await owner.get("/webhook-events")).text
    assert "No events match" in (await owner.get("/webhook-events?status=parked")).text
    assert (await owner.get("/webhook-events/404")).status_code == 404
