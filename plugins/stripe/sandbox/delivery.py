"""Webhook deliveries: signed, retried with growing delay, one queue an endpoint.

A receiver that is slow or down holds up nobody else. Deliveries go to this machine only.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import time
from collections.abc import Coroutine
from typing import Any
from urllib.parse import urlsplit

from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.events import matches
from plugins.stripe.sandbox.manner import Manner
from plugins.stripe.sandbox.posting import Poster, PostingError
from plugins.stripe.sandbox.store.worlds import World
from plugins.stripe.sandbox.versions import CURRENT
from plugins.stripe.sandbox.wire import encode_json

TIMEOUT_SECONDS = 10
KEPT_DELIVERIES = 5000
HTTP_OK, HTTP_REDIRECT = 200, 300
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
"""The only hosts that are delivered to."""
_AT_ONCE = 16
_PRUNED_EVERY = 500


class Courier:
    """Delivers events to the endpoints that want them."""

    def __init__(self, worlds: dict[str, World]) -> None:
        self.worlds = worlds
        self.manner = Manner()
        self._held: list[tuple[World, str]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots: dict[str, asyncio.Semaphore] = {}
        self._dice = random.Random()  # noqa: S311 - repeatable with a seed, not secret
        self._poster = Poster(TIMEOUT_SECONDS)

    # ---- taking events in

    def send(self, world: World, event: Json, only: str | None = None) -> int:
        """Queue deliveries of an event to every endpoint that wants it, or to one. Returns how many."""
        endpoints = [
            e
            for e in world.table("webhook_endpoint").rows.values()
            if e["status"] == "enabled"
            and (e["id"] == only if only else matches(event["type"], e["enabled_events"]))
        ]
        for endpoint in endpoints:
            self._queue(world, event, endpoint)
        return len(endpoints)

    def _queue(self, world: World, event: Json, endpoint: Json) -> None:
        delivery_id = f"{event['id']}.{endpoint['id']}.{time.time_ns():x}"
        event["pending_webhooks"] += 1
        world.deliveries[delivery_id] = {
            "id": delivery_id,
            "event": event["id"],
            "type": event["type"],
            "endpoint": endpoint["id"],
            "url": endpoint["url"],
            "state": "pending",
            "attempts": [],
        }
        _forget_oldest(world)
        if self.manner.for_type(event["type"]).hold:
            self._held.append((world, delivery_id))
        else:
            self._start(self._deliver(world, delivery_id))

    def is_wanted(self, world: World, kind: str) -> bool:
        """Whether any endpoint will get events of this kind."""
        endpoints = world.table("webhook_endpoint").rows.values()
        return any(e["status"] == "enabled" and matches(kind, e["enabled_events"]) for e in endpoints)

    # ---- control

    def change(self, changes: dict[str, Any]) -> Manner:
        """Change how deliveries behave; what was held goes out when `hold` ends.

        Raises:
            TypeError: there is no such setting.
        """
        self.manner = Manner(**{**vars(self.manner), **changes})
        if "seed" in changes:
            self._dice = random.Random(changes["seed"])  # noqa: S311 - repeatable on purpose
        if not self.manner.hold:
            self.release()
        return self.manner

    def release(self) -> None:
        """Send what was held back, shuffled and repeated as asked."""
        batch = [d for d in self._held for _ in range(max(self.manner.duplicate, 1))]
        self._held.clear()
        if self.manner.shuffle:
            self._dice.shuffle(batch)
        if batch:
            self._start(self._deliver_in_order(batch))

    async def _deliver_in_order(self, batch: list[tuple[World, str]]) -> None:
        for world, delivery_id in batch:
            await self._attempt_until_done(world, delivery_id)

    def resume(self) -> None:
        """Go on with what was pending when the state was saved."""
        for world in self.worlds.values():
            for delivery in world.deliveries.values():
                if delivery["state"] == "pending":
                    self._start(self._attempt_until_done(world, delivery["id"]))

    def forget(self) -> None:
        """Drop everything pending and behave as at the start."""
        for task in self._tasks:
            task.cancel()
        self._held.clear()
        self.manner = Manner()

    async def close(self) -> None:
        """Stop at once; what is pending is saved with the state."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._poster.close()

    # ---- delivering

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, world: World, delivery_id: str) -> None:
        manner = self.manner.for_type(world.deliveries[delivery_id]["type"])
        pause = manner.delay_ms / 1000
        if manner.shuffle:
            pause += self._dice.random() * 0.25
        if pause:
            await asyncio.sleep(pause)
        for _ in range(max(manner.duplicate, 1)):
            await self._attempt_until_done(world, delivery_id)

    async def _attempt_until_done(self, world: World, delivery_id: str) -> None:
        """Try until it is accepted, the tries are used up, or the endpoint is gone or disabled."""
        delivery = world.deliveries.get(delivery_id)
        while delivery is not None:
            endpoint = world.find("webhook_endpoint", delivery["endpoint"])
            event = world.find("event", delivery["event"])
            if endpoint is None or event is None or endpoint["status"] != "enabled":
                _finish(world, delivery, "abandoned")
                return
            async with self._slots.setdefault(endpoint["id"], asyncio.Semaphore(_AT_ONCE)):
                outcome = await self._attempt(world, delivery, endpoint, event)
            delivery["attempts"].append(outcome)
            world.on_change()
            if outcome["ok"]:
                _finish(world, delivery, "delivered")
                return
            if outcome.get("final") or len(delivery["attempts"]) > len(self.manner.retry_seconds):
                _finish(world, delivery, "failed")
                return
            await asyncio.sleep(self.manner.retry_seconds[len(delivery["attempts"]) - 1])

    async def _attempt(self, world: World, delivery: Json, endpoint: Json, event: Json) -> Json:
        outcome: Json = {"at": time.time(), "ok": False, "status": None, "problem": None}
        if urlsplit(delivery["url"]).hostname not in LOOPBACK:
            return outcome | {"problem": "not reachable from the sandbox", "final": True}
        manner = self.manner.for_type(event["type"])
        if self._dice.random() < manner.drop_probability:
            return outcome | {"problem": "dropped on purpose"}
        body = rendered(event, endpoint)
        headers = _headers(manner, body, world.note(endpoint["id"])["secrets"])
        try:
            status = await self._poster.post(delivery["url"], manner.on_the_way(body), headers)
        except PostingError as error:
            return outcome | {"problem": str(error)}
        return outcome | {"ok": HTTP_OK <= status < HTTP_REDIRECT, "status": status}


