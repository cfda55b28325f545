"""A customer who was deleted at Stripe can be sent invoices again."""

from __future__ import annotations

import pytest
import stripe as stripe_sdk

from plugins.stripe.services.publishing import run_sync_task
from portal.audit.services import SYSTEM
from portal.customers.erasing import erase_customer
from portal.customers.unlinking import unlink_customer
from portal.invoices.services import void
from portal.webhooks.processing import forget_ended
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.stories import (
    invoice_row,
    process_all,
    published_invoice,
    take_in,
    task_of,
    value,
)

PERSONAL = ("ap@globex", "Globex Trading", "4242", "4444")


@pytest.mark.parametrize("told", [True, False], ids=["the event came", "the event never came"])
async def test_a_customer_deleted_at_stripe_is_made_anew_for_the_next_invoice(
    account: Connected, stripe: stripe_sdk.V1Services, *, told: bool
) -> None:
    first, external_id = await published_invoice()
    old = str(stripe.invoices.retrieve(external_id).customer)
    stripe.customers.delete(old)
    if told:
        await process_all(await take_in(account, stripe))
    second = await make_invoice()
    await value(
        "UPDATE invoice SET customer = (SELECT customer FROM invoice WHERE id = $1) WHERE id = $2",
        first,
        second,
    )
    await run_sync_task(await task_of(second))
    row = await invoice_row(second)
    assert row["sync_state"] == "in_step", row["sync_error"]
    assert str(stripe.invoices.retrieve(row["external_id"]).customer) != old
    await process_all(await take_in(account, stripe))
    living = "SELECT count(*) FROM customer_link WHERE NOT deleted AND customer IS NOT NULL"
    assert await value(living) == 1
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0


async def test_a_customer_who_was_unlinked_gets_another_at_stripe_and_the_old_one_stays_apart(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    first, external_id = await published_invoice()
    old, customer_id = await _unlinked_after_void(stripe, first, external_id)
    second = await make_invoice()
    await value("UPDATE invoice SET customer = $2 WHERE id = $1", second, customer_id)
    await run_sync_task(await task_of(second))
    row = await invoice_row(second)
    assert row["sync_state"] == "in_step", row["sync_error"]
    new = str(stripe.invoices.retrieve(row["external_id"]).customer)
    assert new != old
    stripe.customers.update(old, {"name": "Somebody else"})
    await process_all(await take_in(account, stripe))
    owner = "SELECT customer FROM customer_link WHERE external_id = $1"
    assert (await value(owner, old), await value(owner, new)) == (None, customer_id)
    assert await value("SELECT name FROM customer WHERE id = $1", customer_id) == "Globex Trading"


async def test_erasing_reaches_what_is_kept_of_invoices_from_before_unlinking(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    first, external_id = await published_invoice()
    _, customer_id = await _unlinked_after_void(stripe, first, external_id)
    await erase_customer(customer_id, actor=SYSTEM)
    stripe.invoices.update(external_id, {"metadata": {"note": "Globex"}})
    before = await value("SELECT read_at FROM stripe_object WHERE external_id = $1", external_id)
    await process_all(await take_in(account, stripe))
    assert await value("SELECT read_at FROM stripe_object WHERE external_id = $1", external_id) > before
    kept = await value("SELECT last_read::text FROM stripe_object WHERE external_id = $1", external_id)
    assert not [word for word in PERSONAL if word in kept]


async def _unlinked_after_void(
    stripe: stripe_sdk.V1Services, invoice_id: int, external_id: str
) -> tuple[str, int]:
    """Stripe's customer of a published invoice, and ours: the invoice is void, and the two are unlinked."""
    old = str(stripe.invoices.retrieve(external_id).customer)
    await void(invoice_id, actor=SYSTEM)
    await run_sync_task(await task_of(invoice_id, "void_invoice"))
    customer_id = int(await value("SELECT customer FROM invoice WHERE id = $1", invoice_id))
    link_id = int(await value("SELECT id FROM customer_link WHERE external_id = $1", old))
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    return old, customer_id


async def test_a_second_customer_with_the_metadata_of_ours_is_noted_and_takes_nothing(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id = await published_invoice()
    ours = stripe.customers.retrieve(str(stripe.invoices.retrieve(external_id).customer))
    assert ours.metadata is not None
    key = str(ours.metadata["portal_customer"])
    copy = stripe.customers.create({"name": "Copy", "metadata": {"portal_customer": key}})
    await process_all(await take_in(account, stripe))
    assert await value("SELECT customer FROM customer_link WHERE external_id = $1", copy.id) is None
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0


async def test_erased_personal_data_are_kept_nowhere_and_do_not_come_back(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    there = str(stripe.invoices.retrieve(external_id).customer)
    stripe.payment_methods.attach("pm_card_visa", {"customer": there})
    await process_all(await take_in(account, stripe))
    assert "ap@globex" in await _kept_of_objects()
    assert await value("SELECT count(*) FROM payment_method") == 1
    customer_id = await value("SELECT customer FROM invoice WHERE id = $1", invoice_id)
    await erase_customer(customer_id, actor=SYSTEM)
    bodies = await value("SELECT string_agg(encode(body, 'escape'), ' ') FROM webhook_event")
    for kept in (await _kept_of_objects(), bodies):
        assert there in kept
        assert not [word for word in PERSONAL if word in kept]
    await _hear_more(account, stripe, there, external_id)
    assert not [word for word in (*PERSONAL, "Renamed") if word in await _kept_of_objects()]
    assert await value("SELECT count(*) FROM payment_method") == 0
    assert await value("SELECT name || email FROM customer_link WHERE external_id = $1", there) == ""
    assert await value("SELECT name || email FROM customer WHERE id = $1", customer_id) == "Globex Trading"
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0


async def _hear_more(
    account: Connected, stripe: stripe_sdk.V1Services, there: str, stripe_invoice: str
) -> None:
    """Everything of the customer is read again: by new events, and by the old ones once more."""
    stripe.customers.update(there, {"name": "Renamed", "email": "renamed@globex.example"})
    stripe.payment_methods.attach("pm_card_mastercard", {"customer": there})
    stripe.invoices.update(stripe_invoice, {"metadata": {"note": "Globex"}})
    await process_all(await take_in(account, stripe))
    again = "UPDATE webhook_event SET state = 'received', attempts = 0, due_at = now()"
    await value(f"{again} WHERE state = 'processed' RETURNING id")
    old = await value("SELECT array_agg(id) FROM webhook_event WHERE state = 'received'")
    forget_ended()
    await process_all(old)


async def _kept_of_objects() -> str:
    return str(await value("SELECT string_agg(last_read::text, ' ') FROM stripe_object"))
