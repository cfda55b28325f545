"""The whole sandbox: worlds, keys, faults, deliveries and what was called."""

from __future__ import annotations

import collections
from dataclasses import dataclass, field
from typing import Any

from plugins.stripe.sandbox.authentication import Keyring
from plugins.stripe.sandbox.delivery import Courier
from plugins.stripe.sandbox.errors import Json
from plugins.stripe.sandbox.faults import Faults
from plugins.stripe.sandbox.spec import shapes
from plugins.stripe.sandbox.store.worlds import World, new_worlds

SHAPE_MODES = ("strict", "record", "off")


@dataclass
class Sandbox:
    """Everything one process holds."""

    url: str = "http://127.0.0.1:8001"
    """Where browsers reach this sandbox."""
    shape_mode: str = "strict"
    """`strict`: an answer that contradicts the SDK becomes a 500. `record`: it is only noted."""
    worlds: dict[str, World] = field(default_factory=new_worlds)
    shape_errors: list[Json] = field(default_factory=list)
    live_on_loopback: bool = False
    """Live worlds take plain http endpoints on this machine, which Stripe never does."""
    settle_seconds: float = 4 * 86400
    """How long a bank debit stays in processing, in world time."""

    def __post_init__(self) -> None:
        self.keyring = Keyring()
        self.faults = Faults()
        self.courier = Courier(self.worlds)
        self.calls: collections.Counter[str] = collections.Counter()
        self.recent_calls: collections.deque[Json] = collections.deque(maxlen=200)
        self.customer_sessions: dict[str, Json] = {}
        """Client secret -> world, customer and features, for the Payment Element alone; lost at a restart."""
        self.portal_sessions: dict[str, str] = {}
        """Token of the customer portal -> the way back; lost at a restart."""
        self.changes = 0
        self._watch()

    def _watch(self) -> None:
        for world in self.worlds.values():
            world.on_change = self._changed

    def _changed(self) -> None:
        self.changes += 1

    def check_event(self, kind: str, row: Json) -> None:
        """Note an event whose type or object Stripe does not know."""
        if self.shape_mode == "off":
            return
        wrong = shapes.object_problems(row)
        if kind not in shapes.event_types():
            wrong.append(f"{kind} is no event of Stripe's")
        if wrong:
            self.shape_errors.append({"operation": f"event {kind}", "problems": wrong[:20]})

    def reset(self) -> None:
        """Empty every world and forget faults, calls, made keys and pending deliveries."""
        self.courier.forget()
        self.worlds.update(new_worlds())
        self.shape_errors.clear()
        self.keyring = Keyring()
        self.faults.clear()
        self.calls.clear()
        self.recent_calls.clear()
        self.customer_sessions.clear()
        self.portal_sessions.clear()
        self._watch()
        self._changed()

    def dump(self) -> dict[str, Any]:
        """Everything that a restart must know."""
        return {
            "worlds": {name: world.dump() for name, world in self.worlds.items()},
            "keys": self.keyring.dump(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `dump` gave, and go on delivering what was pending."""
        for name, dumped in state["worlds"].items():
            self.worlds[name].restore(dumped)
        self.keyring.restore(state["keys"])
        self.courier.resume()
