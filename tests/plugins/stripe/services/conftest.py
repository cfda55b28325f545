"""The portal's services against the sandbox, through the real SDK."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway.client import close_clients
from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from portal.settings import current_settings
from portal.sync.budgets import forget_tills
from portal.webhooks.intake import forget_connections
from tests.builders import WEBHOOK_SECRET, Connected, connect_account


@pytest.fixture(scope="session")
def stripe_process() -> Iterator[RunningSandbox]:
    """One sandbox for the run; the settings point at it."""
    with running_sandbox() as running:
        os.environ["PORTAL_STRIPE_API_BASE"] = running.url
        current_settings.cache_clear()
        yield running
        del os.environ["PORTAL_STRIPE_API_BASE"]
        current_settings.cache_clear()


@pytest.fixture
async def sandbox(stripe_process: RunningSandbox, database: None) -> AsyncIterator[RunningSandbox]:
    """The sandbox, empty, beside an empty database."""
    stripe_process.reset()
    forget_connections()
    forget_tills()
    yield stripe_process
    await close_clients()


@pytest.fixture
async def account(sandbox: RunningSandbox) -> Connected:
    """A connection with the sandbox's keys."""
    keys = {
        "publishable_key": sandbox.keys.publishable_key,
        "secret_key": sandbox.keys.secret_key,
        "webhook_secret": WEBHOOK_SECRET,
    }
    return await connect_account(external_id=sandbox.keys.account, keys=keys)


@pytest.fixture
def stripe(sandbox: RunningSandbox) -> stripe_sdk.V1Services:
    """Stripe as a person with the secret key sees it."""
    client = stripe_sdk.StripeClient(sandbox.keys.secret_key, base_addresses={"api": sandbox.url})
    return client.v1
