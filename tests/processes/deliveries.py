"""Deliveries as Stripe makes them: signed, again and again until they are accepted, several at a time."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import stripe as stripe_sdk

from tests.builders import WEBHOOK_SECRET

AT_ONCE = 32
PATIENCE_SECONDS = 20.0
RETRY_SECONDS = 0.1
SENDERS, PACE_SECONDS = 6, 0.03


def unknown_event() -> dict[str, Any]:
    """A genuine event of a type that nothing follows."""
    return {
        "id": f"evt_{uuid.uuid4().hex}",
        "object": "event",
        "type": "workestra.something_new",
        "api_version": "2026-10-28.endive",
        "livemode": False,
        "data": {"object": {"id": "new_1", "object": "something_new"}},
    }


@dataclass(frozen=True, slots=True)
class Sender:
    """Delivers to one address."""

    url: str
    http: httpx.AsyncClient

    async def deliver(self, event: dict[str, Any], *, patience: float = PATIENCE_SECONDS) -> httpx.Response:
        """One delivery.

        Raises:
            httpx.TransportError: no answer, or none within `patience` seconds.
        """
        body = json.dumps(event)
        signature = stripe_sdk.WebhookSignature.generate_signature_header(body, WEBHOOK_SECRET)
        headers = {"stripe-signature": signature}
        return await self.http.post(self.url, content=body, headers=headers, timeout=patience)

    async def deliver_each(self, events: Sequence[dict[str, Any]]) -> list[int]:
        """One delivery of each, `AT_ONCE` under way at a time; the statuses in their order."""
        room = asyncio.Semaphore(AT_ONCE)

        async def deliver(event: dict[str, Any]) -> int:
            async with room:
                return (await self.deliver(event)).status_code

        return list(await asyncio.gather(*(deliver(event) for event in events)))

    async def insist(self, event: dict[str, Any]) -> httpx.Response:
        """Deliver until it is accepted.

        Raises:
            AssertionError: it was not, for `PATIENCE_SECONDS`.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            try:
                answer = await self.deliver(event)
            except httpx.TransportError:
                answer = None
            if answer is not None and answer.is_success:
                return answer
            await asyncio.sleep(RETRY_SECONDS)
        raise AssertionError(f"not accepted for {PATIENCE_SECONDS:.0f} s")


@dataclass(slots=True)
class Traffic:
    """Fresh events without end, and what was answered to each."""

    sender: Sender
    answers: list[tuple[dict[str, Any], int]] = field(default_factory=list)

    @property
    def statuses(self) -> set[int]:
        """Every status that was answered."""
        return {status for _, status in self.answers}

    def answered(self, status: int) -> list[dict[str, Any]]:
        """The events that got this answer."""
        return [event for event, found in self.answers if found == status]

    async def sees(self, status: int, *, seconds: float) -> None:
        """Go on until an answer from now on has this status.

        Raises:
            AssertionError: none had, for so long.
        """
        start, deadline = len(self.answers), time.monotonic() + seconds
        while status not in [found for _, found in self.answers[start:]]:
            if time.monotonic() > deadline:
                raise AssertionError(f"no {status} for {seconds:.0f} s, but {self.statuses}")
            await asyncio.sleep(PACE_SECONDS)

    async def flow(self) -> None:
        """Deliver one event after the other until cancelled."""
        while True:
            event = unknown_event()
            answer = await self.sender.deliver(event)
            self.answers.append((event, answer.status_code))
            await asyncio.sleep(PACE_SECONDS)


@asynccontextmanager
async def traffic_of(sender: Sender) -> AsyncIterator[Traffic]:
    """Deliveries all through a block, several at a time.

    Raises:
        httpx.TransportError: a delivery got no answer.
    """
    traffic = Traffic(sender)
    flows = [asyncio.create_task(traffic.flow()) for _ in range(SENDERS)]
    try:
        yield traffic
    finally:
        for flow in flows:
            flow.cancel()
        ends = await asyncio.gather(*flows, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end


@asynccontextmanager
async def sender_to(url: str) -> AsyncIterator[Sender]:
    """A sender for the length of a block."""
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=AT_ONCE)) as http:
        yield Sender(url, http)
