"""Many products, plans and subscriptions at once: which say nothing new, and those that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal.audit.sources import Source
from portal.contract.facts import PlanSeen, ProductSeen, SubscriptionSeen
from portal.customers.links import ProviderCustomer, customers_of
from portal.database.transaction import Connection
from portal.finance.services import zone_of_days
from portal.subscriptions.facts import (
    COLUMNS,
    PLAN_COLUMNS,
    Named,
    created_words,
    plan_names,
    plan_values,
    subscription_values,
)
from portal.subscriptions.first_payments import keep_order

Seen = ProductSeen | PlanSeen | SubscriptionSeen
_TABLES: Mapping[type[Seen], str] = {
    ProductSeen: "product",
    PlanSeen: "plan",
    SubscriptionSeen: "subscription",
}


_ORDERED = """
, EXISTS (SELECT FROM subscription_order o
           WHERE o.account = t.account AND o.external_id = t.external_id) AS ordered
"""
"""Whether an order is known to have led to it."""


async def known_rows(held: Connection, source: Source, facts: Sequence[Seen]) -> dict[str, Any]:
    """The rows of these objects, all of one kind, by the provider's ids."""
    if not facts:
        return {}
    kind = type(facts[0])
    more = _ORDERED if kind is SubscriptionSeen else ""
    rows = await held.fetch(
        f"SELECT t.*{more} FROM {_TABLES[kind]} t WHERE account = $1 AND external_id = ANY($2::text[])",  # noqa: S608 - names of ours
        source.account_id,
        [fact.external_id for fact in facts],
    )
    return {row["external_id"]: row for row in rows}


def says_nothing_new(row: Mapping[str, Any], fact: Seen) -> bool:
    """Whether the row stands as the fact says."""
    match fact:
        case ProductSeen():
            if fact.deleted:
                return bool(row["deleted"])
            says = (fact.name or fact.external_id, fact.active, fact.deleted)
            return (row["name"], row["active"], row["deleted"]) == says
        case PlanSeen():
            return tuple(row[name] for name in PLAN_COLUMNS) == plan_values(fact)
        case SubscriptionSeen():
            stands = all(row[name] == value for name, value in subscription_values(fact).items())
            wished = row["wish"] or row["wish_method_external_id"]
            return stands and not wished and (fact.order_id is None or row["ordered"])


async def add_products(held: Connection, source: Source, facts: Sequence[ProductSeen]) -> None:
    """Keep products that are not known."""
    rows = [(f.external_id, f.name or f.external_id, f.active and not f.deleted, f.deleted) for f in facts]
    await _add(held, source, _ADD_PRODUCTS, rows)


async def add_plans(held: Connection, source: Source, facts: Sequence[PlanSeen]) -> None:
    """Keep plans that are not known."""
    await _add(held, source, _ADD_PLANS, [plan_values(fact) for fact in facts])


async def add_subscriptions(held: Connection, source: Source, facts: Sequence[SubscriptionSeen]) -> None:
    """Keep subscriptions that are not known, with customers of ours."""
    if not facts:
        return
    wanted = [
        ProviderCustomer(fact.customer_external_id, fact.customer_name, fact.customer_email) for fact in facts
    ]
    customers = await customers_of(held, source, wanted)
    rows = [(customers[f.customer_external_id], *subscription_values(f).values()) for f in facts]
    added = await _add(held, source, _ADD_SUBSCRIPTIONS, rows)
    names = await plan_names(held, source.account_id, [fact.plan_external_id for fact in facts])
    named = Named(names, await zone_of_days(held))
    for fact in facts:
        if fact.external_id in added:
            await keep_order(held, source, fact)
            source.note(
                ("subscription.created", created_words(named, fact)),
                ("subscription", added[fact.external_id]),
                {"external_id": fact.external_id},
            )


async def _add(
    held: Connection, source: Source, statement: str, rows: Sequence[tuple[Any, ...]]
) -> dict[str, int]:
    if not rows:
        return {}
    columns = [list(column) for column in zip(*rows, strict=True)]
    added = await held.fetch(statement, source.account_id, source.mode.value, *columns)
    return {row["external_id"]: row["id"] for row in added}


def _statement(table: str, columns: Mapping[str, str]) -> str:
    names = ", ".join(columns)
    arrays = ", ".join(f"${place}::{kind}[]" for place, kind in enumerate(columns.values(), start=3))
    return f"""
    INSERT INTO {table} (account, mode, {names}, seen_at)
    SELECT $1, $2, n.*, now() FROM unnest({arrays}) AS n({names}) ORDER BY n.external_id
    ON CONFLICT ON CONSTRAINT {table}_once DO NOTHING RETURNING id, external_id
    """  # noqa: S608 - names of ours


_ADD_PRODUCTS = _statement(
    "product", {"external_id": "text", "name": "text", "active": "boolean", "deleted": "boolean"}
)
_ADD_PLANS = _statement("plan", PLAN_COLUMNS)
_ADD_SUBSCRIPTIONS = _statement("subscription", {"customer": "bigint"} | dict(COLUMNS))
