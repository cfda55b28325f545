"""What becomes of an order once the provider has its subscription: the way to the first payment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portal.audit.services import SYSTEM, Note
from portal.audit.sources import Source
from portal.contract.facts import InvoiceSeen, SubscriptionSeen
from portal.database.transaction import Connection
from portal.invoices.links import store_pay_link
from portal.mail.claims import BY_HAND
from portal.mail.rules import masked
from portal.mail.servers import mail_ready
from portal.mail.services import Mail, queue_mail
from portal.settings import current_settings
from portal.subscriptions.trial_starts import ask_for_method


async def keep_order(held: Connection, source: Source, fact: SubscriptionSeen) -> str:
    """The order that the subscription was made for is done; returns what changed, as a sentence.

    Whoever copies a subscription at the provider copies its metadata, too: the first one is the order's.
    """
    if fact.order_id is None:
        return ""
    made = await held.fetchval(_MADE, fact.order_id, source.account_id, source.mode.value, fact.external_id)
    if made is None:
        return ""
    await _open(held, source, [fact.external_id])
    await ask_for_method(held, source, int(made), fact)
    return "It is the one that was asked for here."


async def open_first_payments(held: Connection, source: Source, seen: Sequence[InvoiceSeen]) -> None:
    """Give the first invoice of each order a pay link, and mail it where that was wanted; once.

    Whichever is known last, the subscription or its invoice, does it: both ways end here.
    """
    billed = {one.subscription_external_id for one in seen if one.subscription_external_id}
    if billed:
        await _open(held, source, sorted(billed))


async def tell_of_bills(held: Connection, source: Source, seen: Sequence[InvoiceSeen]) -> None:
    """Tell open pages of subscriptions that an invoice of theirs changed."""
    billed = sorted({one.subscription_external_id for one in seen if one.subscription_external_id})
    if not billed:
        return
    rows = await held.fetch(
        "SELECT id FROM subscription WHERE account = $1 AND external_id = ANY($2::text[])",
        source.account_id,
        billed,
    )
    for row in rows:
        source.announce(f"subscription:{row['id']}")


async def _open(held: Connection, source: Source, subscriptions: Sequence[str]) -> None:
    for row in await held.fetch(_FIRST, source.account_id, subscriptions):
        if await held.fetchval(_STILL_WITHOUT, row["invoice"]) is None:
            continue
        await store_pay_link(held, row["invoice"], source.mode)
        _note(source, row["invoice"], "invoice.link_made", "Pay link made, for the first payment.")
        source.announce(f"invoice:{row['invoice']}")
        source.announce(f"subscription:{row['subscription']}")
        if row["send_link"] and row["email"] and mail_ready(current_settings()):
            await _mail(held, source, row)


async def _mail(held: Connection, source: Source, row: Any) -> None:
    """A person ticked the box, so it is a message by hand."""
    key, about = f"{BY_HAND}order-{row['order']}", ("invoice", int(row["invoice"]))
    if await queue_mail(held, Mail(key, "invoice", about, source.mode.value, row["email"])) is None:
        return
    await held.execute("UPDATE invoice SET sent_at = now() WHERE id = $1", row["invoice"])
    _note(source, row["invoice"], "invoice.emailed", f"Invoice sent to {masked(row['email'])}.")


def _note(source: Source, invoice_id: int, action: str, words: str) -> None:
    source.notes.append(Note(SYSTEM, action, words, ("invoice", invoice_id), source.mode.value))


_MADE = """
UPDATE subscription_order SET status = 'made', external_id = $4, refusal = ''
WHERE id = $1 AND account = $2 AND mode = $3 AND external_id IS NULL
      AND NOT EXISTS (SELECT FROM subscription_order WHERE account = $2 AND external_id = $4)
RETURNING id
"""
_FIRST = """
SELECT o.id AS order, o.send_link, c.email, i.id AS invoice, coalesce(s.id, 0) AS subscription
FROM subscription_order o
     CROSS JOIN LATERAL (SELECT id, status, customer, pay_token_hash FROM invoice
                         WHERE account = o.account AND subscription_external_id = o.external_id
                               AND total_minor > 0
                         ORDER BY created_at, id LIMIT 1) AS i
     JOIN customer c ON c.id = i.customer
     LEFT JOIN subscription s ON s.account = o.account AND s.external_id = o.external_id
WHERE o.account = $1 AND o.external_id = ANY($2::text[]) AND i.pay_token_hash IS NULL AND i.status = 'open'
ORDER BY i.id
"""
"""The invoice of a trial asks for nothing: the first payment is that of the first one that does."""
_STILL_WITHOUT = "SELECT id FROM invoice WHERE id = $1 AND pay_token_hash IS NULL FOR UPDATE"
