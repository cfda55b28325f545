"""Time bills subscriptions: trials end, periods follow each other, payments fail and are tried again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.objects.billing_periods import period_end
from plugins.stripe.sandbox.testing import RunningSandbox
from tests.plugins.stripe.sandbox.builders import make_customer
from tests.plugins.stripe.sandbox.subscribers import DAY, HOUR, MONTH, Story, priced, subscribed


@pytest.fixture
def story(sandbox: RunningSandbox, client: stripe_sdk.StripeClient) -> Story:
    """A subscription whose first month is paid."""
    return subscribed(sandbox, client)


def trial(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient, *, card: str | None, after: str = ""
) -> Story:
    settings: Any = {"trial_settings": {"end_behavior": {"missing_payment_method": after}}} if after else {}
    return subscribed(sandbox, client, card=card, trial_period_days=14, **settings)


@pytest.mark.parametrize(
    ("anchor", "start", "end"),
    [
        ("2027-01-31", "2027-01-31", "2027-02-28"),
        ("2027-01-31", "2027-02-28", "2027-03-31"),
        ("2028-01-31", "2028-01-31", "2028-02-29"),
        ("2027-12-15", "2027-12-15", "2028-01-15"),
        ("2027-03-10", "2027-03-01", "2027-03-10"),
    ],
)
def test_a_month_ends_on_the_day_it_is_anchored_to(anchor: str, start: str, end: str) -> None:
    days = [int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) for day in (anchor, start, end)]
    assert period_end(days[0], days[1], {"interval": "month", "interval_count": 1}) == days[2]


# ---- trials


def test_a_trial_ends_in_a_first_paid_period(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient
) -> None:
    story = trial(sandbox, client, card="pm_card_visa")
    ends = story.now().trial_end
    assert story.item().current_period_end == ends
    sandbox.advance(11 * DAY + 60)
    assert story.events()[-1] == "customer.subscription.trial_will_end"
    sandbox.advance(3 * DAY)
    assert (story.now().status, story.newest().status, story.item().current_period_start) == (
        "active",
        "draft",
        ends,
    )
    sandbox.advance(HOUR)
    invoice = story.newest()
    assert (invoice.status, invoice.total, invoice.billing_reason) == ("paid", 2000, "subscription_cycle")


def test_a_short_trial_is_told_of_at_once(sandbox: RunningSandbox, client: stripe_sdk.StripeClient) -> None:
    story = subscribed(sandbox, client, trial_period_days=2)
    sandbox.advance(1)
    assert story.events()[-1] == "customer.subscription.trial_will_end"
    assert story.now().status == "trialing"


@pytest.mark.parametrize(("after", "status"), [("", "past_due"), ("pause", "paused"), ("cancel", "canceled")])
def test_a_trial_without_a_method_ends_as_its_settings_say(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient, after: str, status: str
) -> None:
    story = trial(sandbox, client, card=None, after=after)
    sandbox.advance(14 * DAY + 2 * HOUR)
    row = story.now()
    assert row.status == status
    if after == "pause":
        assert row.status_details is not None
        assert row.status_details.paused.subscription.type == "trial_end_without_payment_method"
    assert len(story.invoices()) == (2 if after == "" else 1)


def test_a_trial_is_ended_by_hand(sandbox: RunningSandbox, client: stripe_sdk.StripeClient) -> None:
    story = trial(sandbox, client, card="pm_card_visa")
    assert client.v1.subscriptions.update(story.id, {"trial_end": "now"}).status == "active"
    sandbox.advance(HOUR + 5)
    assert (story.newest().status, story.newest().total) == ("paid", 2000)


# ---- renewals


def test_a_renewal_is_drafted_opened_after_an_hour_and_charged(story: Story) -> None:
    before = story.item()
    story.to_end_of_period()
    draft = story.newest()
    assert (draft.status, draft.billing_reason, draft.automatically_finalizes_at) == (
        "draft",
        "subscription_cycle",
        before.current_period_end + HOUR,
    )
    assert (draft.period_start, draft.period_end) == (before.current_period_start, before.current_period_end)
    assert story.item().current_period_start == before.current_period_end
    story.sandbox.advance(HOUR)
    assert (story.newest().status, story.newest().amount_paid) == ("paid", 2000)
    assert story.events(before.current_period_end) == [
        "invoice.created",
        "customer.subscription.updated",
        "invoice.finalized",
        "invoice.updated",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.updated",
    ]
    (change,) = story.client.v1.events.list({"type": "customer.subscription.updated", "limit": 1}).data
    assert change.data.previous_attributes is not None
    assert set(change.data.previous_attributes.to_dict()) == {"items", "latest_invoice"}


def test_a_year_at_once_bills_each_month_in_order(story: Story) -> None:
    story.sandbox.advance(366 * DAY)
    paid = story.invoices()
    assert len(paid) == 13
    assert {(i.status, i.total) for i in paid} == {("paid", 2000)}
    starts = [invoice.lines.data[0].period.start for invoice in paid]
    ends = [invoice.lines.data[0].period.end for invoice in paid]
    assert starts[1:] == ends[:-1]
    assert [i.created for i in paid[1:]] == starts[1:]


def test_a_test_clock_renews_its_own_customers_alone(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient, story: Story
) -> None:
    frozen = int(datetime(2027, 1, 31, tzinfo=UTC).timestamp())
    clock = client.v1.test_helpers.test_clocks.create({"frozen_time": frozen}).id
    customer = client.v1.customers.create({"test_clock": clock}).id
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    made = client.v1.subscriptions.create(
        {"customer": customer, "items": [{"price": priced(client)}], "default_payment_method": method}
    )
    client.v1.test_helpers.test_clocks.advance(clock, {"frozen_time": frozen + 60 * DAY})
    rows = client.v1.invoices.list({"customer": customer}).data
    days = [datetime.fromtimestamp(row.created, UTC).strftime("%d %b") for row in reversed(rows)]
    assert (days, {row.status for row in rows}) == (["31 Jan", "28 Feb", "31 Mar"], {"paid"})
    (on_clock,) = client.v1.subscriptions.list({"test_clock": clock}).data
    assert (on_clock.id, on_clock.status) == (made.id, "active")
    assert len(story.invoices()) == 1
    client.v1.test_helpers.test_clocks.delete(clock)
    assert client.v1.subscriptions.retrieve(made.id).status == "canceled"


def test_a_sent_renewal_is_sent_and_past_due_after_its_day(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient
) -> None:
    story = subscribed(sandbox, client, collection_method="send_invoice", days_until_due=5)
    client.v1.invoices.pay(str(story.now().latest_invoice), {"paid_out_of_band": True})
    story.to_end_of_period(2 * HOUR)
    assert (story.newest().status, "invoice.sent" in story.events()) == ("open", True)
    sandbox.advance(5 * DAY)
    assert story.now().status == "past_due"
    client.v1.invoices.pay(story.newest().id, {"paid_out_of_band": True})
    assert story.now().status == "active"


# ---- failed renewals


def test_a_refused_renewal_is_tried_four_times_and_then_ends_it(story: Story) -> None:
    story.refuse()
    story.to_end_of_period(HOUR + 60)
    for number, wait in enumerate((3, 5, 7), 1):
        invoice = story.newest()
        assert (story.now().status, invoice.attempt_count) == ("past_due", number)
        assert invoice.next_payment_attempt is not None
        last = story.client.v1.events.list({"type": "invoice.payment_failed", "limit": 1}).data[0]
        assert invoice.next_payment_attempt - last.created == wait * DAY
        story.sandbox.advance(wait * DAY)
    row, invoice = story.now(), story.newest()
    assert (row.status, invoice.status, invoice.attempt_count) == ("canceled", "open", 4)
    assert invoice.next_payment_attempt is None
    assert row.cancellation_details is not None
    assert row.cancellation_details.reason == "payment_failed"
    assert story.events()[-2:] == ["customer.subscription.deleted", "invoice.updated"]


@pytest.mark.parametrize("wanted", ["unpaid", "past_due"])
def test_the_account_may_keep_it_instead(story: Story, wanted: str) -> None:
    story.sandbox.control("POST", "/billing", {"after_retries": wanted})
    story.refuse()
    story.to_end_of_period(HOUR + 60)
    story.sandbox.advance(15 * DAY + 60)
    assert story.now().status == wanted
    owed = story.newest()
    story.to_end_of_period(3 * HOUR)
    assert story.newest().status == ("draft" if wanted == "unpaid" else "open")
    story.refuse(None)
    story.client.v1.invoices.pay(owed.id)
    assert story.now().status == ("active" if wanted == "unpaid" else "past_due")


def test_a_retry_that_succeeds_brings_it_back(story: Story) -> None:
    story.refuse()
    story.to_end_of_period(HOUR + 60)
    story.refuse(None)
    story.sandbox.advance(3 * DAY)
    invoice = story.newest()
    assert (story.now().status, invoice.status, invoice.attempt_count) == ("active", "paid", 2)


def test_paying_by_hand_brings_it_back_and_ends_the_retries(story: Story) -> None:
    story.refuse()
    story.to_end_of_period(HOUR + 60)
    with pytest.raises(stripe_sdk.CardError):
        story.client.v1.invoices.pay(story.newest().id)
    assert (story.newest().attempt_count, story.now().status) == (1, "past_due")
    story.refuse(None)
    assert story.client.v1.invoices.pay(story.newest().id).status == "paid"
    assert story.now().status == "active"
    paid_at = story.time()
    story.sandbox.advance(16 * DAY)
    assert story.events(paid_at + 10) == []


def test_a_hard_decline_is_not_tried_again(story: Story) -> None:
    story.refuse("chargeDeclinedLostCard")
    story.to_end_of_period(HOUR + 60)
    invoice = story.newest()
    assert (invoice.attempt_count, invoice.next_payment_attempt) == (1, None)
    story.sandbox.advance(14 * DAY)
    assert (story.newest().attempt_count, story.now().status) == (1, "past_due")
    story.sandbox.advance(2 * DAY)
    assert story.now().status == "canceled"


def test_a_renewal_that_must_be_authenticated_waits_for_its_payer(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient
) -> None:
    story = subscribed(sandbox, client, card="pm_card_authenticationRequired")
    client.v1.invoices.pay(str(story.now().latest_invoice), {"paid_out_of_band": True})
    story.to_end_of_period(HOUR + 60)
    assert (story.now().status, story.newest().next_payment_attempt) == ("past_due", None)
    assert "invoice.payment_action_required" in story.events()


# ---- first payments


def test_an_unpaid_first_invoice_expires_it_after_23_hours(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient
) -> None:
    story = subscribed(sandbox, client, payment_behavior="default_incomplete")
    sandbox.advance(22 * HOUR)
    assert story.now().status == "incomplete"
    sandbox.advance(HOUR + 60)
    assert (story.now().status, story.newest().status) == ("incomplete_expired", "void")
    sandbox.advance(3 * MONTH)
    assert len(story.invoices()) == 1


def test_paid_in_time_it_goes_on_and_keeps_the_method_if_asked(
    sandbox: RunningSandbox, client: stripe_sdk.StripeClient
) -> None:
    story = subscribed(
        sandbox,
        client,
        card=None,
        payment_behavior="default_incomplete",
        payment_settings={"save_default_payment_method": "on_subscription"},
    )
    sandbox.advance(20 * HOUR)
    client.v1.invoices.pay(story.newest().id, {"payment_method": "pm_card_visa"})
    row = story.now()
    assert (row.status, row.default_payment_method is not None) == ("active", True)
    story.to_end_of_period(2 * HOUR)
    assert [invoice.status for invoice in story.invoices()] == ["paid", "paid"]


def test_what_the_control_calls_cannot_do_is_refused(sandbox: RunningSandbox, story: Story) -> None:
    with pytest.raises(RuntimeError, match="after_retries is one of"):
        sandbox.control("POST", "/billing", {"after_retries": "forgive"})
    with pytest.raises(RuntimeError, match="No test card visa is refused"):
        story.refuse("visa")
    assert make_customer(story.client).id
