"""Customers: one change at a time, nothing overwritten, everything on record."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from portal.audit.services import SYSTEM, timeline
from portal.contract.facts import Mode
from portal.customers.details import CustomerDetail, find_customer
from portal.customers.services import CustomerProfile, create_customer, update_customer
from portal.errors import Conflict, NotFound
from tests.builders import make_organisation

GLOBEX = CustomerProfile("Globex", "ap@globex.example")
RENAMED = CustomerProfile("Globex Trading", "ap@globex.example")


async def stored(customer_id: int) -> CustomerDetail:
    return await find_customer(customer_id, today=date(2026, 11, 23), mode=Mode.TEST)


@pytest.fixture
async def customer(database: None) -> CustomerDetail:
    await make_organisation()
    return await stored(await create_customer(GLOBEX, actor=SYSTEM))


async def test_saved_change_is_shown_and_on_record(customer: CustomerDetail) -> None:
    await update_customer(customer.id, RENAMED, version=customer.updated_at, actor=SYSTEM)
    assert (await stored(customer.id)).name == "Globex Trading"
    actions = [entry.action for entry in await timeline("customer", customer.id)]
    assert actions == ["customer.edited", "customer.created"]


async def test_stale_save_is_refused_with_both_values(customer: CustomerDetail) -> None:
    await update_customer(customer.id, RENAMED, version=customer.updated_at, actor=SYSTEM)
    late = CustomerProfile("Globex AG", "")
    with pytest.raises(Conflict) as refused:
        await update_customer(customer.id, late, version=customer.updated_at, actor=SYSTEM)
    assert "Globex Trading" in refused.value.message
    assert "Globex AG" in refused.value.hint
    assert (await stored(customer.id)).name == "Globex Trading"


async def test_second_press_of_the_same_save_changes_nothing(customer: CustomerDetail) -> None:
    for _ in range(2):
        await update_customer(customer.id, RENAMED, version=customer.updated_at, actor=SYSTEM)
    assert len(await timeline("customer", customer.id)) == 2


async def test_unknown_customer_is_not_found(database: None) -> None:
    with pytest.raises(NotFound):
        await update_customer(404, GLOBEX, version=datetime.now(UTC), actor=SYSTEM)
