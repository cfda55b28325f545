"""A connection that ends, breaks or comes back: nothing of it happens late, and nothing is lost."""

from __future__ import annotations

from collections.abc import Sequence

import stripe as stripe_sdk

from plugins.stripe.plugin import plugin
from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services import subjects
from plugins.stripe.services.publishing import run_sync_task
from portal.accounts.connections import NewConnection, save_connection
from portal.accounts.disconnections import disconnect
from portal.accounts.endpoints import pending_endpoint
from portal.accounts.rechecks import verify_account
from portal.accounts.rotations import replace_credentials
from portal.accounts.services import load_summary
from portal.audit.services import SYSTEM
from portal.contract.accounts import Account, AccountIdentity
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import transaction
from portal.sdk import Reading, StoredEvent, Subject, run_event
from portal.webhooks.processing import release_due
from tests.builders import WEBHOOK_SECRET, Connected, make_invoice
from tests.plugins.stripe.services.stories import (
    intent_of,
    invoice_row,
    process_all,
    published_invoice,
    retry_now,
    take_in,
    task_of,
    value,
)

KEYS = {
    "publishable_key": DEFAULT.publishable_key,
    "secret_key": DEFAULT.secret_key,
    "webhook_secret": WEBHOOK_SECRET,
}


def pay(stripe: stripe_sdk.V1Services, stripe_invoice: str) -> None:
    stripe.payment_intents.confirm(intent_of(stripe, stripe_invoice), {"payment_method": "pm_card_visa"})


async def reconnect(account: Connected) -> int:
    """Connect the same account again, as the form does."""
    summary = await load_summary(account.id)
    identity = AccountIdentity(summary.external_id, summary.title, Mode.TEST)
    credentials = {name: Secret(text) for name, text in KEYS.items()}
    new = NewConnection(plugin, credentials, identity, await pending_endpoint("stripe"))
    return await save_connection(new, actor=SYSTEM)


async def test_an_event_in_flight_has_no_effect_after_a_disconnect(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, stripe_invoice = await published_invoice()
    pay(stripe, stripe_invoice)
    event_id = (await take_in(account, stripe, "invoice.paid"))[0]

    async def read_slowly(held: Account, subject: Subject, events: Sequence[StoredEvent]) -> Reading:
        reading = await subjects.read(held, subject, events)
        await disconnect(account.id, plugin, actor=SYSTEM)
        return reading

    await run_event(event_id, locate=subjects.locate, read=read_slowly)
    row = await invoice_row(invoice_id)
    assert (row["status"], row["entries"]) == ("open", 0)
    told = await value("SELECT state || ': ' || outcome FROM webhook_event WHERE id = $1", event_id)
    assert told == "ignored: The account was disconnected."


async def test_an_event_whose_worker_died_ends_with_the_connection(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    _, stripe_invoice = await published_invoice()
    pay(stripe, stripe_invoice)
    event_id = (await take_in(account, stripe, "invoice.paid"))[0]
    await value(
        """
        UPDATE webhook_event SET state = 'processing', lease_until = now() + interval '1 minute'
        WHERE id = $1
        """,
        event_id,
    )
    await disconnect(account.id, plugin, actor=SYSTEM)
    await value("UPDATE webhook_event SET lease_until = now() - interval '1 second' WHERE id = $1", event_id)
    async with transaction() as tx:
        await release_due(tx.connection)
    assert await value("SELECT state FROM webhook_event WHERE id = $1", event_id) == "ignored"


async def test_a_payment_made_while_disconnected_shows_after_connecting_again(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, stripe_invoice = await published_invoice()
    await disconnect(account.id, plugin, actor=SYSTEM)
    pay(stripe, stripe_invoice)
    assert await reconnect(account) == account.id
    await run_sync_task(await task_of(invoice_id, "refresh_invoice"))
    row = await invoice_row(invoice_id)
    assert (row["status"], row["entries"]) == ("paid", 1)


async def test_what_a_disconnect_left_undone_is_done_after_connecting_again(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id = await make_invoice()
    await disconnect(account.id, plugin, actor=SYSTEM)
    assert (await invoice_row(invoice_id))["sync_state"] == "failed"
    await reconnect(account)
    await run_sync_task(await task_of(invoice_id))
    row = await invoice_row(invoice_id)
    assert row["sync_state"] == "in_step"
    assert len(stripe.invoices.list().data) == 1


async def test_work_waits_while_the_key_is_refused_and_goes_on_with_a_new_one(
    account: Connected, stripe: stripe_sdk.V1Services, sandbox: RunningSandbox
) -> None:
    invoice_id, stripe_invoice = await published_invoice()
    waiting = await make_invoice()
    pay(stripe, stripe_invoice)
    event_ids = await take_in(account, stripe)
    rights = next(k for k in sandbox.control("GET", "/keys")["data"] if k["text"] == DEFAULT.restricted_key)
    other = sandbox.control("POST", "/keys", {"permissions": rights["permissions"]})["key"]
    sandbox.control("POST", "/keys/revoke", {"key": DEFAULT.secret_key})
    for _ in range(3):
        await process_all(event_ids)
        await retry_now(await task_of(waiting))
    assert (await load_summary(account.id)).state == "broken"
    assert await value("SELECT count(*) FROM webhook_event WHERE state = 'parked'") == 0
    assert await value("SELECT count(*) FROM sync_task WHERE state = 'failed'") == 0

    await replace_credentials(account.id, plugin, {"secret_key": Secret(other)}, actor=SYSTEM)
    assert (await load_summary(account.id)).state == "ready"
    await process_all(event_ids)
    await run_sync_task(await task_of(waiting))
    assert (await invoice_row(invoice_id))["status"] == "paid"
    assert (await invoice_row(waiting))["sync_state"] == "in_step"
    sandbox.control("POST", "/keys/activate", {"key": DEFAULT.secret_key})


async def test_the_minutely_look_breaks_and_mends_a_connection(
    account: Connected, sandbox: RunningSandbox
) -> None:
    await verify_account(account.id)
    assert (await load_summary(account.id)).state == "ready"
    sandbox.control("POST", "/keys/revoke", {"key": DEFAULT.secret_key})
    await verify_account(account.id)
    broken = await load_summary(account.id)
    assert (broken.state, broken.health_reason) == (
        "broken",
        "Stripe refused this key. It may have been rolled or deleted.",
    )
    sandbox.control("POST", "/keys/activate", {"key": DEFAULT.secret_key})
    await verify_account(account.id)
    assert (await load_summary(account.id)).state == "ready"


async def test_a_provider_that_is_away_breaks_nothing(account: Connected, sandbox: RunningSandbox) -> None:
    for fault in ({"status": 500}, {"status": 429}, {"drop": "before"}):
        sandbox.control("DELETE", "/faults")
        sandbox.add_fault(match="GET /v1/**", times=None, **fault)
        await verify_account(account.id)
        assert (await load_summary(account.id)).state == "ready"
    sandbox.control("DELETE", "/faults")
