"""What several checks of one run ask of Stripe: asked once, however many wait for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from plugins.stripe.gateway import accounts, endpoints, probes
from plugins.stripe.gateway.patience import patiently
from plugins.stripe.gateway.probes import Probe
from plugins.stripe.rights import Right, right_for
from portal.sdk import AccountAuthFailed, CheckContext, ProviderError, Secret, Settings

T = TypeVar("T")
U = TypeVar("U")


@dataclass(slots=True)
class _Question:
    """A call under way or answered, and how many checks wait for it."""

    task: asyncio.Task[Any]
    waiting: int = 0

    @property
    def failed(self) -> bool:
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


async def account_of(context: CheckContext) -> accounts.StripeAccount:
    """The account of the secret key.

    Raises:
        AccountHidden: the key works but may not read it.
    """
    found = await _once(context, "account read", lambda: _read_account(*_who(context)))
    if isinstance(found, accounts.AccountHidden):
        raise found
    return found


async def endpoints_of(context: CheckContext) -> list[endpoints.WebhookEndpoint]:
    """Every webhook endpoint of the account."""
    return await _once(
        context, "endpoints read", lambda: patiently(lambda: endpoints.list_endpoints(*_who(context)))
    )


async def probe_of(context: CheckContext, right: Right) -> Probe:
    """Whether the key has a right. What is read anyway is its own probe."""
    if right.service == "accounts":
        return await _probe_account(context)
    name = f"probe {right.service}"
    found = await _once(context, name, lambda: _probe(right, *_who(context)))
    if found.allowed is None:
        context.facts.pop(name, None)  # whoever asks next may learn more
    return found


async def may(context: CheckContext, feature: str) -> bool:
    """Whether the right of a feature is there; one that cannot be told counts as there."""
    return (await probe_of(context, right_for(feature))).allowed is not False


async def both(first: Coroutine[Any, Any, T], second: Coroutine[Any, Any, U]) -> tuple[T, U]:
    """Two questions side by side. The first error ends both."""
    try:
        async with asyncio.TaskGroup() as group:
            one, two = group.create_task(first), group.create_task(second)
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return one.result(), two.result()


async def _once(context: CheckContext, name: str, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
    question = context.facts.get(name)
    if not isinstance(question, _Question) or question.failed:
        question = _Question(asyncio.create_task(ask(), name=name))
        context.facts[name] = question
    question.waiting += 1
    try:
        # A check that ends early must not take the answer from another one that waits for it too.
        return cast("T", await asyncio.shield(question.task))
    finally:
        question.waiting -= 1
        if not question.waiting and not question.task.done():
            del context.facts[name]
            question.task.cancel()


def _who(context: CheckContext) -> tuple[Secret, Settings]:
    return context.credentials["secret_key"], context.settings


async def _read_account(key: Secret, settings: Settings) -> accounts.StripeAccount | accounts.AccountHidden:
    try:
        return await patiently(lambda: accounts.read_account(key, settings))
    except accounts.AccountHidden as hidden:
        return hidden


async def _probe_account(context: CheckContext) -> Probe:
    try:
        async with asyncio.timeout(probes.PROBE_SECONDS):
            await account_of(context)
    except TimeoutError:
        return Probe(allowed=None, why=probes.no_answer())
    except accounts.AccountHidden as hidden:
        return Probe(allowed=False, right=hidden.right)
    except AccountAuthFailed:
        raise
    except ProviderError as error:
        return Probe(allowed=None, why=error.message)
    return Probe(allowed=True)


async def _probe(right: Right, key: Secret, settings: Settings) -> Probe:
    """Read and change side by side. Write implies Read, and a right that one of both misses is missing."""
    readable = probes.can_be_read(right.service)
    asked = [probes.probe_read(key, settings, right.service)] if readable else []
    if right.level == "Write":
        asked.append(probes.probe_write(key, settings, right.service, right.probe_id))
    answers = await asyncio.gather(*asked, return_exceptions=True)
    # Both have ended here, so that no stray one fails unseen.
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    found = [answer for answer in reversed(answers) if isinstance(answer, Probe)]
    missing = [probe for probe in found if probe.allowed is False]
    return missing[0] if missing else found[0]
