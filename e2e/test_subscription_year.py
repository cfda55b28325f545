"""A year of one subscription, lived in a browser: after each step the portal stands as Stripe does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from e2e.people import LIVE_MILLISECONDS, Admin
from e2e.stripe_control import StripeControl
from e2e.subscribing import opened, subscribed, wish
from e2e.tables import rows

INVOICE_SECONDS = 2 * 3600
"""Stripe leaves a renewal's invoice open to changes for an hour, then charges it."""
CUSTOMER = "Hooli Gardens"
IN_STEP_MILLISECONDS = 20_000
ROW = """
SELECT status, plan_external_id, quantity, amount_minor, period_start, period_end, trial_end,
       cancel_at_period_end, pause, ended_at
FROM subscription WHERE external_id = $1
"""
INVOICES = """
SELECT external_id, status, total_minor, amount_paid_minor FROM invoice
WHERE subscription_external_id = $1 ORDER BY external_id
"""


@dataclass(frozen=True, slots=True)
class Life:
    """One subscription, seen from both sides."""

    admin: Admin
    stripe: StripeControl
    clock: str
    id: str

    @property
    def customer(self) -> str:
        """Whose it is."""
        return str(self._now()["customer"])

    def pass_periods(self, number: int) -> None:
        """Let the period end that runs, its invoice be charged, and so on; the portal follows each time."""
        for _ in range(number):
            now = self.stripe.dashboard.test_helpers.test_clocks.retrieve(self.clock).frozen_time
            ends = self._now()["items"]["data"][0]["current_period_end"]
            self.stripe.advance(self.clock, ends - now + INVOICE_SECONDS)
            self.is_in_step()

    def is_in_step(self) -> None:
        """The portal's rows are as Stripe's objects."""
        page = self.admin.page
        for _ in range(IN_STEP_MILLISECONDS // 250):
            if self._here() == self._there():
                break
            page.wait_for_timeout(250)
        assert self._here() == self._there()

    def shows(self, status: str) -> Page:
        """The subscription's page, which says so."""
        page = opened(self.admin, CUSTOMER)
        expect(page.locator("#subscription-status")).to_have_text(status, timeout=LIVE_MILLISECONDS)
        return page

    def charged(self) -> int:
        """What Stripe received for it, in minor units; the portal's ledger must say the same."""
        there: int = sum(paid for _, _, _, paid in self._there()[1])
        ledger = """
        SELECT coalesce(sum(p.amount_minor), 0)::bigint AS received FROM payment p
        JOIN invoice i ON i.id = p.invoice WHERE i.subscription_external_id = $1
        """
        assert rows(self.admin.portal, ledger, self.id)[0]["received"] == there
        return there

    def _now(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(str(self.stripe.dashboard.subscriptions.retrieve(self.id)))
        return found

    def _here(self) -> tuple[Any, ...]:
        row = rows(self.admin.portal, ROW, self.id)
        return (
            tuple(row[0]) if row else (),
            [tuple(each) for each in rows(self.admin.portal, INVOICES, self.id)],
        )

    def _there(self) -> tuple[Any, ...]:
        now = self._now()
        item = now["items"]["data"][0]
        amount = item["price"]["unit_amount"] * item["quantity"]
        found = self.stripe.dashboard.invoices.list({"customer": now["customer"], "limit": 100}).data
        invoices = sorted((i.id, i.status, i.total, i.amount_paid) for i in found if i.status != "draft")
        return (
            now["status"],
            item["price"]["id"],
            item["quantity"],
            amount,
            _moment(item["current_period_start"]),
            _moment(item["current_period_end"]),
            _moment(now["trial_end"]),
            now["cancel_at_period_end"],
            (now["pause_collection"] or {}).get("behavior", ""),
            _moment(now["ended_at"]),
        ), invoices


@pytest.mark.timeout(240)
def test_a_year_of_a_subscription_stands_the_same_on_both_sides_after_each_step(admin: Admin) -> None:
    stripe = StripeControl(admin.portal.sandbox_url)
    clock = stripe.stand_clock()
    made = subscribed(stripe, CUSTOMER, trial_days=30, test_clock=clock)
    life = Life(admin, stripe, clock, made)
    life.is_in_step()
    life.shows("Trialing")
    assert life.charged() == 0

    life.pass_periods(1)
    life.shows("Active")
    life.pass_periods(2)
    assert life.charged() == 3 * 2_000

    stripe.save_method(life.customer, "pm_card_chargeCustomerFail")
    life.pass_periods(1)
    page = life.shows("Past due")
    expect(page.locator("#dunning li").last).to_contain_text("Next attempt")
    stripe.save_method(life.customer, "pm_card_visa")
    page.locator("#collect-link").click()
    page.get_by_role("button", name="Charge $20.00").click()
    expect(page.locator("#invoice-status")).to_have_text("Paid", timeout=LIVE_MILLISECONDS)
    life.is_in_step()
    life.shows("Active")
    assert life.charged() == 4 * 2_000

    life.stripe.dashboard.subscriptions.update(made, {"items": [upgrade(stripe, made)]})
    life.is_in_step()
    expect(life.shows("Active").locator("main")).to_contain_text("$35.00 / month")
    life.pass_periods(1)
    assert life.charged() > 4 * 2_000 + 3_500

    wish(life.shows("Active"), "pause", "Pause collection")
    expect(page.locator("#resume-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    before = life.charged()
    life.pass_periods(2)
    assert life.charged() == before
    wish(opened(admin, CUSTOMER), "resume", "Resume")
    expect(page.locator("#resume-link")).to_have_count(0, timeout=LIVE_MILLISECONDS)
    life.is_in_step()
    life.pass_periods(3)
    assert life.charged() == before + 3 * 3_500

    wish(life.shows("Active"), "cancel-at-period-end", "Cancel at period end")
    expect(page.locator("#keep-link")).to_be_visible(timeout=LIVE_MILLISECONDS)
    life.is_in_step()
    life.pass_periods(1)
    expect(life.shows("Cancelled").locator("main")).to_contain_text("It has ended")


def upgrade(stripe: StripeControl, subscription: str) -> Any:
    """Its item, with a dearer price of the same product."""
    item = json.loads(str(stripe.dashboard.subscriptions.retrieve(subscription)))["items"]["data"][0]
    recurring: Any = {"interval": "month"}
    price = stripe.dashboard.prices.create(
        {
            "product": item["price"]["product"],
            "unit_amount": 3_500,
            "currency": "usd",
            "recurring": recurring,
        }
    )
    return {"id": item["id"], "price": price.id}


def _moment(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
