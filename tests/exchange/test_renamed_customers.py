"""A customer who is called differently on both sides: who changed it is right; if both did, a person says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal.contract.facts import Mode
from tests.builders import Connected, connect_account, make_customer
from tests.exchange import facts as make
from tests.exchange.facts import apply, rows


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


CHANGES = [
    ("Initech", "Initech", "in step"),
    ("Initech", "Initech Ltd", "taken over"),
    ("Initech here", "Initech", "on its way"),
    ("Initech here", "Initech here", "in step"),
    ("Initech here", "Initech there", "conflict"),
]
"""Our name and the provider's, of a customer on whom both sides agreed as Initech."""


@pytest.mark.parametrize(("ours", "theirs", "what"), CHANGES)
async def test_a_customer_that_was_renamed(account: Connected, ours: str, theirs: str, what: str) -> None:
    customer_id = await make_customer("Initech", "ap@initech.example")
    await apply(account, make.customer(customer_id=customer_id))
    await rows("UPDATE customer SET name = $1", ours)
    for _ in range(2):
        await apply(account, make.customer(theirs))
    agreed, name = (
        await rows("SELECT l.name, c.name FROM customer_link l JOIN customer c ON c.id = l.customer")
    )[0]
    differences = await rows("SELECT field, ours, theirs, kind, trusted FROM sync_difference")
    edits = await rows("SELECT details->>'name' FROM audit_entry WHERE action = 'customer.edited'")
    assert name == ("Initech Ltd" if what == "taken over" else ours)
    assert agreed == (theirs if what in ("in step", "taken over") else "Initech")
    assert differences == ([("name", ours, theirs, "conflict", "person")] if what == "conflict" else [])
    assert edits == ([("Initech Ltd",)] if what == "taken over" else [])


async def test_a_conflict_ends_when_both_sides_agree(account: Connected) -> None:
    customer_id = await make_customer("Initech", "ap@initech.example")
    await apply(account, make.customer(customer_id=customer_id))
    await rows("UPDATE customer SET name = 'Initech here'")
    await apply(account, make.customer("Initech there"))
    await apply(account, make.customer("Initech here"))
    assert await rows("SELECT state FROM sync_difference") == [("gone",)]


async def test_what_is_changed_in_test_mode_does_not_reach_a_live_customer(account: Connected) -> None:
    live = await connect_account(mode=Mode.LIVE)
    customer_id = await make_customer("Initech", "ap@initech.example")
    for one in (account, live):
        await apply(one, make.customer(customer_id=customer_id))
    await apply(account, make.customer("Trial and error"))
    assert await rows("SELECT name FROM customer") == [("Initech",)]
    await apply(live, make.customer("Initech Ltd"))
    assert await rows("SELECT name FROM customer") == [("Initech Ltd",)]
    assert await rows("SELECT account, kind FROM sync_task") == [(account.id, "push_customer")]


async def test_a_customer_that_was_deleted_there_stays_here(account: Connected) -> None:
    customer_id = await make_customer("Initech", "ap@initech.example")
    await apply(account, make.customer(customer_id=customer_id))
    gone = replace(make.customer(""), email=None, deleted=True)
    assert await apply(account, gone) == "The customer was deleted at the provider."
    assert await apply(account, gone) == ""
    assert await rows("SELECT name, email FROM customer") == [("Initech", "ap@initech.example")]
    assert await rows("SELECT customer, name, deleted FROM customer_link") == [(customer_id, "Initech", True)]
