"""Pay links: replaced, so that the old one opens nothing, or given another end.

A link that works is replaced by a person alone, who is told that it stops working at once: that is what
replacing is for, and the new one is on the page, to be copied or sent. What has expired is replaced where a
customer asks for it or a letter needs it. The new link goes to the address on file by mail alone, and mail
can fail, so nothing that worked until then is taken away: the expired link keeps the one thing that it could
do, which is to ask for the link that works now. A letter that fails or is held up stands in the timeline and
on the dashboard, with another try.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portal.audit.services import SYSTEM, Actor
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, InvalidInput
from portal.finance.rules import LONGEST_LINK
from portal.invoices.actions import WITHOUT_LINK
from portal.invoices.held import note
from portal.invoices.owed import Owed, lock_owed, note_on, shown
from portal.invoices.services import pay_link
from portal.security.sealing import seal
from portal.security.tokens import Purpose, hash_token, new_token

CUSTOMER = Actor("customer", "", "Customer")
RENEWED = "New pay link made. The old one does not work any more."
FOLLOWED = ("invoice.expired_link_renewed", "The pay link had expired: a new one was made.")
BY_MERCHANT = "merchant"
"""In the address's query: who opens it wants to see what the customer sees, and is not the customer."""


async def regenerate_pay_link(invoice_id: int, actor: Actor) -> None:
    """Give the invoice a new pay link for the usual time; the old ones open nothing and ask for nothing now.

    Raises:
        Conflict: it is a draft or void, or is paid where it was made.
        NotFound: there is no such invoice.
    """
    async with transaction() as tx:
        row = await _lock_linked(tx.connection, invoice_id)
        before = await _link_end(tx.connection, invoice_id)
        await tx.connection.execute("DELETE FROM former_pay_link WHERE invoice = $1", invoice_id)
        await store_pay_link(tx.connection, invoice_id, row.mode)
        words = "Pay link made." if before is None else RENEWED
        await note_on(tx.connection, row, actor, what=("invoice.link_renewed", words), details={})


async def renew_expired_link(invoice_id: int) -> None:
    """Give an invoice whose pay link has expired a new one. The old one can ask for it.

    Nothing happens while there is one that works, or where there never was one.

    Raises:
        Conflict: it is a draft or void, or is paid where it was made.
        NotFound: there is no such invoice.
    """
    async with transaction() as tx:
        await _renew_if_expired(tx.connection, await _lock_linked(tx.connection, invoice_id))


async def usable_pay_link(invoice_id: int, *, actor: Actor) -> str | None:
    """The address of the pay link that works, else of a new one; None: it was closed at this moment.

    Raises:
        Conflict: it is a draft or void, or is paid where it was made.
        NotFound: there is no such invoice.
    """
    async with transaction() as tx:
        row = await _lock_linked(tx.connection, invoice_id)
        await _renew_if_expired(tx.connection, row)
        if await _link_end(tx.connection, invoice_id) is None:
            await store_pay_link(tx.connection, invoice_id, row.mode)
            what = ("invoice.link_renewed", "Pay link made.")
            await note_on(tx.connection, row, actor, what=what, details={})
    return await pay_link(invoice_id)


async def _renew_if_expired(held: Connection, row: Owed) -> None:
    if await held.fetchval(_KEEP_EXPIRED, row.invoice.id):
        await store_pay_link(held, row.invoice.id, row.mode)
        await note_on(held, row, SYSTEM, what=FOLLOWED, details={})


async def store_pay_link(held: Connection, invoice_id: int, mode: Mode) -> None:
    """Give the invoice a new token inside the caller's transaction, which knows that it may have one."""
    token = new_token()
    await held.execute(
        """
        UPDATE invoice SET pay_token_hash = $2, sealed_pay_token = $3, pay_link_opened_at = NULL,
               pay_link_expires_at =
                   now() + (SELECT make_interval(days => pay_link_days::int) FROM organisation)
        WHERE id = $1
        """,
        invoice_id,
        hash_token(token, Purpose.PAY_LINK),
        seal(Secret(token), context=("invoice", str(invoice_id), mode.value, "pay_link")),
    )


async def change_link_end(invoice_id: int, ends_at: datetime, *, actor: Actor) -> None:
    """Let the pay link work until `ends_at`; one that has expired works again.

    Raises:
        Conflict: it is a draft or void, or is paid where it was made.
        InvalidInput: that time is over, or further ahead than any pay link goes.
        NotFound: there is no such invoice.
    """
    now = datetime.now(UTC)
    if ends_at <= now:
        raise InvalidInput({"expires_on": "Choose today or a later day."})
    if ends_at > now + timedelta(days=LONGEST_LINK + 1):
        raise InvalidInput({"expires_on": f"A pay link works for at most {LONGEST_LINK} days."})
    async with transaction() as tx:
        row = await _lock_linked(tx.connection, invoice_id)
        before = await _link_end(tx.connection, invoice_id)
        if before is None:
            raise Conflict("This invoice has no pay link yet.", hint="Make one.")
        await tx.connection.execute(
            "UPDATE invoice SET pay_link_expires_at = $2 WHERE id = $1", invoice_id, ends_at
        )
        what = ("invoice.link_end_changed", "Changed how long the pay link works.")
        await note_on(tx.connection, row, actor, what=what, details={"before": before, "after": ends_at})


async def note_opened(invoice_id: int) -> None:
    """Remember when the pay link was last opened; the first time stands in the log, too."""
    async with connection() as held:
        known = await held.fetchval(
            """
            UPDATE invoice SET pay_link_opened_at = now()
            WHERE id = $1 AND pay_link_opened_at IS NOT NULL RETURNING true
            """,
            invoice_id,
        )
    if not known:
        await _note_first(invoice_id)


async def _note_first(invoice_id: int) -> None:
    """Of several that open it at once, one is the first."""
    async with transaction() as tx:
        mode = await tx.connection.fetchval(
            """
            UPDATE invoice SET pay_link_opened_at = now()
            WHERE id = $1 AND pay_link_opened_at IS NULL RETURNING mode
            """,
            invoice_id,
        )
        if mode is not None:
            what = ("invoice.link_opened", "The pay link was opened for the first time.")
            await note(tx.connection, (invoice_id, Mode(mode)), actor=CUSTOMER, what=what)


async def _lock_linked(held: Connection, invoice_id: int) -> Owed:
    row = await lock_owed(held, invoice_id)
    if row.invoice.status in WITHOUT_LINK:
        raise Conflict(f"An invoice that is {shown(row.invoice.status)} has no pay link.")
    if not await held.fetchval(_IS_PAID_HERE, invoice_id):
        raise Conflict("This invoice is paid where it was made.")
    return row


async def _link_end(held: Connection, invoice_id: int) -> datetime | None:
    """Until when the present link works or worked; None: there never was one."""
    end: datetime | None = await held.fetchval(
        "SELECT pay_link_expires_at FROM invoice WHERE id = $1", invoice_id
    )
    return end


_KEEP_EXPIRED = """
INSERT INTO former_pay_link (invoice, token_hash, replaced_at)
SELECT id, pay_token_hash, now() FROM invoice
WHERE id = $1 AND pay_token_hash IS NOT NULL AND pay_link_expires_at <= now() RETURNING true
"""
_IS_PAID_HERE = """
SELECT origin = 'portal' OR (subscription_external_id IS NOT NULL AND account IS NOT NULL)
FROM invoice WHERE id = $1
"""
"""Ours, and what a subscription bills: its payment is the invoice's own, wherever it is made."""
