"""Personal data of a customer go; what the law keeps stays: issued invoices, and what is printed on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import asyncpg

from portal.audit.services import Actor, record
from portal.contract.loading import plugin_by_id, provider_title
from portal.customers.holding import hold_customers
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.web.live import announce

NAMELESS = "Erased customer"
BATCH = 500
"""Bodies of events that are rewritten at once."""


@dataclass(frozen=True, slots=True)
class ErasurePreview:
    """What erasing would do, in counts, and why it cannot be done now (empty: it can)."""

    id: int
    name: str
    obstacle: str
    issued: int
    """Invoices that were issued: with any, name, address and tax number stay as printed on them."""
    owed: int
    """Of these, those that are still to be paid."""
    methods: int
    mails: int
    providers: tuple[tuple[str, str, str], ...]
    """Plugin, its provider's title and id of each customer there: the provider keeps its own copy."""


async def preview_erasure(customer_id: int) -> ErasurePreview:
    """What would go and what would stay.

    Raises:
        NotFound: there is no such customer.
    """
    async with connection() as held:
        customer = await held.fetchrow("SELECT * FROM customer WHERE id = $1", customer_id)
        if customer is None:
            raise NotFound("There is no such customer.")
        (counts,) = await held.fetch(_COUNTS, customer_id)
        links = await held.fetch(_LINKS, customer_id)
        obstacle = await _obstacle(held, customer)
    providers = tuple((row["plugin"], provider_title(row["plugin"]), row["external_id"]) for row in links)
    return ErasurePreview(customer_id, customer["name"], obstacle, **dict(counts), providers=providers)


async def erase_customer(customer_id: int, *, actor: Actor) -> None:
    """Erase, in one transaction and for good. A second press changes nothing.

    The links stay without words: by them a later reading finds out that it must not bring the data back.

    Raises:
        NotFound: there is no such customer.
        Conflict: money is under way, a subscription runs, a draft waits, or the customer was merged.
    """
    try:
        async with transaction() as tx:
            customer = (await hold_customers(tx.connection, [customer_id]))[customer_id]
            if customer["erased_at"]:
                return
            if obstacle := await _obstacle(tx.connection, customer):
                raise Conflict(obstacle)
            await _erase_traces(tx.connection, customer_id)
            for statement in (_MAIL, _METHOD_LINKS, _DIFFERENCES, _METHODS, _APART, _LINK_WORDS):
                await tx.connection.execute(statement, customer_id)
            await tx.connection.execute(_CUSTOMER, customer_id, NAMELESS)
            await record(
                tx.connection,
                actor=actor,
                action="customer.erased",
                words="Erased the personal data of this customer. Issued invoices stay as the law wants it.",
                subject=("customer", customer_id),
            )
            await announce(tx.connection, f"customer:{customer_id}")
    except asyncpg.DeadlockDetectedError as error:
        raise Conflict("The customer was in use at that moment.", hint="Try again.") from error


async def _obstacle(held: Connection, customer: Any) -> str:
    if customer["merged_into"]:
        return "This customer was merged into another one: erase that one."
    (row,) = await held.fetch(_UNDER_WAY, customer["id"])
    reasons = {
        "paying": "A payment or refund of this customer is under way. Wait until it has ended.",
        "subscribed": "A subscription of this customer is running. Cancel it first.",
        "drafts": "A draft is waiting for this customer. Finalise it, or give it to another customer, first.",
    }
    found = [words for name, words in reasons.items() if row[name]]
    if found or not await _events_wait(held, customer["id"]):
        return " ".join(found)
    return "An event about this customer is still to be handled. That takes a moment as a rule."


async def _events_wait(held: Connection, customer_id: int) -> bool:
    for account, ids in (await _traces(held, customer_id)).items():
        if await held.fetchval(_WAITING, account, ids):
            return True
    return False


async def _erase_traces(held: Connection, customer_id: int) -> None:
    """Whatever the provider said word by word: bodies of events, and what the plugin keeps of objects."""
    for account, ids in (await _traces(held, customer_id)).items():
        plugin = plugin_by_id(
            await held.fetchval("SELECT plugin FROM connected_account WHERE id = $1", account)
        )
        if plugin is not None:
            await plugin.erase_copies(held, account, ids)
        last = 0
        while events := await held.fetch(_EVENTS, account, ids, last, BATCH):
            bodies = [plugin.erased_body(row["body"]) if plugin else b"" for row in events]
            await held.execute(_REWRITE, [row["id"] for row in events], bodies)
            last = events[-1]["id"]


async def _traces(held: Connection, customer_id: int) -> dict[int, list[str]]:
    """By connection: the provider's ids of the customer and of whatever of theirs is known here."""
    return {row["account"]: row["ids"] for row in await held.fetch(_TRACES, customer_id)}


