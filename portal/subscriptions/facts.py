"""How products, plans and subscriptions follow what a provider says. A fresh read always wins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from portal.audit.sources import Source
from portal.contract.facts import PlanSeen, ProductSeen, SubscriptionSeen
from portal.customers.links import ProviderCustomer, customers_of
from portal.database.transaction import Connection
from portal.finance.services import zone_of_days
from portal.subscriptions.first_payments import keep_order
from portal.subscriptions.methods import end_method_wish
from portal.subscriptions.rules import Shown, WishedPlan, is_granted, plain
from portal.web.live import announce


@dataclass(frozen=True, slots=True)
class Step:
    """What a fact changed, as a sentence; `new`: it was not known before."""

    words: str = ""
    new: bool = False


@dataclass(frozen=True, slots=True)
class Named:
    """What sentences call plans and days."""

    plans: Mapping[str, str]
    zone: ZoneInfo

    def day(self, at: datetime) -> str:
        """`30 Nov 2026`, where the organisation is."""
        return f"{at.astimezone(self.zone):%-d %b %Y}"


async def apply_product_seen(held: Connection, source: Source, fact: ProductSeen) -> Step:
    """Keep the product as it stands. A deleted one is marked, its plans still refer to it."""
    row = await held.fetchrow(
        """
        INSERT INTO product AS old (account, mode, external_id, name, active, deleted, seen_at)
        VALUES ($1, $2, $3, $4, $5, $6, now())
        ON CONFLICT ON CONSTRAINT product_once DO UPDATE
        SET name = CASE WHEN excluded.deleted THEN old.name ELSE excluded.name END,
            active = excluded.active AND NOT excluded.deleted, deleted = excluded.deleted, seen_at = now()
        WHERE excluded.deleted IS DISTINCT FROM old.deleted
           OR NOT excluded.deleted
              AND (old.name, old.active) IS DISTINCT FROM (excluded.name, excluded.active)
        RETURNING xmax = 0 AS new, name
        """,
        source.account_id,
        source.mode.value,
        fact.external_id,
        fact.name or fact.external_id,
        fact.active and not fact.deleted,
        fact.deleted,
    )
    return Step() if row is None else Step(_kept(f"The product {row['name']}", row["new"], fact), row["new"])


async def apply_plan_seen(held: Connection, source: Source, fact: PlanSeen) -> Step:
    """Keep the plan as it stands. A deleted one is marked, its subscriptions still refer to it."""
    row = await held.fetchrow(
        """
        INSERT INTO plan AS old (account, mode, external_id, product_external_id, amount_minor, currency,
                                 interval, interval_count, words, active, deleted, metered, seen_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now())
        ON CONFLICT ON CONSTRAINT plan_once DO UPDATE
        SET product_external_id = excluded.product_external_id, amount_minor = excluded.amount_minor,
            currency = excluded.currency, interval = excluded.interval,
            interval_count = excluded.interval_count, words = excluded.words, active = excluded.active,
            deleted = excluded.deleted, metered = excluded.metered, seen_at = now()
        WHERE (old.product_external_id, old.amount_minor, old.currency, old.interval, old.interval_count,
               old.words, old.active, old.deleted, old.metered)
              IS DISTINCT FROM
              (excluded.product_external_id, excluded.amount_minor, excluded.currency, excluded.interval,
               excluded.interval_count, excluded.words, excluded.active, excluded.deleted,
               excluded.metered)
        RETURNING xmax = 0 AS new
        """,
        source.account_id,
        source.mode.value,
        *plan_values(fact),
    )
    return Step() if row is None else Step(_kept(f"The plan {fact.words}", row["new"], fact), row["new"])


async def apply_subscription_seen(held: Connection, source: Source, fact: SubscriptionSeen) -> Step:
    """Keep the subscription as it stands, with a customer of ours; returns what changed."""
    before = await held.fetchrow(
        "SELECT * FROM subscription WHERE account = $1 AND external_id = $2 FOR UPDATE",
        source.account_id,
        fact.external_id,
    )
    seen = subscription_values(fact)
    if before is not None and not (changed := [name for name in seen if before[name] != seen[name]]):
        said = [await _end_wishes(held, before, fact), await keep_order(held, source, fact)]
        return Step(" ".join(words for words in said if words))
    # Whose it is was decided when it was first seen: it stays so when the link is taken apart.
    customer_id = before["customer"] if before else await _customer_of(held, source, fact)
    stored = await held.fetchrow(_STORE, source.account_id, source.mode.value, customer_id, *seen.values())
    if stored is None:
        return Step()
    if before is not None:
        await _end_wishes(held, before, fact)
    plans = [fact.plan_external_id, *([before["plan_external_id"]] if before else [])]
    named = Named(await plan_names(held, source.account_id, plans), await zone_of_days(held))
    words = created_words(named, fact) if before is None else _changed_words(named, before, fact, changed)
    action = "subscription.created" if before is None else "subscription.changed"
    source.note((action, words), ("subscription", stored["id"]), {"external_id": fact.external_id})
    await keep_order(held, source, fact)
    await announce(held, f"subscription:{stored['id']}")
    return Step(words, new=before is None)


async def _customer_of(held: Connection, source: Source, fact: SubscriptionSeen) -> int:
    customer = ProviderCustomer(fact.customer_external_id, fact.customer_name, fact.customer_email)
    return (await customers_of(held, source, [customer]))[fact.customer_external_id]


async def plan_names(held: Connection, account_id: int, plan_external_ids: Sequence[str]) -> dict[str, str]:
    """What to call plans: by their products' names, else their prices in words, else the provider's ids."""
    rows = await held.fetch(
        """
        SELECT l.external_id, coalesce(nullif(p.name, ''), nullif(l.words, '')) AS name FROM plan l
        LEFT JOIN product p ON p.account = l.account AND p.external_id = l.product_external_id
        WHERE l.account = $1 AND l.external_id = ANY($2::text[])
        """,
        account_id,
        plan_external_ids,
    )
    known = {row["external_id"]: row["name"] for row in rows if row["name"]}
    return {external_id: known.get(external_id, external_id) for external_id in plan_external_ids}


def created_words(named: Named, fact: SubscriptionSeen) -> str:
    """A new subscription as a sentence."""
    name = named.plans[fact.plan_external_id]
    return f"{name}: {plain(fact.status)}, since {named.day(fact.started_at)}."


def plan_values(fact: PlanSeen) -> tuple[Any, ...]:
    """The fact as the columns of a row, from `external_id` to `metered`."""
    return (
        fact.external_id,
        fact.product_external_id,
        fact.amount.amount_minor if fact.amount else None,
        fact.currency,
        fact.interval,
        fact.interval_count,
        fact.words,
        fact.active and not fact.deleted,
        fact.deleted,
        fact.metered,
    )


def subscription_values(fact: SubscriptionSeen) -> dict[str, Any]:
    """The fact as columns of a row, in the order of the statement that stores them."""
    values = {name: getattr(fact, name) for name in COLUMNS if name != "amount_minor"}
    return values | {"amount_minor": fact.amount.amount_minor if fact.amount else None}


def _kept(what: str, new: bool, fact: ProductSeen | PlanSeen) -> str:  # noqa: FBT001 - a column
    if fact.deleted:
        return f"{what} was deleted at the provider."
    return f"{what} was added." if new else f"{what} changed{'' if fact.active else ' and is not sold now'}."


def _changed_words(named: Named, before: Any, fact: SubscriptionSeen, changed: list[str]) -> str:
    names, said = named.plans, []
    if before["status"] != fact.status:
        said.append(f"{plain(before['status'])} → {plain(fact.status)}")
    if "plan_external_id" in changed:
        said.append(f"{names[before['plan_external_id']]} → {names[fact.plan_external_id]}")
    if "quantity" in changed:
        said.append(f"{before['quantity']} → {fact.quantity} seats")
    if "cancel_at_period_end" in changed or "cancel_at" in changed:
        later = fact.cancel_at_period_end or fact.cancel_at
        said.append("it will end" if later else "it will go on")
    if "pause" in changed:
        said.append("collection is paused" if fact.pause else "collection goes on")
    if "method_external_id" in changed and fact.method_external_id:
        said.append("charged to another method" if before["method_external_id"] else "its method is known")
    if not said and "period_end" in changed and fact.period_end:
        said.append(f"renewed until {named.day(fact.period_end)}")
    return f"{names[fact.plan_external_id]}: {', '.join(said) or 'details changed'}."


async def _end_wishes(held: Connection, before: Any, fact: SubscriptionSeen) -> str:
    said = (await _grant(held, before, fact), await end_method_wish(held, before, fact))
    return " ".join(words for words in said if words)


async def _grant(held: Connection, before: Any, fact: SubscriptionSeen) -> str:
    """Forget a wish that came true."""
    ends_later = fact.cancel_at_period_end or fact.cancel_at is not None
    shown = Shown(fact.status, ends_later, fact.pause, fact.plan_external_id, fact.quantity)
    wished = WishedPlan(before["wish_plan_external_id"], before["wish_quantity"])
    if not before["wish"] or not is_granted(before["wish"], shown, wished):
        return ""
    await held.execute(
        """
        UPDATE subscription SET wish = '', wish_plan_external_id = '', wish_quantity = 0, wish_proration = ''
        WHERE id = $1
        """,
        before["id"],
    )
    await announce(held, f"subscription:{before['id']}")
    return "The provider has done what was asked."


PLAN_COLUMNS: Mapping[str, str] = {
    "external_id": "text",
    "product_external_id": "text",
    "amount_minor": "bigint",
    "currency": "text",
    "interval": "text",
    "interval_count": "bigint",
    "words": "text",
    "active": "boolean",
    "deleted": "boolean",
    "metered": "boolean",
}
"""The columns of a plan that follow the fact, with their types."""
COLUMNS: Mapping[str, str] = {
    "customer_external_id": "text",
    "external_id": "text",
    "plan_external_id": "text",
    "quantity": "bigint",
    "status": "text",
    "currency": "text",
    "interval": "text",
    "interval_count": "bigint",
    "started_at": "timestamptz",
    "period_start": "timestamptz",
    "period_end": "timestamptz",
    "trial_end": "timestamptz",
    "cancel_at": "timestamptz",
    "cancel_at_period_end": "boolean",
    "canceled_at": "timestamptz",
    "ended_at": "timestamptz",
    "pause": "text",
    "latest_invoice_external_id": "text",
    "method_external_id": "text",
    "amount_minor": "bigint",
}
"""The columns of a subscription that follow the fact, with their types."""
_STORE = f"""
INSERT INTO subscription AS old (account, mode, customer, {", ".join(COLUMNS)}, seen_at)
VALUES ($1, $2, $3, {", ".join(f"${place}" for place in range(4, 4 + len(COLUMNS)))}, now())
ON CONFLICT ON CONSTRAINT subscription_once DO UPDATE
SET customer = excluded.customer, seen_at = now(),
    {", ".join(f"{name} = excluded.{name}" for name in COLUMNS)}
RETURNING id
"""  # noqa: S608 - words of ours
