"""Objects of one kind, in the order they were made, with indexes for the filters that lists use."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from plugins.stripe.sandbox.errors import Json

INDEXED: dict[str, tuple[str, ...]] = {
    "balance_transaction": ("source",),
    "charge": ("payment_intent", "customer"),
    "credit_note": ("invoice",),
    "customer": ("email",),
    "dispute": ("charge", "payment_intent"),
    "event": ("type",),
    "line_item": ("invoice",),
    "invoice": ("customer", "status"),
    "invoice_payment": ("invoice", "payment.payment_intent", "payment.payment_record"),
    "invoiceitem": ("customer", "invoice"),
    "payment_intent": ("customer",),
    "payment_method": ("customer",),
    "price": ("product", "lookup_key"),
    "refund": ("charge", "payment_intent"),
    "setup_attempt": ("setup_intent",),
    "setup_intent": ("customer",),
    "subscription": ("customer", "status"),
}


def field(row: Json, path: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = row
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


class Table:
    """Rows by id. Deleted rows leave their place behind, because cursors may still point at it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.rows: dict[str, Json] = {}
        self.deleted: dict[str, Json] = {}
        self._order: list[str] = []
        self._created: list[int] = []
        self._positions: dict[str, int] = {}
        self._ascending = True
        self._indexes: dict[str, dict[Any, dict[str, None]]] = {f: {} for f in INDEXED.get(kind, ())}
        self._indexed_as: dict[str, tuple[Any, ...]] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def insert(self, row: Json) -> Json:
        """Add a row as the newest."""
        created = int(row.get("created") or row.get("date") or 0)
        self._ascending = self._ascending and (not self._created or created >= self._created[-1])
        self._positions[row["id"]] = len(self._order)
        self._order.append(row["id"])
        self._created.append(created)
        self.rows[row["id"]] = row
        self.reindex(row)
        return row

    def remove(self, row_id: str) -> None:
        """Delete a row; its place stays known to cursors."""
        self._unindex(row_id)
        self.deleted[row_id] = self.rows.pop(row_id)

    def reindex(self, row: Json) -> None:
        """Bring the indexes up to date after a change of this row."""
        keys = tuple(field(row, f) for f in self._indexes)
        if self._indexed_as.get(row["id"]) == keys:
            return
        self._unindex(row["id"])
        self._indexed_as[row["id"]] = keys
        for index, key in zip(self._indexes.values(), keys, strict=True):
            index.setdefault(key, {})[row["id"]] = None

    def knows(self, row_id: str) -> bool:
        """Whether a cursor may name this id."""
        return row_id in self._positions

    def where(self, path: str, value: Any) -> list[Json]:
        """Every row with this value, oldest first."""
        return list(reversed(list(self._newest({path: value}, lambda _row: True, range(len(self._order))))))

    def newest(
        self,
        filters: dict[str, Any],
        keep: Callable[[Json], bool],
        *,
        after: str | None = None,
        before: str | None = None,
        span: tuple[int | None, int | None] = (None, None),
    ) -> Iterator[Json]:
        """Matching rows, newest first; with `before`, the rows just before the cursor, oldest first.

        `span` is the half-open range of `created`.
        """
        low, high = self._bounds(span)
        if after is not None:
            high = min(high, self._positions[after])
        if before is None:
            return self._newest(filters, keep, range(low, high))
        return self._oldest(filters, keep, range(max(low, self._positions[before] + 1), high))

    def _bounds(self, span: tuple[int | None, int | None]) -> tuple[int, int]:
        """Positions that can lie within the span; everything when clocks went backwards."""
        if not self._ascending:
            return 0, len(self._order)
        low = 0 if span[0] is None else bisect_left(self._created, span[0])
        high = len(self._order) if span[1] is None else bisect_left(self._created, span[1])
        return low, high

    def _newest(self, filters: dict[str, Any], keep: Callable[[Json], bool], where: range) -> Iterator[Json]:
        return self._matching(self._candidates(filters, where, newest_first=True), filters, keep)

    def _oldest(self, filters: dict[str, Any], keep: Callable[[Json], bool], where: range) -> Iterator[Json]:
        return self._matching(self._candidates(filters, where, newest_first=False), filters, keep)

    def _candidates(self, filters: dict[str, Any], where: range, *, newest_first: bool) -> Iterable[str]:
        indexed = [self._indexes[f].get(v, {}) for f, v in filters.items() if f in self._indexes]
        if not indexed:
            order = self._order
            return (order[p] for p in (reversed(where) if newest_first else where))
        smallest = min(indexed, key=len)
        places = sorted((self._positions[i] for i in smallest), reverse=newest_first)
        return (self._order[p] for p in places if p in where)

    def _matching(
        self, ids: Iterable[str], filters: dict[str, Any], keep: Callable[[Json], bool]
    ) -> Iterator[Json]:
        rows = self.rows
        for row_id in ids:
            row = rows.get(row_id)
            if row is not None and all(field(row, f) == v for f, v in filters.items()) and keep(row):
                yield row

    def _unindex(self, row_id: str) -> None:
        keys = self._indexed_as.pop(row_id, ())
        for index, key in zip(self._indexes.values(), keys, strict=False):
            index.get(key, {}).pop(row_id, None)

    def dump(self) -> Json:
        """Everything that a restart must know."""
        return {"order": self._order, "rows": self.rows, "deleted": self.deleted}

    def restore(self, state: Json) -> None:
        """Take over what `dump` gave."""
        for row_id in state["order"]:
            alive = row_id in state["rows"]
            self.insert(state["rows" if alive else "deleted"][row_id])
            if not alive:
                self.remove(row_id)
