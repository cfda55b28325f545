"""The client of a saved connection: each call that goes out over it counts against its budget."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import stripe as stripe_sdk

from plugins.stripe.gateway.client import api_base_for, client_for, http_client
from portal.sdk import Account, ConfigurationError, Mode, Settings, note_slow_down, take_call

LIVE_CALLS_PER_SECOND = 100.0
TEST_CALLS_PER_SECOND = 25.0
SANDBOX_CALLS_PER_SECOND = 2000.0
"""The local sandbox has no limit: this is high enough to be none."""
OBJECT_LOCKED = b'"lock_timeout"'
"""In refusals that are about one object with too many writers, not about too many calls."""
Answer = tuple[bytes, int, Mapping[str, str]]
"""Body, status and headers, as the SDK hands them on."""

_aside: ContextVar[list[bytes] | None] = ContextVar("stripe_bodies_aside", default=None)


@contextmanager
def bodies_aside() -> Iterator[list[bytes]]:
    """The bodies of good answers in here, which the SDK takes for empty objects.

    It would write each out for its log, whether anybody keeps one or not, and make ordered dictionaries of
    it: for a page of a hundred invoices that takes four times as long as to decode it.
    """
    bodies: list[bytes] = []
    token = _aside.set(bodies)
    try:
        yield bodies
    finally:
        _aside.reset(token)


def account_client(account: Account, settings: Settings) -> stripe_sdk.StripeClient:
    """A client for a saved connection, cheap to make.

    Its calls raise ProviderUnavailable when none becomes free in time.

    Raises:
        ConfigurationError: as `client_for`.
        ProviderUnavailable: as `client_for`.
    """
    spending = _spending_client(http_client(), account.id, calls_per_second(account, settings))
    return client_for(account.credentials["secret_key"], settings, over=spending)


def calls_per_second(account: Account, settings: Settings) -> float:
    """What Stripe takes from this account. `PORTAL_STRIPE_CALLS_PER_SECOND` is for those with another limit.

    Raises:
        ConfigurationError: that variable is no positive number.
    """
    asked = settings.plugin_option("stripe", "calls_per_second")
    if asked:
        return _positive(asked)
    if api_base_for(account.credentials["secret_key"], settings):
        return SANDBOX_CALLS_PER_SECOND
    return LIVE_CALLS_PER_SECOND if account.mode is Mode.LIVE else TEST_CALLS_PER_SECOND


class SpendingClient(stripe_sdk.HTTPClient):
    """Takes a call from the budget, then lets the loop's own client make it."""

    name = "aiohttp"

    def __init__(self, calls: stripe_sdk.AIOHTTPClient, account_id: int, per_second: float) -> None:
        super().__init__()
        self._calls = calls
        self._account_id = account_id
        self._per_second = per_second

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> Answer:
        """One call, when its turn has come."""
        await take_call(self._account_id, self._per_second)
        answer: Answer = await self._calls.request_async(method, url, headers, post_data)
        body, status, said = answer
        if status == HTTPStatus.TOO_MANY_REQUESTS and OBJECT_LOCKED not in body:
            await note_slow_down(self._account_id, _seconds(said.get("Retry-After")))
        aside = _aside.get()
        if aside is None or not HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        aside.append(body)
        return b"{}", status, said


@lru_cache(maxsize=64)
def _spending_client(calls: stripe_sdk.AIOHTTPClient, account_id: int, per_second: float) -> SpendingClient:
    return SpendingClient(calls, account_id, per_second)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ConfigurationError(
            "PORTAL_STRIPE_CALLS_PER_SECOND is no positive number.",
            hint="Leave it unset for Stripe's own limits.",
        )
    return number
