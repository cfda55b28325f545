"""One sandbox and one browser for all tests of the pay page; each test has a portal of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from playwright.async_api import Browser

from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from tests.plugins.stripe.pay.portals import PayPortal, running_portal
from tests.web.browser_pages import open_browser


@pytest.fixture(scope="package")
def sandbox() -> Iterator[RunningSandbox]:
    """A Stripe sandbox in a process of its own."""
    with running_sandbox() as running:
        yield running


@pytest.fixture(scope="package")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium of this machine."""
    async with open_browser() as opened:
        yield opened


@pytest.fixture
def portal(sandbox: RunningSandbox) -> Iterator[PayPortal]:
    """A portal with one open invoice, whose page loads the stand-in from the sandbox."""
    sandbox.reset()
    made = PayPortal(
        sandbox.url,
        sandbox.keys.publishable_key,
        sandbox.keys.secret_key,
        script=f"{sandbox.url}/_sandbox/stripe.js",
    )
    with running_portal(made) as running:
        yield running
