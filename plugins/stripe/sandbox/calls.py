"""One call as its handler sees it: the world, the parameters, and ways to change things with events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plugins.stripe.sandbox import events
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.store.worlds import World
from plugins.stripe.sandbox.versions import CURRENT
from plugins.stripe.sandbox.wire import copied

if TYPE_CHECKING:
    from plugins.stripe.sandbox.sandbox import Sandbox

Handler = Callable[["Call"], Json]

HANDLERS: dict[str, Handler] = {}
"""What the sandbox simulates, by `METHOD /path/{template}`."""


def handles(key: str) -> Callable[[Handler], Handler]:
    """Register the handler of a route."""

    def register(handler: Handler) -> Handler:
        HANDLERS[key] = handler
        return handler

    return register


@dataclass(slots=True)
class Call:
    """A request being handled, or work the sandbox does by itself (`request_id` is None)."""

    sandbox: Sandbox
    world: World
    params: Json = field(default_factory=dict)
    ids: tuple[str, ...] = ()
    path: str = ""
    request_id: str | None = None
    idempotency_key: str | None = None
    version: str = CURRENT
    publishable: bool = False

    def now(self, customer_id: str | None = None) -> int:
        """The time that counts: the customer's test clock, else the world's clock."""
        customer = self.world.find("customer", customer_id)
        clock = self.world.find("test_helpers.test_clock", customer["test_clock"]) if customer else None
        return int(clock["frozen_time"]) if clock else self.world.clock.now()

    def plan(self, kind: str, row: Json, *, at: float) -> None:
        """Have a job about a row run at this moment of its customer's clock, not at one planned before."""
        customer = self.world.find("customer", row.get("customer"))
        self.world.unplan(kind, row["id"])
        self.world.plan(
            kind,
            row["id"],
            after=max(at - self.now(row.get("customer")), 0),
            clock=customer["test_clock"] if customer else None,
        )

    def emit(self, kind: str, row: Json, previous: Json | None = None) -> None:
        """Record an event about a row and start its deliveries."""
        self.sandbox.check_event(kind, row)
        self.send_event(kind, row, previous)

    def send_event(self, kind: str, row: Json, previous: Json | None = None) -> Json:
        """The same for any type, also one that Stripe does not know."""
        event = events.record(
            self.world,
            kind,
            copied(row),
            previous=previous,
            request={"id": self.request_id, "idempotency_key": self.idempotency_key},
        )
        self.sandbox.courier.send(self.world, event)
        return event

    @contextmanager
    def changing(self, row: Json, event: str | None = None) -> Iterator[Json]:
        """Change a row in place; with `event`, tell it with what the fields were before, if any changed."""
        before = copied(row)
        yield row
        self.world.touched(row)
        previous = events.differences(before, row)
        if event and previous:
            self.emit(event, row, previous)


def merged_metadata(old: dict[str, str], new: Any) -> dict[str, str]:
    """Metadata after an update: None clears it, empty values remove single keys."""
    if new is None:
        return {}
    return {k: v for k, v in {**old, **new}.items() if v != ""}


def assign(row: Json, params: Json, names: tuple[str, ...]) -> None:
    """Copy parameters to the fields of the same names."""
    for name in names:
        if name in params:
            row[name] = params[name]
    if "metadata" in params:
        row["metadata"] = merged_metadata(row.get("metadata") or {}, params["metadata"])
