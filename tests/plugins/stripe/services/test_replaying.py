"""Events are handled again when a person asks for it, and what that would change is shown first."""

from __future__ import annotations

import asyncio

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.webhooks import process_event
from portal.audit.services import Actor, verify
from portal.exchange.previews import Preview, preview, preview_many
from portal.exchange.replays import CannotReplay, replay, replay_many, replay_progress
from portal.webhooks.attempts import AttemptKind, read_history
from tests.builders import Connected
from tests.plugins.stripe.services.stories import (
    invoice_row,
    process_all,
    published_invoice,
    take_in,
    value,
)

TABLES = (
    *("invoice", "payment", "payment_attempt", "refund", "audit_entry", "portal_job", "object_reading"),
    *("sync_task", "stripe_link", "stripe_object", "webhook_event", "customer_link"),
)
ANN = Actor("person", "1", "Ann")


def changes_of(seen: Preview) -> dict[tuple[str, str], tuple[str, str]]:
    return {(change.what, change.field): (change.before, change.after) for change in seen.changes}


async def counts() -> dict[str, int]:
    """How many rows everything has, with the rows' own versions in it."""
    return {
        table: int(await value(f"SELECT coalesce(sum(hashtext(t::text)), 0) FROM {table} t"))  # noqa: S608 - a name of ours
        for table in TABLES
    }


async def test_a_preview_tells_what_would_change_and_changes_nothing(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    number = (await invoice_row(invoice_id))["number"]
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    events = await take_in(account, stripe, "invoice.paid", "charge.succeeded")
    before = await counts()
    seen = await preview_many(events)
    assert await counts() == before
    assert [one.error for one in seen] == ["", ""]
    changes = changes_of(seen[0])
    assert changes[f"Invoice {number}", "status"] == ("open", "paid")
    assert changes[f"Invoice {number}", "paid"] == ("$0.00", "$480.00")
    assert any(what.startswith("Payment pi_") and field == "amount" for what, field in changes)
    assert "Received $480.00" in seen[0].words
    await process_all(events)
    assert (await preview(events[0])).changes == ()


async def test_many_previews_share_a_read(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    events = await take_in(account, stripe)
    before = reads(sandbox)
    seen = await preview_many(events)
    assert reads(sandbox) - before == 1
    assert [one.event_id for one in seen] == events


async def test_a_preview_says_why_it_cannot_tell(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    _, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    (event_id,) = await take_in(account, stripe, "invoice.paid")
    sandbox.add_fault(match="GET /v1/invoices/*", status=503, times=1)
    assert (await preview(event_id)).error == "Stripe answered 503."
    assert (await preview(10**12)).error == "There is no such event."


async def test_a_parked_event_is_handled_again_and_its_history_says_by_whom(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    (event_id,) = await take_in(account, stripe, "invoice.paid")
    await value("UPDATE webhook_event SET state = 'parked', attempts = 12, error_code = 'UNEXPECTED'")
    await value("DELETE FROM portal_job")
    await asyncio.gather(*(replay(event_id, actor=ANN) for _ in range(4)))
    assert await value("SELECT attempts FROM webhook_event") == 0
    assert await value("SELECT count(*) FROM portal_job") == 1
    (entry,) = read_history(await value("SELECT history FROM webhook_event"))
    assert (entry.kind, entry.by, entry.attempt) == (AttemptKind.REPLAYED, "Ann", 12)
    assert await value("SELECT count(*) FROM audit_entry WHERE action = 'event.replayed'") == 1
    await process_event(event_id)
    assert (await invoice_row(invoice_id))["status"] == "paid"
    assert (await verify()).intact


async def test_replaying_everything_changes_nothing_that_was_right(
    account: Connected, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    events = await take_in(account, stripe)
    await process_all(events)
    before = await invoice_row(invoice_id)
    started = await replay_many([*events, 10**12], actor=ANN)
    assert (started.accepted, started.refused) == (len(events), {10**12: "There is no such event."})
    assert started.id is not None
    assert (await replay_progress(started.id)).waiting == len(events)
    await process_all(events)
    progress = await replay_progress(started.id)
    assert (progress.done, progress.parked, progress.total) == (True, 0, len(events))
    assert await invoice_row(invoice_id) == before
    assert await value("SELECT count(*) FROM audit_entry WHERE action = 'events.replayed'") == 1


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("state = 'processing', lease_until = now() + interval '1 minute'", "being handled"),
        ("state = 'rejected', error_words = 'It is of live mode.'", "no effect here: It is of live mode"),
    ],
)
async def test_what_runs_and_what_must_have_no_effect_is_left_alone(
    account: Connected, stripe: stripe_sdk.V1Services, state: str, words: str
) -> None:
    _, external_id = await published_invoice()
    stripe.invoices.pay(external_id, {"payment_method": "pm_card_visa"})
    (event_id,) = await take_in(account, stripe, "invoice.paid")
    await value(f"UPDATE webhook_event SET {state}")  # noqa: S608 - a constant of this test
    before = await counts()
    with pytest.raises(CannotReplay, match=words):
        await replay(event_id, actor=ANN)
    assert (await replay_many([event_id], actor=ANN)).id is None
    assert await counts() == before


def reads(sandbox: RunningSandbox) -> int:
    return sum(n for route, n in sandbox.calls().items() if route.startswith("GET /v1/invoices"))
