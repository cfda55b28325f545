"""Personal data go and do not come back; what the law keeps stays; nothing goes while money is under way."""

from __future__ import annotations

import asyncio
import json
from contextvars import Context

import pytest

from portal.audit.services import SYSTEM
from portal.contract.facts import PaymentMethodSeen
from portal.customers.erasing import NAMELESS, erase_customer, preview_erasure
from portal.customers.pushes import customer_changes
from portal.database.transaction import transaction
from portal.errors import Conflict
from tests.builders import Connected, connect_account, make_customer
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, ledger, payment, rows, somebody_waits, standing
from tests.webhooks.events import make_event

MAIL = "ap@initech.example"
VISA = PaymentMethodSeen("pm_1", "cus_1", "card", "Visa ending 4242", 12, 2030, "", AT)
TOLD = json.dumps(
    {"id": "evt_1", "data": {"object": {"id": "in_1", "customer_email": MAIL, "total": 12_000}}}
)


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


@pytest.fixture
async def paid(account: Connected) -> int:
    """A customer of the provider's, with a paid invoice, a saved method, a message, an event; the id."""
    await apply(account, make.invoice(status="paid"), payment())
    await apply(account, VISA)
    await apply(account, make.customer())
    await make_event(account, body=TOLD.encode())
    customer_id, invoice_id = (await rows("SELECT customer, id FROM invoice"))[0]
    await rows("UPDATE customer SET address = '1 Main St', tax_id = 'DE1' RETURNING id")
    await rows(
        """
        INSERT INTO mail_message (key, kind, subject_kind, subject_id, to_address, title, sealed_body, state,
                                  due_at, created_at)
        SELECT 'key:' || state, 'reminder', 'invoice', $1, $2, 'Reminder', 'sealed', state, now(), now()
        FROM unnest(ARRAY['waiting', 'sent']) AS state RETURNING id
        """,
        invoice_id,
        MAIL,
    )
    return int(customer_id)


EMPTIED = {
    "SELECT email FROM customer": [("",)],
    "SELECT name, email, sent_name, sent_email FROM customer_link": [("", "", None, None)],
    "SELECT words FROM payment_method": [],
    "SELECT to_address, sealed_body, state FROM mail_message ORDER BY id": [
        ("", "", "dropped"),
        ("", "", "sent"),
    ],
    "SELECT ours, theirs FROM sync_difference": [("", "")],
}
KEPT = {
    "SELECT name, address, tax_id FROM customer": [("Initech", "1 Main St", "DE1")],
    "SELECT number, total_minor, status FROM invoice": [("ABCD-0001", 12_000, "paid")],
    "SELECT external_id, customer IS NOT NULL FROM customer_link": [("cus_1", True)],
}


async def test_the_rest_goes_and_issued_invoices_stay_as_printed(account: Connected, paid: int) -> None:
    await rows("UPDATE customer SET email = 'us@initech.example' RETURNING id")
    await apply(account, make.customer(email="them@initech.example"))
    assert len(await rows("SELECT FROM sync_difference WHERE state = 'open'")) == 1
    for _ in range(2):
        await erase_customer(paid, actor=SYSTEM)
    for question, answer in (EMPTIED | KEPT).items():
        assert await rows(question) == answer, question
    assert await ledger() == [("payment", "pi_1", 12_000)]
    body = json.loads((await rows("SELECT body FROM webhook_event"))[0][0])
    assert body["data"]["object"] == {"id": "in_1", "customer_email": None, "total": 12_000}
    assert len(await rows("SELECT FROM audit_entry WHERE action = 'customer.erased'")) == 1


async def test_nothing_that_the_provider_says_later_brings_it_back(account: Connected, paid: int) -> None:
    await erase_customer(paid, actor=SYSTEM)
    before = await rows("SELECT name, email, address, tax_id FROM customer")
    assert await apply(account, make.customer("Initech Ltd")) == ""
    assert await apply(account, VISA) == ""
    await apply(account, make.invoice(2, customer_name="Initech Ltd"))
    assert await rows("SELECT name, email, address, tax_id FROM customer") == before
    assert await rows("SELECT name, email FROM customer_link") == [("", "")]
    assert await rows("SELECT words FROM payment_method") == []
    assert await customer_changes(account.id, paid) is None


async def test_who_never_had_an_invoice_keeps_nothing_of_the_profile(account: Connected) -> None:
    customer_id = await make_customer("Initech", MAIL)
    await rows("UPDATE customer SET address = '1 Main St', tax_id = 'DE1' RETURNING id")
    await erase_customer(customer_id, actor=SYSTEM)
    assert await rows("SELECT name, email, address, tax_id FROM customer") == [(NAMELESS, "", "", "")]


async def test_the_log_from_now_on_does_not_hold_what_was_typed(account: Connected, paid: int) -> None:
    written = str(await rows("SELECT words, details FROM audit_entry WHERE object_kind = 'customer'"))
    assert "Initech" not in written
    assert MAIL not in written


IN_THE_WAY = [
    ("UPDATE invoice SET status = 'processing'", "under way"),
    (
        """
        INSERT INTO refund (invoice, account, mode, payment_external_id, amount_minor, currency, status,
                            created_at, changed_at)
        SELECT id, account, mode, 'pi_1', 100, currency, 'pending', now(), now() FROM invoice
        """,
        "under way",
    ),
    (
        """
        INSERT INTO subscription (account, mode, external_id, customer, customer_external_id,
                                  plan_external_id, status, currency, interval, started_at, seen_at)
        SELECT account, mode, 'sub_1', customer, 'cus_1', 'price_1', 'past_due', 'usd', 'month', now(),
               now()
        FROM invoice
        """,
        "running",
    ),
    (
        """
        INSERT INTO invoice (customer, mode, currency, created_at)
        SELECT customer, mode, currency, now() FROM invoice
        """,
        "draft",
    ),
    ("UPDATE webhook_event SET state = 'received'", "still to be handled"),
    (
        """
        UPDATE customer c SET merged_into = m.id FROM (SELECT max(id) AS id FROM customer) m
        WHERE c.id < m.id
        """,
        "merged",
    ),
]


@pytest.mark.parametrize(("first", "why"), IN_THE_WAY)
async def test_what_is_under_way_comes_first(account: Connected, paid: int, first: str, why: str) -> None:
    await make_customer("Other", "")
    await rows(f"{first} RETURNING 1")
    assert why in (await preview_erasure(paid)).obstacle
    with pytest.raises(Conflict, match=why):
        await erase_customer(paid, actor=SYSTEM)
    assert await rows("SELECT email FROM customer WHERE id = $1", paid) == [(MAIL,)]


async def test_payment_that_arrives_during_the_erasure_is_kept(account: Connected) -> None:
    await apply(account, make.invoice())
    customer_id = int((await rows("SELECT id FROM customer"))[0][0])
    async with transaction() as tx:
        await tx.connection.execute("SELECT FROM invoice FOR UPDATE")
        tasks = [
            asyncio.create_task(erase_customer(customer_id, actor=SYSTEM), context=Context()),
            asyncio.create_task(apply(account, make.invoice(status="paid"), payment()), context=Context()),
        ]
        await somebody_waits(tx.connection)
    await asyncio.gather(*tasks)
    assert await standing() == ("paid", 12_000, 0)
    assert await rows("SELECT email, erased_at IS NOT NULL FROM customer") == [("", True)]
