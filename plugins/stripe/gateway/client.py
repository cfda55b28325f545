"""One SDK client per connection over one HTTP client per event loop, and the SDK's errors in our words."""

from __future__ import annotations

import asyncio
import functools
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import NoReturn
from urllib.parse import urlsplit

import aiohttp
import stripe as stripe_sdk

from portal.sdk import (
    LOOPBACK,
    AccountAuthFailed,
    AccountNotReady,
    ConfigurationError,
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
    Secret,
    Settings,
)

API_VERSION = "2026-10-28.endive"
SANDBOX_MARK = "Sandbox"
"""Every key of the local sandbox says so, and no key of Stripe's does."""
SANDBOX_KEY = re.compile(r"(?:sk|rk|pk)_(?:test|live)_51SandboxAccount[AB]_")
PRETENDED_LIVE_KEY = re.compile(r"(?:sk|rk|pk)_live_51SandboxAccount[AB]_")
"""The sandbox's own live keys, which open nothing at Stripe: no real key has an underscore there."""
TIMEOUT_SECONDS = 20
"""For a whole call; below the deadline of an actor, above what Stripe needs on a bad day."""

stripe_sdk.enable_telemetry = False  # else the SDK writes a file in the home folder and sends it along

_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, stripe_sdk.AIOHTTPClient] = (
    weakref.WeakKeyDictionary()
)


class FailureReplayed(OutcomeUnknown):
    """The idempotency key is of no more use.

    Stripe repeats a failure that it stored for it, or holds it for a call with other parameters (somebody
    renamed the customer between two attempts). What that call made is looked for before another key is used.
    """

    code = "STRIPE_FAILURE_REPLAYED"


class PermissionMissing(AccountNotReady):
    """The key lacks a right; `right` is the name Stripe gives it (`rak_…`), or empty. Work waits for it."""

    code = "STRIPE_PERMISSION_MISSING"

    def __init__(self, message: str, *, right: str = "") -> None:
        super().__init__(message, hint="Edit the key in Stripe and allow it.")
        self.right = right


class SlowDown(ProviderUnavailable):
    """Too many calls at once. Nothing was done; the same call may be made again in a moment."""

    code = "STRIPE_SLOW_DOWN"


class ObjectMissing(ProviderError):
    """Stripe has no object with this id (deleted, other account, or other mode)."""

    code = "STRIPE_OBJECT_MISSING"
    status_code = 404


