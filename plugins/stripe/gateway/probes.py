"""Asking whether a key has a right, by a small read and by a change of what cannot exist. Nothing changes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from plugins.stripe.gateway.client import (
    CallRefused,
    ObjectMissing,
    PermissionMissing,
    SlowDown,
    client_for,
    translated_errors,
)
from plugins.stripe.gateway.patience import patiently
from portal.sdk import AccountAuthFailed, ProviderError, Secret, Settings

PROBE_SECONDS = 8.0
"""For one probe with its repetitions; shorter than a check, so that one slow answer spoils one row."""
_READS: dict[str, tuple[str, tuple[Any, ...]]] = {
    "accounts": ("retrieve_current_async", ()),
    "balance": ("retrieve_async", ()),
}
_LIST = ("list_async", ({"limit": 1},))
_CHANGES: dict[str, tuple[str, dict[str, Any]]] = {
    "payment_method_domains": ("update_async", {"enabled": True}),
    "payment_records": ("report_payment_attempt_canceled_async", {"canceled_at": 1}),
}
_CREATES: dict[str, dict[str, Any]] = {
    "billing_portal.sessions": {},
    "customer_sessions": {"components": {"payment_element": {"enabled": True}}},
}
"""What can neither be read nor changed: made for a customer that cannot exist."""
_LABEL = {"metadata": {"portal_probe": "1"}}


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe found. `allowed` is None where the answer tells nothing; `why` says so."""

    allowed: bool | None
    right: str = ""
    """Stripe's own name of a missing right (`rak_…`)."""
    why: str = ""


def can_be_read(service: str) -> bool:
    """Whether there is anything to read."""
    return service not in _CREATES


async def probe_read(key: Secret, settings: Settings, service: str) -> Probe:
    """Whether the key may read what `service` holds."""
    services = client_for(key, settings).v1
    method, arguments = _READS.get(service, _LIST)
    return await _answered(lambda: getattr(getattr(services, service), method)(*arguments))


async def probe_write(key: Secret, settings: Settings, service: str, unknown_id: str) -> Probe:
    """Whether the key may change what `service` holds: `unknown_id` cannot exist, so nothing is changed."""
    services = client_for(key, settings).v1
    if service in _CREATES:
        made = {**_CREATES[service], "customer": unknown_id}
        return await _answered(lambda: getattr(attrgetter(service)(services), "create_async")(made))  # noqa: B009 - a probe, not a call of a feature
    method, fields = _CHANGES.get(service, ("update_async", _LABEL))
    return await _answered(lambda: getattr(getattr(services, service), method)(unknown_id, fields))


def no_answer() -> str:
    """Why a probe tells nothing when its time is over."""
    return f"Stripe did not answer in {PROBE_SECONDS:g} seconds."


async def _answered(call: Callable[[], Awaitable[object]]) -> Probe:
    try:
        async with asyncio.timeout(PROBE_SECONDS):
            return await patiently(lambda: _asked(call))
    except TimeoutError:
        return Probe(allowed=None, why=no_answer())
    except SlowDown as error:
        return Probe(allowed=None, why=error.message)


async def _asked(call: Callable[[], Awaitable[object]]) -> Probe:
    try:
        with translated_errors():
            await call()
    except ObjectMissing:
        return Probe(allowed=True)
    except CallRefused as error:
        missing = error.stripe_code == "resource_missing"
        return Probe(allowed=True) if missing else Probe(allowed=None, why=error.message)
    except PermissionMissing as error:
        return Probe(allowed=False, right=error.right)
    except (AccountAuthFailed, SlowDown):
        raise
    except ProviderError as error:
        return Probe(allowed=None, why=error.message)
    return Probe(allowed=True)
