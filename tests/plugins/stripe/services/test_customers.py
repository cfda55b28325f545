"""A customer who was deleted at Stripe can be sent invoices again."""

from __future__ import annotations

import pytest
import stripe as stripe_sdk

from plugins.stripe.services.publishing import run_sync_task
from tests.builders import Connected, make_invoice
from tests.plugins.stripe.services.stories import (
    invoice_row,
    process_all,
    published_invoice,
    take_in,
    task_of,
    value,
)


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