class CallRefused(ProviderError):
    """Stripe refused the call as it was made; `stripe_code` and `param` say where."""

    code = "STRIPE_CALL_REFUSED"

    def __init__(self, message: str, *, stripe_code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.stripe_code = stripe_code
        self.param = param


class CardDeclined(CallRefused):
    """A charge was tried, and the customer's bank refused it."""


def client_for(
    secret_key: Secret, settings: Settings, *, over: stripe_sdk.HTTPClient | None = None
) -> stripe_sdk.StripeClient:
    """A client for one key, cheap to make. It never retries: the outbox and the inbox do.

    `over`: another HTTP client than the loop's own. Saved connections have theirs: `account_client`.

    Raises:
        ConfigurationError: the API base is redirected to anything but loopback, with a real live key, or in
            production with a live key that is pretended.
        ProviderUnavailable: it is the sandbox's key, and no sandbox runs: Stripe would call it refused.
    """
    base = api_base_for(secret_key, settings)
    if base:
        _refuse_unsafe_base(base, secret_key, settings)
    elif SANDBOX_KEY.match(secret_key.reveal()):
        raise ProviderUnavailable(
            "This key opens the Stripe sandbox, which does not run.", hint="Start it: portal run"
        )
    return _client(secret_key.reveal(), base, over or http_client())


def api_base_for(key: Secret, settings: Settings) -> str | None:
    """Where calls with this key go; None: to Stripe.

    Beside the local sandbox (`make run`) its own keys go there, and a person's real test keys to Stripe.
    """
    base = settings.plugin_option("stripe", "api_base")
    beside_sandbox = settings.plugin_option("stripe", "sandbox") is not None
    if base and beside_sandbox and SANDBOX_MARK not in key.reveal() and "_test_" in key.reveal():
        return None
    return base


@contextmanager
def translated_errors(*, write: bool = False) -> Iterator[None]:
    """Turn the SDK's errors into ours. `write`: no answer means that nobody knows whether it was applied."""
    try:
        yield
    except stripe_sdk.StripeError as error:
        _translate(error, write=write)
    except (aiohttp.ClientError, TimeoutError):
        # The SDK lets an answer that breaks off in the middle through as it is.
        raise _no_answer(write=write) from None


def right_in(message: str) -> str:
    """Stripe's name of the right that a refusal asks for, or an empty text."""
    start = message.find("'rak_")
    return message[start + 1 : message.index("'", start + 1)] if start >= 0 else ""


def http_client() -> stripe_sdk.AIOHTTPClient:
    """The one HTTP client of the running loop."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        _clients[loop] = stripe_sdk.AIOHTTPClient(timeout=TIMEOUT_SECONDS)
    return _clients[loop]


async def close_clients() -> None:
    """Close the HTTP client of the running loop."""
    client = _clients.pop(asyncio.get_running_loop(), None)
    if client is not None:
        await client.close_async()  # type: ignore[no-untyped-call]  # the SDK left it untyped


@functools.lru_cache(maxsize=64)
def _client(key: str, base: str | None, over: stripe_sdk.HTTPClient) -> stripe_sdk.StripeClient:
    return stripe_sdk.StripeClient(
        key,
        stripe_version=API_VERSION,
        base_addresses={"api": base} if base else {},
        max_network_retries=0,
        http_client=over,
    )


def _refuse_unsafe_base(base: str, key: Secret, settings: Settings) -> None:
    if urlsplit(base).hostname not in LOOPBACK:
        raise ConfigurationError(
            "PORTAL_STRIPE_API_BASE points away from this machine.",
            hint="Leave it unset to talk to Stripe. It exists for the local sandbox alone.",
        )
    if "_live_" in key.reveal() and not settings.local:
        raise ConfigurationError(
            "In production no live mode is pretended, and PORTAL_STRIPE_API_BASE points at a sandbox.",
            hint="Unset PORTAL_STRIPE_API_BASE: what the sandbox calls live would count as money here.",
        )
    if "_live_" in key.reveal() and not PRETENDED_LIVE_KEY.match(key.reveal()):
        raise ConfigurationError(
            "A live key was given while PORTAL_STRIPE_API_BASE points at a sandbox.",
            hint="Use test keys with the sandbox, or the live keys that it pretends to have.",
        )


def _translate(error: stripe_sdk.StripeError, *, write: bool) -> NoReturn:
    # `from None`: the SDK's error holds headers and bodies, which must not reach a traceback.
    raise _ours(error, write=write) from None


def _ours(error: stripe_sdk.StripeError, *, write: bool) -> ProviderError:
    code, message, param = _said(error)
    if error.http_status == HTTPStatus.CONFLICT:
        return ProviderUnavailable("Stripe is still busy with the same call.", retry_after=1.0)
    match error:
        case stripe_sdk.AuthenticationError():
            ours: ProviderError = _refused_key(code)
        case stripe_sdk.PermissionError():
            right = right_in(message)
            named = f" ({right})" if right else ""
            ours = PermissionMissing(f"The key lacks a permission{named}.", right=right)
        case stripe_sdk.RateLimitError():
            ours = SlowDown("Stripe asks us to slow down.", retry_after=_retry_after(error))
        case stripe_sdk.APIConnectionError():
            ours = _no_answer(write=write)
        case stripe_sdk.InvalidRequestError() if error.http_status == HTTPStatus.NOT_FOUND:
            ours = ObjectMissing(message)
        case stripe_sdk.IdempotencyError() if write:
            ours = FailureReplayed("Stripe knows the key from a call that said something else.")
        case stripe_sdk.CardError():
            ours = CardDeclined(message, stripe_code=code, param=param)
        case stripe_sdk.InvalidRequestError() | stripe_sdk.IdempotencyError():
            ours = CallRefused(message, stripe_code=code, param=param)
        case _:
            ours = _server_error(error, write=write)
    return ours


def _said(error: stripe_sdk.StripeError) -> tuple[str, str, str]:
    """Code, message and parameter of the answer; the message is Stripe's and names no key in full."""
    details = error.error
    return (
        str(getattr(details, "code", None) or ""),
        str(getattr(details, "message", None) or "Stripe gave no reason."),
        str(getattr(details, "param", None) or ""),
    )


def _refused_key(code: str) -> AccountAuthFailed:
    why = "It has expired." if code == "api_key_expired" else "It may have been rolled or deleted."
    return AccountAuthFailed(f"Stripe refused this key. {why}", hint="Enter a new key.")


def _no_answer(*, write: bool) -> ProviderError:
    if write:
        return OutcomeUnknown("Stripe did not answer; the call may have been applied.")
    return ProviderUnavailable("Stripe could not be reached.")


def _server_error(error: stripe_sdk.StripeError, *, write: bool) -> ProviderError:
    if write and _header(error, "idempotent-replayed") == "true":
        return FailureReplayed("Stripe repeats an earlier failure.")
    refused = HTTPStatus.BAD_REQUEST <= (error.http_status or 500) < HTTPStatus.INTERNAL_SERVER_ERROR
    if write and not refused:  # also a good answer that something on the way made unreadable
        return OutcomeUnknown(f"Stripe answered {error.http_status}; the call may have been applied.")
    return ProviderUnavailable(f"Stripe answered {error.http_status}.", retry_after=_retry_after(error))


def _retry_after(error: stripe_sdk.StripeError) -> float | None:
    text = _header(error, "retry-after")
    return float(text) if text.isdecimal() else None


def _header(error: stripe_sdk.StripeError, name: str) -> str:
    return next((str(v) for k, v in dict(error.headers or {}).items() if str(k).lower() == name), "")
