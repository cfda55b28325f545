"""A customer whose pay link has expired asks for another, and does not learn whether it was a right one.

The letter with it may never arrive. So a link that had expired when it was replaced can ask again: the link
that works now goes to the address on file once more, as soon as no letter is on its way.
"""

from __future__ import annotations

from portal.auth.limits import TooManyAttempts, admit
from portal.database.transaction import Connection, transaction
from portal.invoices.links import renew_expired_link
from portal.mail.services import Mail, queue_mail
from portal.messages.matters import read_matter, why_not_by_itself
from portal.messages.texts import Kind
from portal.queue.rings import ring
from portal.security.tokens import Purpose, hash_token
from portal.settings import current_settings

UNDER_WAY = frozenset({"waiting", "sending"})
MOST_A_DAY = 3
"""So many mails about new links go to one address, whichever invoices they are about."""
NOBODY = 0
"""The id that stands for a token that opens nothing: it takes the same way as any other."""
PRESENT = 0
"""In the place of a former link's id: it was asked with the link that the invoice has now."""


async def ask_for_link(token: str, *, address: str) -> None:
    """Take the request, whatever the token.

    A worker decides what is to be done, so that every token is answered alike and in the same time. Who asks
    too often is answered alike, too, and nothing happens.
    """
    hashed = hash_token(token, Purpose.PAY_LINK)
    try:
        await admit("new-link", account=hashed.hex(), address=address)
    except TooManyAttempts:
        return
    async with transaction() as tx:
        found = await tx.connection.fetchrow(_ASKED_WITH, hashed, PRESENT)
        await ring(tx.connection, "portal.renew_link", *(found or (NOBODY, PRESENT)))


async def renew_link(invoice_id: int, former_id: int = PRESENT) -> None:
    """Mail a link that works to the address on file, if money is owed and who asks has one that does not.

    `former_id`: of the former link that it was asked with.
    """
    if invoice_id == NOBODY or await _in_vain(invoice_id):
        return
    async with transaction() as tx:
        row = await tx.connection.fetchrow(_ASKED, invoice_id, former_id)
        if row is None or await _wrote_often(tx.connection, row["email"]):
            return
        await renew_expired_link(invoice_id)
        last = await tx.connection.fetchrow(_LAST_LETTER, invoice_id)
        if last and last["state"] in UNDER_WAY:
            return
        key = f"new_link:{invoice_id}:after:{last['id'] if last else 'none'}"
        mail = Mail(key, Kind.NEW_LINK.value, ("invoice", invoice_id), row["mode"], row["email"])
        await queue_mail(tx.connection, mail)


async def _in_vain(invoice_id: int) -> bool:
    matter = await read_matter(invoice_id)
    return bool(why_not_by_itself(Kind.NEW_LINK, matter, current_settings()))


async def _wrote_often(held: Connection, address: str) -> bool:
    """Whether the address had its share; those who ask for one address take turns until they commit."""
    await held.execute("SELECT pg_advisory_xact_lock(hashtextextended('new-link ' || lower($1), 0))", address)
    count: int = await held.fetchval(
        """
        SELECT count(*) FROM mail_message
        WHERE kind = 'new_link' AND lower(to_address) = lower($1) AND created_at > now() - interval '1 day'
        """,
        address,
    )
    return count >= MOST_A_DAY


_ASKED_WITH = """
SELECT id, $2::bigint FROM invoice WHERE pay_token_hash = $1
UNION ALL SELECT invoice, id FROM former_pay_link WHERE token_hash = $1
"""
_ASKED = """
SELECT i.mode, c.email FROM invoice i JOIN customer c ON c.id = i.customer
WHERE i.id = $1 AND c.email <> '' AND (
    i.pay_link_expires_at <= now() OR EXISTS (SELECT FROM former_pay_link WHERE id = $2 AND invoice = $1))
FOR UPDATE OF i
"""
_LAST_LETTER = """
SELECT id, state FROM mail_message
WHERE subject_kind = 'invoice' AND subject_id = $1 AND kind = 'new_link' ORDER BY id DESC LIMIT 1
"""
