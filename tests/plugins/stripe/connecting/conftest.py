"""The checks against the sandbox, through the real SDK; no portal and no database is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway.client import close_clients
from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from portal.contract.checks import CheckContext
from portal.contract.secrets import Secret
from portal.settings import Settings

ENDPOINT = "http://127.0.0.1:21089/webhooks/stripe/token-of-the-test"
SIGNING = "whsec_of_the_test_0123456789abcdef"
ContextOf = Callable[..., CheckContext]


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[RunningSandbox]:
    """The process."""
    with running_sandbox() as running:
        yield running


@pytest.fixture
async def sandbox(shared_sandbox: RunningSandbox) -> AsyncIterator[RunningSandbox]:
    """An empty sandbox."""
    shared_sandbox.reset()
    yield shared_sandbox
    assert shared_sandbox.control("GET", "/shape-errors") == {"data": []}
    await close_clients()


@pytest.fixture
def local(settings: Settings, sandbox: RunningSandbox) -> Settings:
    """Settings of a person's own machine with the sandbox on."""
    variables = {**settings.plugin_variables, "stripe_api_base": sandbox.url}
    return replace(settings, base_url="http://127.0.0.1:21089", plugin_variables=variables)


@pytest.fixture
def context_of(local: Settings, sandbox: RunningSandbox) -> ContextOf:
    """Build a context with the sandbox's keys, some of them changed."""

    def build(*, settings: Settings = local, **changed: str) -> CheckContext:
        values = {
            "publishable_key": sandbox.keys.publishable_key,
            "secret_key": sandbox.keys.secret_key,
            "webhook_secret": SIGNING,
            **changed,
        }
        return CheckContext({name: Secret(value) for name, value in values.items()}, ENDPOINT, settings)

    return build


@pytest.fixture
def stripe(sandbox: RunningSandbox) -> stripe_sdk.V1Services:
    """Stripe as a person with the secret key sees it."""
    client = stripe_sdk.StripeClient(sandbox.keys.secret_key, base_addresses={"api": sandbox.url})
    return client.v1
