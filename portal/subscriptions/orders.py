"""Subscriptions that somebody here wants to start: for the handler of a plugin, and for pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.contract.facts import Mode
from portal.contract.loading import provider_title
from portal.contract.orders import SubscriptionOrder
from portal.database.transaction import connection
from portal.errors import NotFound

MOST_SHOWN = 5


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as pages show it. `refusal` is for admins: why the provider did not do it."""

    id: int
    mode: Mode
    status: str
    refusal: str
    customer_id: int
    customer_name: str
    plan_id: int | None
    plan: str
    words: str
    metered: bool
    """The plan counts use: the quantity means nothing."""
    quantity: int
    trial_days: int
    send_link: bool
    provider: str
    account_id: int
    created_at: datetime
    subscription_id: int | None
    """Once the provider has it and the portal knows it."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.plan} for {self.customer_name}"


async def subscription_order(order_id: int) -> SubscriptionOrder:
    """The subscription that a task is to start.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        row = await held.fetchrow(_ORDER, order_id)
    if row is None:
        raise NotFound("There is no such order.")
    return SubscriptionOrder(
        id=row["id"],
        key=f"{row['instance']}:{row['id']}",
        external_id=row["external_id"],
        status=row["status"],
        plan_external_id=row["plan_external_id"],
        quantity=row["quantity"],
        trial_days=row["trial_days"],
        customer_id=row["customer_id"],
        customer_key=f"{row['instance']}:{row['customer_id']}",
        customer_name=row["name"],
        customer_email=row["email"] or None,
    )


async def find_order(order_id: int) -> OrderRow:
    """An order with what became of it.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        row = await held.fetchrow(f"{_ROWS} WHERE o.id = $1", order_id)
    if row is None:
        raise NotFound("There is no such order.")
    return _shown(row)


async def open_orders(mode: Mode | None) -> list[OrderRow]:
    """The newest that are under way, and those that were refused in the last day."""
    modes = [mode.value] if mode else [each.value for each in Mode]
    async with connection() as held:
        rows = await held.fetch(f"{_ROWS} {_OPEN}", modes, MOST_SHOWN)
    return [_shown(row) for row in rows]


def _shown(row: Mapping[str, Any]) -> OrderRow:
    values = {name: row[name] for name in _PLAIN}
    return OrderRow(**values, mode=Mode(row["mode"]), provider=provider_title(row["plugin"]))


_PLAIN = (
    "id",
    "status",
    "refusal",
    "customer_id",
    "customer_name",
    "plan_id",
    "plan",
    "words",
    "metered",
    "quantity",
    "trial_days",
    "send_link",
    "account_id",
    "created_at",
    "subscription_id",
)
_ORDER = """
SELECT o.id, o.external_id, o.status, o.plan_external_id, o.quantity, o.trial_days, c.id AS customer_id,
       c.name, c.email, coalesce((SELECT instance_id::text FROM organisation LIMIT 1), '') AS instance
FROM subscription_order o JOIN customer one ON one.id = o.customer
     JOIN customer c ON c.id = coalesce(one.merged_into, one.id)
WHERE o.id = $1
"""
_ROWS = """
SELECT o.id, o.mode, o.status, o.refusal, c.id AS customer_id, c.name AS customer_name, p.id AS plan_id,
       coalesce(nullif(d.name, ''), o.plan_external_id) AS plan, coalesce(p.words, '') AS words,
       coalesce(p.metered, false) AS metered, o.quantity, o.trial_days, o.send_link, a.plugin,
       a.id AS account_id, o.created_at, s.id AS subscription_id
FROM subscription_order o JOIN customer c ON c.id = o.customer JOIN connected_account a ON a.id = o.account
     LEFT JOIN plan p ON p.account = o.account AND p.external_id = o.plan_external_id
     LEFT JOIN product d ON d.account = p.account AND d.external_id = p.product_external_id
     LEFT JOIN subscription s ON s.account = o.account AND s.external_id = o.external_id
"""
_OPEN = """
WHERE o.status <> 'made' AND o.mode = ANY($1::text[])
      AND (o.status = 'asked' OR o.created_at > now() - interval '1 day')
ORDER BY o.id DESC LIMIT $2
"""
