"""The demo data are lived through in the sandbox, end today, and are made once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
import stripe as stripe_sdk

from plugins.stripe import demo
from plugins.stripe.sandbox import story
from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from portal.settings import Settings, load_settings

DAYS = 120


@pytest.fixture(scope="module")
def filled() -> Iterator[tuple[RunningSandbox, list[str]]]:
    """A sandbox in which a few months were lived through, and what was said on the way."""
    with running_sandbox() as sandbox, pytest.MonkeyPatch.context() as patch:
        patch.setattr(story, "DAYS", DAYS)
        yield sandbox, list(story.tell(sandbox.url))


def settings_beside(sandbox: RunningSandbox) -> Settings:
    """A portal's on the port before the sandbox's."""
    return load_settings({"PORTAL_PORT": str(int(sandbox.url.rsplit(":", 1)[1]) - 1)})


def stripe_of(sandbox: RunningSandbox) -> stripe_sdk.V1Services:
    return stripe_sdk.StripeClient(DEFAULT.secret_key, base_addresses={"api": sandbox.url}).v1


def test_renewals_were_paid_month_after_month_and_the_story_ends_today(
    filled: tuple[RunningSandbox, list[str]],
) -> None:
    sandbox, said = filled
    renewals = [
        invoice
        for invoice in stripe_of(sandbox).invoices.list({"limit": 100}).data
        if invoice.billing_reason == "subscription_cycle" and invoice.status == "paid"
    ]
    months = {time.gmtime(invoice.created).tm_mon for invoice in renewals}
    assert len(months) >= 3
    assert max(invoice.created for invoice in renewals) <= time.time()
    assert abs(sandbox.control("GET", "/clock")[DEFAULT.name] - time.time()) < 60
    assert said[-1].endswith("customers.")


def test_it_is_not_made_twice(filled: tuple[RunningSandbox, list[str]]) -> None:
    sandbox, _ = filled
    before = len(stripe_of(sandbox).customers.list({"limit": 100}).data)
    with pytest.raises(demo.NoDemo, match="there already"):
        list(demo.make_demo_data(settings_beside(sandbox)))
    assert len(stripe_of(sandbox).customers.list({"limit": 100}).data) == before


def test_without_a_sandbox_or_away_from_home_nothing_is_made(
    filled: tuple[RunningSandbox, list[str]], settings: Settings
) -> None:
    with pytest.raises(demo.NoDemo, match="does not run"):
        list(demo.make_demo_data(replace(settings, port=1)))
    elsewhere = replace(settings_beside(filled[0]), env="production")
    with pytest.raises(demo.NoDemo, match="does not run"):
        list(demo.make_demo_data(elsewhere))