def rendered(event: Json, endpoint: Json) -> bytes:
    """The body of a delivery: the event at the version of the endpoint."""
    return encode_json(event | {"api_version": endpoint["api_version"] or CURRENT})


def _headers(manner: Manner, body: bytes, secrets: list[str]) -> dict[str, str]:
    keys = [manner.sign_with] if manner.sign_with else secrets
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
        "Stripe-Signature": signature(body, keys, int(time.time()) + manner.skew_seconds),
    }


def signature(body: bytes, secrets: list[str], timestamp: int | None = None) -> str:
    """The `Stripe-Signature` header: one `v1` for each secret in force."""
    stamp = int(time.time()) if timestamp is None else timestamp
    signed = b"%d." % stamp + body
    marks = [hmac.new(s.encode(), signed, hashlib.sha256).hexdigest() for s in secrets]
    return ",".join([f"t={stamp}", *(f"v1={mark}" for mark in marks)])


def _finish(world: World, delivery: Json, state: str) -> None:
    event = world.find("event", delivery["event"])
    if event is not None and delivery["state"] == "pending" and state == "delivered":
        event["pending_webhooks"] -= 1
        invoice = world.find("invoice", event["data"]["object"].get("id"))
        if event["type"] == "invoice.created" and invoice is not None and not event["pending_webhooks"]:
            invoice["webhooks_delivered_at"] = world.clock.now()
    delivery["state"] = state
    world.on_change()


def _forget_oldest(world: World) -> None:
    if len(world.deliveries) > KEPT_DELIVERIES and len(world.deliveries) % _PRUNED_EVERY == 0:
        done = [d for d, row in world.deliveries.items() if row["state"] != "pending"]
        for delivery_id in done[: KEPT_DELIVERIES // 5]:
            del world.deliveries[delivery_id]
