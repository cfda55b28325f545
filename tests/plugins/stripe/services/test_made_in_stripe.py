"""Invoices that Stripe made are taken over when they are finalised, whoever made them."""

from __future__ import annotations

from typing import Any

import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from tests.builders import Connected
from tests.plugins.stripe.services.stories import (
    invoice_row,
    process_all,
    published_invoice,
    reads_of,
    take_in,
    value,
)

ELSEWHERE = "00000000-0000-0000-0000-000000000000"


def draft(stripe: stripe_sdk.V1Services, amounts: list[int], **fields: Any) -> str:
    customer = stripe.customers.create({"name": "Globex", "email": "ap@globex.example"})
    given: Any = {"customer": customer.id, "currency": "usd", **fields}
    made = stripe.invoices.create(given)
    lines: Any = [{"description": f"Work {n}", "amount": amount} for n, amount in enumerate(amounts)]
    stripe.invoices.add_lines(made.id, {"lines": lines})
    return made.id


async def imported(external_id: str) -> dict[str, Any]:
    found = await value("SELECT id FROM invoice WHERE external_id = $1", external_id)
    assert found is not None
    return await invoice_row(int(found))


async def test_a_paid_one_becomes_an_invoice_with_its_payment(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    theirs = draft(stripe, [300, 200])
    stripe.invoices.pay(theirs, {"payment_method": "pm_card_visa"})
    with reads_of(sandbox) as reads:
        await process_all(await take_in(account, stripe))
    row = await imported(theirs)
    assert (row["origin"], row["status"], row["total_minor"], row["entries"]) == ("provider", "paid", 500, 1)
    assert await value("SELECT method FROM payment") == "Visa ending 4242"
    # One before anybody knows which intent pays it, one for the events of that.
    assert reads["GET /v1/invoices/{invoice}"] == 2
    assert reads["GET /v1/invoice_payments"] == 0
    assert await value("SELECT count(*) FROM webhook_event WHERE state NOT IN ('processed', 'ignored')") == 0


async def test_a_draft_waits_until_it_is_finalised(account: Connected, stripe: stripe_sdk.V1Services) -> None:
    theirs = draft(stripe, [500])
    await process_all(await take_in(account, stripe))
    assert await value("SELECT count(*) FROM invoice") == 0
    assert await value("SELECT outcome FROM webhook_event WHERE type = 'invoice.created'") == (
        "It is a draft in Stripe. It is taken over when it is finalised."
    )
    stripe.invoices.finalize_invoice(theirs)
    await process_all(await take_in(account, stripe))
    assert (await imported(theirs))["status"] == "open"
    stripe.invoices.void_invoice(theirs)
    await process_all(await take_in(account, stripe))
    assert (await imported(theirs))["status"] == "void"


async def test_a_deleted_draft_leaves_nothing(account: Connected, stripe: stripe_sdk.V1Services) -> None:
    stripe.invoices.delete(draft(stripe, [500]))
    await process_all(await take_in(account, stripe))
    assert await value("SELECT count(*) FROM invoice") == 0
    assert await value("SELECT outcome FROM webhook_event WHERE type = 'invoice.deleted'") == (
        "Stripe has no such object (any more)."
    )


async def test_lines_beyond_the_first_page_come_along(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    theirs = draft(stripe, [100] * 23)
    stripe.invoices.finalize_invoice(theirs)
    await process_all(await take_in(account, stripe))
    row = await imported(theirs)
    assert row["total_minor"] == 2_300
    assert await value("SELECT count(*) FROM invoice_line WHERE invoice = $1", row["id"]) == 23


async def test_a_failed_attempt_names_the_reason_and_the_next_one(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    customer = stripe.customers.create({"name": "Globex"})
    method = stripe.payment_methods.attach("pm_card_chargeCustomerFail", {"customer": customer.id})
    stripe.customers.update(customer.id, {"invoice_settings": {"default_payment_method": method.id}})
    theirs = stripe.invoices.create({"customer": customer.id, "currency": "usd", "auto_advance": True}).id
    stripe.invoices.add_lines(theirs, {"lines": [{"description": "x", "amount": 900}]})
    sandbox.advance(2 * 3600 + 60)
    sandbox.advance(3600)
    await process_all(await take_in(account, stripe))
    row = await imported(theirs)
    assert (row["status"], row["attempts"]) == ("open", 1)
    assert row["next_attempt_at"] is not None
    assert await value("SELECT state FROM payment_attempt") == "failed"


async def test_one_of_another_installation_is_quarantined_and_changes_nothing(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    ours, _ = await published_invoice()
    theirs = draft(stripe, [48_000], metadata={"portal_invoice": f"{ELSEWHERE}:{ours}"})
    stripe.invoices.pay(theirs, {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe, "invoice.paid"))
    assert (await invoice_row(ours))["status"] == "open"
    assert await value("SELECT count(*) FROM invoice") == 1
    assert "another installation" in await value("SELECT outcome FROM webhook_event")


async def test_a_copy_that_somebody_made_of_ours_in_stripe_is_an_invoice_of_its_own(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    ours, external_id = await published_invoice()
    metadata = stripe.invoices.retrieve(external_id).metadata
    assert metadata is not None
    theirs = draft(stripe, [700], metadata=dict(metadata.to_dict()))
    stripe.invoices.pay(theirs, {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe))
    assert (await invoice_row(ours))["status"] == "open"
    assert (await imported(theirs))["status"] == "paid"


async def test_one_made_for_an_invoice_that_is_gone_is_kept_apart(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    instance = await value("SELECT instance_id::text FROM organisation")
    theirs = draft(stripe, [700], metadata={"portal_invoice": f"{instance}:999999"})
    stripe.invoices.pay(theirs, {"payment_method": "pm_card_visa"})
    await process_all(await take_in(account, stripe, "invoice.paid"))
    assert await value("SELECT count(*) FROM invoice") == 0
    assert "not here (any more)" in await value("SELECT outcome FROM webhook_event")