_COUNTS = """
SELECT (SELECT count(*) FROM invoice WHERE customer = $1 AND number IS NOT NULL) AS issued,
       (SELECT count(*) FROM invoice WHERE customer = $1 AND status IN ('open', 'partly_paid')) AS owed,
       (SELECT count(*) FROM payment_method m JOIN customer_link l
               ON l.account = m.account AND l.external_id = m.customer_external_id
        WHERE l.customer = $1) AS methods,
       (SELECT count(*) FROM mail_message m JOIN invoice i
               ON m.subject_kind = 'invoice' AND m.subject_id = i.id WHERE i.customer = $1) AS mails
"""
_LINKS = """
SELECT a.plugin, l.external_id FROM customer_link l JOIN connected_account a ON a.id = l.account
WHERE l.customer = $1 AND NOT l.deleted ORDER BY l.id
"""
_UNDER_WAY = """
SELECT EXISTS (SELECT FROM invoice i WHERE i.customer = $1 AND (
           i.status = 'processing'
           OR EXISTS (SELECT FROM payment_attempt t WHERE t.invoice = i.id AND t.state = 'processing')
           OR EXISTS (SELECT FROM refund r WHERE r.invoice = i.id
                      AND r.status IN ('requested', 'pending', 'requires_action')))) AS paying,
       EXISTS (SELECT FROM subscription WHERE customer = $1
               AND status NOT IN ('canceled', 'incomplete_expired')) AS subscribed,
       EXISTS (SELECT FROM invoice WHERE customer = $1 AND number IS NULL) AS drafts
"""
_TRACES = """
WITH links AS (SELECT account, external_id FROM customer_link WHERE customer = $1),
     invoices AS (SELECT id, account, external_id FROM invoice WHERE customer = $1)
SELECT account, array_agg(DISTINCT external_id) AS ids FROM (
    SELECT account, external_id FROM links
    UNION ALL SELECT m.account, m.external_id FROM links l JOIN payment_method m
              ON m.account = l.account AND m.customer_external_id = l.external_id
    UNION ALL SELECT account, external_id FROM subscription WHERE customer = $1
    UNION ALL SELECT account, external_id FROM invoices
    UNION ALL SELECT p.account, p.external_id FROM invoices i JOIN payment p ON p.invoice = i.id
    UNION ALL SELECT t.account, t.external_id FROM invoices i JOIN payment_attempt t ON t.invoice = i.id
    UNION ALL SELECT r.account, r.external_id FROM invoices i JOIN refund r ON r.invoice = i.id
    UNION ALL SELECT c.account, c.external_id FROM invoices i JOIN credit c ON c.invoice = i.id
    UNION ALL SELECT d.account, d.external_id FROM invoices i JOIN dispute d ON d.invoice = i.id
) AS found WHERE account IS NOT NULL AND external_id IS NOT NULL GROUP BY account ORDER BY account
"""
_WAITING = """
SELECT EXISTS (SELECT FROM webhook_event
               WHERE account = $1 AND object_id = ANY ($2::text[]) AND state IN ('received', 'processing'))
"""
_EVENTS = """
SELECT id, body FROM webhook_event
WHERE account = $1 AND object_id = ANY ($2::text[]) AND id > $3 AND octet_length(body) > 0
ORDER BY id LIMIT $4 FOR UPDATE
"""
_REWRITE = """
UPDATE webhook_event e SET body = n.body
FROM unnest($1::bigint[], $2::bytea[]) AS n(id, body) WHERE e.id = n.id
"""
_MAIL = """
UPDATE mail_message m SET to_address = '', sealed_body = '', error = '',
       state = CASE WHEN m.state IN ('waiting', 'sending') THEN 'dropped' ELSE m.state END
FROM (SELECT 'invoice' AS kind, id FROM invoice WHERE customer = $1
      UNION ALL SELECT 'subscription', id FROM subscription WHERE customer = $1) AS theirs
WHERE m.subject_kind = theirs.kind AND m.subject_id = theirs.id
"""
_METHOD_LINKS = """
DELETE FROM method_link l USING subscription s WHERE s.customer = $1 AND l.subscription = s.id
"""
_DIFFERENCES = """
UPDATE sync_difference d SET ours = '', theirs = '',
       state = CASE WHEN d.state = 'open' THEN 'gone' ELSE d.state END,
       resolved_at = coalesce(resolved_at, now())
WHERE d.subject_kind = 'customer' AND (d.subject_id = $1 OR (d.account, d.external_id) IN (
    SELECT account, external_id FROM customer_link WHERE customer = $1))
"""
_METHODS = """
DELETE FROM payment_method m USING customer_link l
WHERE l.customer = $1 AND l.account = m.account AND l.external_id = m.customer_external_id
"""
_APART = "DELETE FROM customer_apart WHERE customer = $1 OR other = $1"
_LINK_WORDS = """
UPDATE customer_link SET name = '', email = '', sent_name = NULL, sent_email = NULL WHERE customer = $1
"""
_CUSTOMER = """
UPDATE customer c SET email = '', erased_at = now(), updated_at = now(),
       name = CASE WHEN issued.stays THEN c.name ELSE $2 END,
       address = CASE WHEN issued.stays THEN c.address ELSE '' END,
       tax_id = CASE WHEN issued.stays THEN c.tax_id ELSE '' END
FROM (SELECT EXISTS (SELECT FROM invoice WHERE customer = $1 AND number IS NOT NULL)) AS issued(stays)
WHERE c.id = $1
"""
