"""What must hold, asked of the database, the sandbox and the logs. Each answer is what breaks it, or nothing.

I11 (one mail for each payment) has nothing to ask yet: the portal sends no mail.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from plugins.stripe.sandbox.keys import DEFAULT
from tests.builders import WEBHOOK_SECRET
from tests.faults.worlds import World

ANSWER_SECONDS = 5.5
"""The promise is five seconds; the rest is this machine's own business."""
CANARIES = (DEFAULT.secret_key, WEBHOOK_SECRET)

_ALWAYS = {
    "I3 two ledger rows for one payment": """
        SELECT concat(account, ' ', external_id, ' ', kind) FROM payment
        GROUP BY account, external_id, kind HAVING count(*) > 1
    """,
    "I4 the paid sum is not the ledger's": """
        SELECT concat('invoice ', i.id, ': ', i.amount_paid_minor, ' and ', coalesce(sum(p.amount_minor), 0))
        FROM invoice i LEFT JOIN payment p ON p.invoice = i.id GROUP BY i.id
        HAVING i.amount_paid_minor <> coalesce(sum(p.amount_minor), 0) OR i.amount_paid_minor < 0
            OR bool_or(p.currency <> i.currency)
    """,
    "I5 paid without a proof": """
        SELECT concat('invoice ', i.id) FROM invoice i LEFT JOIN payment p ON p.invoice = i.id
        WHERE i.status = 'paid' GROUP BY i.id HAVING coalesce(sum(p.amount_minor), 0) < i.total_minor
    """,
    "I8 a row of another mode": """
        SELECT concat('payment ', p.id) FROM payment p JOIN connected_account a ON a.id = p.account
        JOIN invoice i ON i.id = p.invoice WHERE p.mode <> a.mode OR i.mode <> p.mode
        UNION ALL
        SELECT concat('event ', e.id) FROM webhook_event e JOIN connected_account a ON a.id = e.account
        WHERE e.mode <> a.mode
    """,
    "I9 money without an audit entry": """
        SELECT concat('invoice ', i.id) FROM invoice i WHERE i.status = 'paid' AND NOT EXISTS (
            SELECT FROM audit_entry a WHERE a.object_kind = 'invoice' AND a.object_id = i.id::text
            AND a.action NOT IN ('invoice.created', 'invoice.finalised'))
    """,
}
_AT_REST = {
    "I2 an event without an end": """
        SELECT concat(external_id, ' ', state, ' ', error_words) FROM webhook_event
        WHERE state IN ('received', 'processing')
    """,
    "I2 an event was parked that should not be": """
        SELECT concat(external_id, ' ', type, ' ', error_code, ' ', error_words) FROM webhook_event
        WHERE state = 'parked' AND external_id NOT LIKE 'evt_poison%'
    """,
    "I7 the outbox gave up": """
        SELECT concat(kind, ' ', subject_id, ' ', error) FROM sync_task WHERE state = 'failed'
    """,
}


async def broken_always(world: World) -> list[str]:
    """What may not be so at any moment, a fault's included."""
    broken = [await _asked(world, name, query) for name, query in _ALWAYS.items()]
    broken.append(await _lost(world))
    if world.slowest_answer > ANSWER_SECONDS:
        broken.append(f"I12 a delivery waited {world.slowest_answer:.1f} s")
    return [words for words in broken if words]


async def broken_at_rest(world: World) -> list[str]:
    """What may not be so once everything was put right."""
    broken = [await _asked(world, name, query) for name, query in _AT_REST.items()]
    broken += [*await _out_of_step(world), _told(world)]
    return [*await broken_always(world), *(words for words in broken if words)]


async def broken_at_the_end(world: World) -> list[str]:
    """What takes too long to ask often: the whole audit chain, every table's every word."""
    said = (await asyncio.to_thread(world.chore, "audit")).strip()
    broken = [] if said == "intact" else [f"I9 the audit chain is {said}"]
    names = await world.product.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for (table,) in names:
        query = f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE ANY($1::text[])'  # noqa: S608 - its own names
        if await world.product.value(query, [f"%{canary}%" for canary in CANARIES]):
            broken.append(f"I10 a secret is readable in {table}")
    return broken


async def _asked(world: World, name: str, query: str) -> str:
    rows = await world.product.rows(f"{query} LIMIT 3")
    return f"{name}: {', '.join(row[0] for row in rows)}" if rows else ""


async def _lost(world: World) -> str:
    """I1: what was answered 2xx is stored."""
    accepted = {delivery["event"] for delivery in await world.delivered()} | set(world.accepted)
    rows = await world.product.rows(
        "SELECT external_id FROM webhook_event WHERE external_id = ANY($1::text[])", list(accepted)
    )
    lost = accepted - {row[0] for row in rows}
    return f"I1 accepted and lost: {', '.join(sorted(lost)[:3])}" if lost else ""


async def _out_of_step(world: World) -> list[str]:
    """I6 and I7: each invoice is at Stripe once, and both sides say the same of it."""
    rows = await world.product.rows(
        """
        SELECT id::text, external_id, status, amount_paid_minor, total_minor FROM invoice
        WHERE external_id IS NOT NULL
        """
    )
    pages = world.stripe.dashboard.invoices.list({"limit": 100})
    at_stripe = {}
    copies: Counter[str] = Counter()
    for invoice in await asyncio.to_thread(lambda: list(pages.auto_paging_iter())):
        at_stripe[invoice.id] = (invoice.status, invoice.amount_paid, invoice.total)
        if name := (invoice.to_dict().get("metadata") or {}).get("portal_invoice"):
            copies[name] += 1
    here = {row["external_id"]: tuple(row)[2:] for row in rows}
    differ = [name for name, said in here.items() if at_stripe.get(name) != said]
    doubled = [name for name, number in copies.items() if number > 1]
    words = [f"I6 {name}: here {here[name]}, at Stripe {at_stripe.get(name)}" for name in differ[:3]]
    return words + [f"I7 {len(doubled)} invoices are at Stripe more than once"] * bool(doubled)


def _told(world: World) -> str:
    """I10 in what the processes wrote."""
    logs = [*(world.data_dir / "logs").iterdir(), *(world.data_dir.parent.glob("*.log"))]
    telling = [log.name for log in logs if any(c in log.read_text(errors="replace") for c in CANARIES)]
    printed = "\n".join(world.product.portal.lines)
    if any(canary in printed for canary in CANARIES):
        telling.append("the console")
    return f"I10 a secret is readable in {', '.join(telling)}" if telling else ""
