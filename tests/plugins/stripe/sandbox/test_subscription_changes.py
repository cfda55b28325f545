"""What changes a subscription's money: prorations, paused collection, a pause and its end."""

from __future__ import annotations

from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.objects.subscription_prorations import prorated
from plugins.stripe.sandbox.spec.shapes import object_problems
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.raw import Api
from tests.plugins.stripe.sandbox.subscribers import DAY, HOUR, Story, priced, subscribed


@pytest.fixture
def story(sandbox: RunningSandbox, client: stripe_sdk.StripeClient) -> Story:
    """A subscription whose first month, at $20, is paid."""
    return subscribed(sandbox, client)


def change(
    story: Story, price: str | None = None, quantity: int = 1, **fields: Any
) -> stripe_sdk.Subscription:
    entry: dict[str, Any] = {"id": story.item().id, "quantity": quantity}
    given: Any = {"items": [entry | ({"price": price} if price else {})], **fields}
    return story.client.v1.subscriptions.update(story.id, given)


def at_half(story: Story, **fields: Any) -> dict[str, Any]:
    """The parameters of a change in the middle of the period."""
    item = story.item()
    return {"proration_date": (item.current_period_start + item.current_period_end) // 2, **fields}


def waiting(story: Story) -> list[tuple[int, bool]]:
    """Amounts of the pending items, smallest first."""
    page = story.client.v1.invoice_items.list({"customer": story.customer, "pending": True})
    assert all(object_problems(item.to_dict(for_json=True)) == [] for item in page.data)
    return sorted((item.amount, item.proration) for item in page.data)


# ---- prorations


@pytest.mark.parametrize(
    ("amount", "part", "whole", "share"),
    [(1000, 1, 2, 500), (1, 1, 2, 1), (5, 1, 2, 3), (1000, 1, 3, 333), (2000, 2, 3, 1333), (9, 5, 4, 9)],
)
def test_a_share_is_whole_minor_units_with_a_half_rounded_up(
    amount: int, part: int, whole: int, share: int
) -> None:
    assert prorated(amount, part, whole) == share


def test_an_upgrade_credits_and_charges_the_rest_with_the_next_invoice(story: Story) -> None:
    change(story, priced(story.client, 5000), **at_half(story))
    assert waiting(story) == [(-1000, True), (2500, True)]
    assert len(story.invoices()) == 1
    story.to_end_of_period(2 * HOUR)
    invoice = story.newest()
    assert (invoice.total, invoice.status, waiting(story)) == (6500, "paid", [])
    parents = [line.parent.subscription_item_details for line in invoice.lines.data if line.parent]
    assert sorted(bool(p and p.proration) for p in parents) == [False, True, True]
    assert {p.subscription for p in parents if p} == {story.id}


def test_another_quantity_is_prorated_too_and_nothing_if_so_asked(story: Story) -> None:
    change(story, quantity=1)
    assert waiting(story) == []
    change(story, quantity=3, **at_half(story))
    assert waiting(story) == [(-1000, True), (3000, True)]
    change(story, quantity=7, **at_half(story, proration_behavior="none"))
    assert len(waiting(story)) == 2


def test_a_change_is_billed_at_once_if_asked(story: Story) -> None:
    change(story, priced(story.client, 5000), **at_half(story, proration_behavior="always_invoice"))
    invoice = story.newest()
    assert (invoice.billing_reason, invoice.total, invoice.status) == ("subscription_update", 1500, "paid")
    assert story.now().latest_invoice == invoice.id


def test_a_change_billed_at_once_may_be_left_to_its_payer(story: Story) -> None:
    dear = priced(story.client, 5000)
    more: Any = {"proration_behavior": "always_invoice", "payment_behavior": "default_incomplete"}
    change(story, dear, **at_half(story, **more))
    story.sandbox.advance(DAY)
    assert (story.newest().status, story.newest().attempt_count) == ("open", 0)


def test_prorations_wait_for_an_invoice_of_their_own_subscription(story: Story) -> None:
    given: Any = {"customer": story.customer, "items": [{"price": priced(story.client, 700)}]}
    other = Story(story.sandbox, story.client, story.customer, story.client.v1.subscriptions.create(given).id)
    change(other, quantity=3, **at_half(other))
    assert waiting(story) == [(-350, True), (1050, True)]
    by_hand = story.client.v1.invoices.create(
        {"customer": story.customer, "pending_invoice_items_behavior": "include"}
    )
    story.to_end_of_period(2 * HOUR)
    assert (by_hand.total, story.newest().total, other.newest().total) == (0, 2000, 2800)


def test_a_trial_that_is_over_is_not_ended_again(story: Story) -> None:
    story.client.v1.subscriptions.update(story.id, {"trial_end": "now"})
    assert (story.now().status, len(story.invoices())) == ("active", 1)


def test_a_refused_change_is_past_due_and_tried_again(story: Story) -> None:
    story.refuse()
    dear = priced(story.client, 5000)
    row = change(story, dear, **at_half(story, proration_behavior="always_invoice"))
    assert (row.status, story.newest().status) == ("past_due", "open")
    story.refuse(None)
    story.sandbox.advance(3 * DAY + 60)
    assert (story.now().status, story.newest().status) == ("active", "paid")


def test_a_downgrade_billed_at_once_is_credit_for_the_next_invoice(story: Story) -> None:
    change(story, priced(story.client, 500), **at_half(story, proration_behavior="always_invoice"))
    assert (story.newest().total, story.newest().status) == (-750, "paid")
    assert story.client.v1.customers.retrieve(story.customer).balance == -750
    story.to_end_of_period(2 * HOUR)
    assert (story.newest().total, story.newest().amount_due) == (500, 0)


def test_another_interval_begins_a_period_now(story: Story) -> None:
    story.sandbox.advance(10 * DAY)
    change(story, priced(story.client, 20_000, "year"))
    invoice, item = story.newest(), story.item()
    assert invoice.status == "paid"
    assert 20_000 - 2000 < invoice.total < 20_000
    assert item.current_period_end - item.current_period_start in (365 * DAY, 366 * DAY)
    assert story.now().billing_cycle_anchor == item.current_period_start


def test_a_trial_is_never_prorated(sandbox: RunningSandbox, client: stripe_sdk.StripeClient) -> None:
    story = subscribed(sandbox, client, trial_period_days=14)
    change(story, priced(client, 5000), proration_behavior="always_invoice")
    assert (waiting(story), len(story.invoices())) == ([], 1)
    sandbox.advance(14 * DAY + 2 * HOUR)
    assert story.newest().total == 5000


# ---- paused collection


@pytest.mark.parametrize(
    ("behavior", "status"),
    [("keep_as_draft", "draft"), ("mark_uncollectible", "uncollectible"), ("void", "void")],
)
def test_renewals_while_collection_is_paused_are_not_charged(
    story: Story, behavior: Any, status: str
) -> None:
    ends = story.item().current_period_end
    held: Any = {"behavior": behavior, "resumes_at": ends + DAY}
    story.client.v1.subscriptions.update(story.id, {"pause_collection": held})
    story.to_end_of_period(2 * HOUR)
    assert (story.newest().status, story.now().status) == (status, "active")
    story.sandbox.advance(DAY)
    assert story.now().pause_collection is None
    story.to_end_of_period(2 * HOUR)
    assert [invoice.status for invoice in story.invoices()] == ["paid", status, "paid"]


# ---- paused as a whole


def test_a_paused_one_is_not_renewed_and_begins_anew_when_resumed(story: Story) -> None:
    story.client.v1.subscriptions.pause(story.id, {})
    assert waiting(story) == [(-2000, True)]
    story.sandbox.advance(90 * DAY)
    assert len(story.invoices()) == 1
    resumed = story.client.v1.subscriptions.resume(story.id)
    assert (resumed.status, story.item().current_period_start) == ("active", resumed.billing_cycle_anchor)
    assert (story.newest().total, story.newest().status) == (0, "paid")
    story.to_end_of_period(2 * HOUR)
    assert (story.newest().total, story.newest().status) == (2000, "paid")


def test_without_a_card_it_stays_paused_for_23_hours(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient
) -> None:
    end: Any = {"end_behavior": {"missing_payment_method": "pause"}}
    story = subscribed(sandbox, client, card=None, trial_period_days=14, trial_settings=end)
    sandbox.advance(15 * DAY)
    waits = client.v1.subscriptions.resume(story.id)
    assert (waits.status, waits.pending_update is not None) == ("paused", True)
    assert (story.newest().status, story.newest().total) == ("open", 2000)
    sandbox.advance(24 * HOUR)
    assert (story.now().pending_update, story.newest().status) == (None, "void")
    client.v1.subscriptions.resume(story.id)
    client.v1.invoices.pay(story.newest().id, {"payment_method": "pm_card_visa"})
    assert (story.now().status, story.now().pending_update) == ("active", None)


def test_a_resumption_that_is_refused_is_past_due_or_waits(story: Story) -> None:
    bill_for: Any = {"unused_time_from": {"type": "none"}}
    for behavior, status in (
        ("resume_on_payment_success", "paused"),
        ("resume_on_payment_attempt", "past_due"),
    ):
        if story.now().status != "paused":
            story.client.v1.subscriptions.pause(story.id, {"bill_for": bill_for})
        story.refuse()
        row = story.client.v1.subscriptions.resume(story.id, {"payment_behavior": behavior})
        assert (row.status, bool(row.pending_update)) == (status, status == "paused")


def test_an_unchanged_anchor_goes_on_in_the_period_that_is_due(story: Story) -> None:
    before = story.item()
    story.client.v1.subscriptions.pause(story.id, {})
    anchor: Any = {"type": "unchanged"}
    story.client.v1.subscriptions.resume(story.id, {"billing_cycle_anchor": anchor})
    assert (story.now().status, waiting(story)) == ("active", [(-2000, True), (2000, True)])
    assert story.item().current_period_end == before.current_period_end


def test_an_ended_one_is_not_resumed_and_what_it_owes_stays_open(story: Story, api: Api) -> None:
    story.to_end_of_period()
    story.client.v1.subscriptions.cancel(story.id)
    assert api.post(f"/v1/subscriptions/{story.id}/resume", {}).status == 404
    story.sandbox.advance(40 * DAY)
    assert (story.newest().status, story.newest().auto_advance) == ("draft", False)
