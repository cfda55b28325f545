"""One sandbox for all of these tests, emptied before each."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe as stripe_sdk

from plugins.stripe.sandbox.keys import DEFAULT
from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from tests.plugins.stripe.sandbox.raw import Api
from tests.plugins.stripe.sandbox.receivers import Receiver, receiver


@pytest.fixture(scope="session")
def shared_sandbox() -> Iterator[RunningSandbox]:
    """The process."""
    stripe_sdk.enable_telemetry = False
    with running_sandbox() as running:
        yield running


@pytest.fixture
def sandbox(shared_sandbox: RunningSandbox) -> Iterator[RunningSandbox]:
    """An empty sandbox; no test may leave an answer behind that contradicts the SDK's types."""
    shared_sandbox.reset()
    yield shared_sandbox
    assert shared_sandbox.control("GET", "/shape-errors") == {"data": []}


@pytest.fixture
def client(sandbox: RunningSandbox) -> stripe_sdk.StripeClient:
    """The real SDK, pointed at the sandbox."""
    return client_with(sandbox, DEFAULT.secret_key)


def client_with(sandbox: RunningSandbox, key: str) -> stripe_sdk.StripeClient:
    """The real SDK with another key."""
    return stripe_sdk.StripeClient(
        key, base_addresses={"api": sandbox.url}, http_client=stripe_sdk.RequestsClient(timeout=15)
    )


@pytest.fixture
def api(sandbox: RunningSandbox) -> Api:
    """Plain HTTP calls."""
    return Api(sandbox.url)


@pytest.fixture
def inbox() -> Iterator[Receiver]:
    """A webhook receiver."""
    with receiver() as running:
        yield running
