"""A world: one account in one mode, with everything in it."""

from __future__ import annotations

from collections.abc import Callable

from plugins.stripe.sandbox.errors import Json, missing_object
from plugins.stripe.sandbox.keys import WORLDS, WorldKeys
from plugins.stripe.sandbox.store.clocks import WorldClock
from plugins.stripe.sandbox.store.ids import new_id
from plugins.stripe.sandbox.store.tables import Table

LABELS = {
    "invoiceitem": "invoiceitem",
    "payment_method": "PaymentMethod",
    "payment_method_domain": "payment_method_domain",
    "setup_intent": "setupintent",
    "test_helpers.test_clock": "test clock",
    "webhook_endpoint": "webhook endpoint",
}
"""How `No such …` names a kind, where it is not the kind's own name."""


class World:
    """Objects, private notes beside them, planned work and the clock of one account in one mode."""

    def __init__(self, keys: WorldKeys) -> None:
        self.keys = keys
        self.clock = WorldClock()
        self.tables: dict[str, Table] = {}
        self.notes: dict[str, Json] = {}
        """What the sandbox knows about an object and Stripe does not show, by object id."""
        self.jobs: list[Json] = []
        self.idempotency: dict[str, Json] = {}
        self.deliveries: dict[str, Json] = {}
        self.account_changes: Json = {}
        self.billing: Json = {"after_retries": "cancel"}
        """How the account is set up for subscriptions whose payments failed for good."""
        self.other_mode: World | None = None
        """The same account in its other mode."""
        self.on_change: Callable[[], None] = lambda: None

    @property
    def livemode(self) -> bool:
        """Whether this is the account's live mode."""
        return self.keys.livemode

    def table(self, kind: str) -> Table:
        """The table of a kind."""
        if kind not in self.tables:
            self.tables[kind] = Table(kind)
        return self.tables[kind]

    def add(self, kind: str, fields: Json, *, created: int | None = None) -> Json:
        """Make an object of this kind. Fields given win over the id, kind, time and mode filled in."""
        stamp = self.clock.now() if created is None else created
        row: Json = {"id": new_id(kind), "object": kind, "created": stamp, "livemode": self.livemode} | fields
        self.on_change()
        return self.table(kind).insert(row)

    def find(self, kind: str, object_id: str | None) -> Json | None:
        """The object, or None."""
        return self.table(kind).rows.get(object_id) if object_id else None

    def get(self, kind: str, object_id: str, *, param: str = "id", status: int = 404) -> Json:
        """The object.

        Raises:
            ApiError: it does not exist in this world.
        """
        row = self.table(kind).rows.get(object_id)
        if row is None:
            label = LABELS.get(kind, kind)
            raise missing_object(
                label, object_id, param=param, status=status, hint=self._hint(kind, object_id)
            )
        return row

    def _hint(self, kind: str, object_id: str) -> str:
        """What Stripe adds when the account's other mode has the object."""
        if self.other_mode is None or self.other_mode.find(kind, object_id) is None:
            return ""
        here, there = ("live", "test") if self.livemode else ("test", "live")
        return (
            f"; a similar object exists in {there} mode, but a {here} mode key was used to make this request."
        )

    def note(self, object_id: str) -> Json:
        """Private notes about an object; what is written here stays."""
        return self.notes.setdefault(object_id, {})

    def touched(self, row: Json) -> None:
        """A row was changed in place."""
        self.table(row["object"]).reindex(row)
        self.on_change()

    def plan(self, kind: str, subject: str, *, after: float, clock: str | None = None) -> None:
        """Have a job of this kind run `after` seconds from now, by a test clock or by the world's own."""
        frozen = self.find("test_helpers.test_clock", clock)
        now = float(frozen["frozen_time"]) if frozen else self.clock.exact()
        where = {"clock": clock} if frozen else {}
        self.jobs.append({"kind": kind, "subject": subject, "due_at": now + after, **where})
        self.on_change()

    def unplan(self, kind: str, subject: str) -> None:
        """Forget planned jobs of this kind about one object."""
        self.jobs = [j for j in self.jobs if (j["kind"], j["subject"]) != (kind, subject)]

    def forget_jobs(self, subject: str) -> None:
        """Forget everything that is planned about one object."""
        self.jobs = [j for j in self.jobs if j["subject"] != subject]

    def dump(self) -> Json:
        """Everything that a restart must know."""
        return {
            "offset": self.clock.offset,
            "tables": {kind: table.dump() for kind, table in self.tables.items()},
            "notes": self.notes,
            "jobs": self.jobs,
            "idempotency": self.idempotency,
            "deliveries": self.deliveries,
            "account_changes": self.account_changes,
            "billing": self.billing,
        }

    def restore(self, state: Json) -> None:
        """Take over what `dump` gave."""
        self.clock.offset = state["offset"]
        for kind, rows in state["tables"].items():
            self.table(kind).restore(rows)
        for name in ("notes", "jobs", "idempotency", "deliveries", "account_changes"):
            setattr(self, name, state[name])
        self.billing |= state.get("billing", {})


def new_worlds() -> dict[str, World]:
    """Two accounts in two modes, by name, all empty."""
    worlds = {keys.name: World(keys) for keys in WORLDS}
    for one in worlds.values():
        one.other_mode = next(
            (w for w in worlds.values() if w.keys.account == one.keys.account and w is not one), None
        )
    return worlds
