"""Starting a subscription from here: who gets what, asked for once, and done by the provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.audit.services import Actor, record
from portal.contract.facts import Mode
from portal.database.transaction import Connection, connection, transaction
from portal.errors import InvalidInput
from portal.mail.servers import mail_ready
from portal.settings import current_settings
from portal.subscriptions.plans import IS_SOLD
from portal.sync.queueing import queue_task

MOST_PLANS = 500


@dataclass(frozen=True, slots=True)
class WantedStart:
    """What a person wants to start. The plan is ours, by its row: it says which connection it belongs to."""

    customer_id: int
    plan_id: int
    quantity: int
    trial_days: int
    send_link: bool


async def plan_choices(mode: Mode | None) -> list[tuple[str, str]]:
    """Ids and words of the plans that a subscription can be started with, by name."""
    if mode is None:
        return []
    async with connection() as held:
        rows = await held.fetch(f"{_PLANS} ORDER BY product, p.id LIMIT $2", mode.value, MOST_PLANS)
    return [(str(row["id"]), f"{row['product']} · {row['words']}") for row in rows]


async def request_start(wanted: WantedStart, mode: Mode, *, actor: Actor) -> int:
    """Note what somebody wants and queue it for the provider; the order's id.

    Raises:
        InvalidInput: with what to do, field by field.
    """
    async with transaction() as tx:
        plan = await tx.connection.fetchrow(f"{_PLANS} AND p.id = $2", mode.value, wanted.plan_id)
        if plan is None:
            raise InvalidInput({"plan": "Choose a plan that is sold now."})
        name = await _check_customer(tx.connection, wanted)
        order: int = await tx.connection.fetchval(
            _STORE,
            plan["account"],
            mode.value,
            wanted.customer_id,
            plan["external_id"],
            wanted.quantity,
            wanted.trial_days,
            wanted.send_link,
        )
        await record(
            tx.connection,
            actor=actor,
            action="customer.subscription_asked",
            words=f"Asked to start {_said(plan, wanted)} for {name}.",
            subject=("customer", wanted.customer_id),
            mode=mode.value,
            details={"order": order},
        )
        await queue_task(
            tx.connection, account_id=plan["account"], kind="start_subscription", subject_id=order
        )
    return order


async def _check_customer(held: Connection, wanted: WantedStart) -> str:
    """The name of the customer, whose row stays as it is until the order is stored."""
    row = await held.fetchrow(
        """
        SELECT name, email FROM customer
        WHERE id = $1 AND merged_into IS NULL AND erased_at IS NULL FOR SHARE
        """,
        wanted.customer_id,
    )
    if row is None:
        raise InvalidInput({"customer": "Choose a customer."})
    if wanted.send_link and not row["email"]:
        words = "This customer has no email address. Add one, or take the tick away."
        raise InvalidInput({"send_link": words})
    if wanted.send_link and not mail_ready(current_settings()):
        raise InvalidInput({"send_link": "Mail is not set up. Take the tick away."})
    return str(row["name"])


def _said(plan: Any, wanted: WantedStart) -> str:
    many = f"{wanted.quantity} × " if wanted.quantity > 1 and not plan["metered"] else ""
    trial = f", with a trial of {wanted.trial_days} days" if wanted.trial_days else ""
    return f"{many}{plan['product']} ({plan['words']}){trial}"


_PLANS = f"""
SELECT p.id, p.account, p.external_id, p.words, p.metered,
       coalesce(nullif(d.name, ''), p.product_external_id) AS product
FROM plan p JOIN connected_account a ON a.id = p.account AND a.state <> 'disconnected'
     LEFT JOIN product d ON d.account = p.account AND d.external_id = p.product_external_id
WHERE p.mode = $1 AND p.interval <> '' AND {IS_SOLD}
"""  # noqa: S608 - a fragment of ours
_STORE = """
INSERT INTO subscription_order (account, mode, customer, plan_external_id, quantity, trial_days, send_link,
                                created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, now()) RETURNING id
"""
