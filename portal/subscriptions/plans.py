"""Products and their prices, as a provider has them: the newest price first, archived ones too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any
from urllib.parse import urlencode

from portal.contract.facts import Mode
from portal.contract.loading import plugin_by_id, provider_title
from portal.database.transaction import Connection, connection
from portal.web.keysets import PAGE_SIZE, START, Cursor, Slice, cut, is_first_page_again

PATH = "/subscriptions/plans"
COUNT_CEILING = 10_000


class Kind(StrEnum):
    """The tabs above the list. Their values stand in addresses."""

    ALL = "all"
    ACTIVE = "active"
    ARCHIVED = "archived"


@dataclass(frozen=True, slots=True)
class PlanFilter:
    """What the list shows; `mode` None: of both modes."""

    kind: Kind = Kind.ALL
    mode: Mode | None = None

    def href(self, **more: str) -> str:
        """The one address of this list."""
        said = {
            "kind": "" if self.kind is Kind.ALL else self.kind.value,
            "mode": Mode.TEST.value if self.mode is Mode.TEST else "",
            **more,
        }
        query = urlencode({name: value for name, value in said.items() if value})
        return f"{PATH}?{query}" if query else PATH

    def of_kind(self, kind: Kind) -> PlanFilter:
        """The same in another tab."""
        return replace(self, kind=kind)

    def in_mode(self, mode: Mode) -> PlanFilter:
        """The same of another mode."""
        return replace(self, mode=mode)


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A price. `state`: `active`, `archived` (it or its product is not sold now) or `deleted`."""

    id: int
    mode: Mode
    product: str
    """What it sells; the provider's id until the product is known."""
    words: str
    state: str
    subscriptions: int
    """That have not ended, with it as their first item."""
    provider: str
    href: str
    """Its page at the provider; empty: there is none."""


def read_plan_filter(values: Mapping[str, str], mode: Mode | None) -> PlanFilter:
    """The filter of an address; what it does not know filters nothing."""
    kind = values.get("kind", "")
    return PlanFilter(Kind(kind) if kind in list(Kind) else Kind.ALL, mode)


async def list_plans(wanted: PlanFilter, cursor: Cursor, *, size: int = PAGE_SIZE) -> Slice[PlanRow]:
    """One page of the list."""
    async with connection() as held:
        read = await _read(held, wanted, cursor, size)
        if is_first_page_again(read, cursor, size):
            cursor = START
            read = await _read(held, wanted, cursor, size)
    return cut(read, cursor, size, id_of=lambda row: row.id)


async def _read(held: Connection, wanted: PlanFilter, cursor: Cursor, size: int) -> list[PlanRow]:
    statement = _PLANS.format(sold=_SOLD[wanted.kind], sign=cursor.condition, order=cursor.order)
    modes = [wanted.mode.value] if wanted.mode else [mode.value for mode in Mode]
    rows = await held.fetch(statement, cursor.id, size + 1, modes, COUNT_CEILING + 1)
    return [_row(row) for row in rows]


def _row(row: Mapping[str, Any]) -> PlanRow:
    mode, plugin = Mode(row["mode"]), plugin_by_id(row["plugin"])
    href = (
        plugin.object_page(mode, "plan", row["external_id"]) if plugin and row["state"] != "deleted" else ""
    )
    return PlanRow(
        row["id"],
        mode,
        row["product"],
        row["words"],
        row["state"],
        row["subscriptions"],
        provider_title(row["plugin"]),
        href,
    )


IS_SOLD = "(p.active AND coalesce(d.active AND NOT d.deleted, true) AND NOT p.deleted)"
_SOLD = {Kind.ALL: "true", Kind.ACTIVE: IS_SOLD, Kind.ARCHIVED: f"NOT {IS_SOLD}"}
_PLANS = f"""
SELECT p.id, p.mode, p.external_id, p.words, a.plugin,
       coalesce(nullif(d.name, ''), p.product_external_id) AS product,
       CASE WHEN p.deleted THEN 'deleted' WHEN {IS_SOLD} THEN 'active' ELSE 'archived' END AS state,
       (SELECT count(*) FROM (
           SELECT FROM subscription s WHERE s.account = p.account AND s.plan_external_id = p.external_id
                  AND s.status NOT IN ('canceled', 'incomplete_expired') LIMIT $4) one) AS subscriptions
FROM plan p JOIN connected_account a ON a.id = p.account
     LEFT JOIN product d ON d.account = p.account AND d.external_id = p.product_external_id
WHERE p.id {{sign}} $1 AND p.mode = ANY($3::text[]) AND {{sold}}
ORDER BY p.id {{order}} LIMIT $2
"""  # noqa: S608 - fragments of ours
