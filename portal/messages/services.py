"""What people do about messages of an invoice: send, try again, pause its reminders."""

from __future__ import annotations

from dataclasses import dataclass

from portal.audit.services import Actor
from portal.database.transaction import transaction
from portal.errors import Conflict, InvalidInput
from portal.invoices.owed import Owed, lock_owed, note_on
from portal.mail.claims import BY_HAND, NAMES
from portal.mail.rules import masked
from portal.mail.servers import MailNotSetUp, mail_ready
from portal.mail.services import Mail, queue_mail, retry_mail
from portal.messages.matters import kinds_by_hand, read_matter
from portal.messages.texts import Kind
from portal.settings import current_settings
from portal.web.forms import email_problem


@dataclass(frozen=True, slots=True)
class WantedMail:
    """What a person wants sent. `form_key` names the form, which sends one message however often it comes."""

    kind: Kind
    to_address: str
    words: str
    form_key: str


async def send_by_hand(invoice_id: int, wanted: WantedMail, *, actor: Actor) -> None:
    """Send a message about the invoice.

    Raises:
        Conflict: it does not fit the invoice as it stands.
        InvalidInput: the address is none.
        MailNotSetUp: nothing can be sent.
    """
    if not mail_ready(current_settings()):
        raise MailNotSetUp
    if problem := email_problem(wanted.to_address):
        raise InvalidInput({"to_address": problem})
    name = NAMES[wanted.kind]
    if wanted.kind not in kinds_by_hand(await read_matter(invoice_id)):
        raise Conflict(f"The {name.lower()} cannot be sent now.", hint="The invoice has changed.")
    async with transaction() as tx:
        held, row = tx.connection, await lock_owed(tx.connection, invoice_id)
        if await queue_mail(held, _mail(row, wanted)) is None:
            return
        if wanted.kind is Kind.INVOICE:
            await held.execute("UPDATE invoice SET sent_at = now() WHERE id = $1", invoice_id)
        told = f"{name} sent to {masked(wanted.to_address)}."
        await note_on(held, row, actor, what=("invoice.emailed", told), details={"kind": wanted.kind.value})


def _mail(row: Owed, wanted: WantedMail) -> Mail:
    return Mail(
        key=f"{BY_HAND}{wanted.form_key}",
        kind=wanted.kind.value,
        subject=("invoice", row.invoice.id),
        mode=row.mode.value,
        to_address=wanted.to_address,
        words=wanted.words,
    )


async def try_again(invoice_id: int, mail_id: int, *, actor: Actor) -> str:
    """Send what failed once more; returns the masked address.

    Raises:
        Conflict: it did not fail.
    """
    async with transaction() as tx:
        row = await lock_owed(tx.connection, invoice_id)
        address = await retry_mail(tx.connection, mail_id, ("invoice", invoice_id))
        told = f"Asked to send the email to {address} again."
        await note_on(tx.connection, row, actor, what=("invoice.email_retried", told), details={})
    return address


async def pause_reminders(invoice_id: int, *, paused: bool, actor: Actor) -> None:
    """Switch the reminders of one invoice off or on; asked for twice it changes nothing."""
    async with transaction() as tx:
        row = await lock_owed(tx.connection, invoice_id)
        changed = await tx.connection.fetchval(
            """
            UPDATE invoice SET reminders_paused = $2 WHERE id = $1 AND reminders_paused <> $2 RETURNING id
            """,
            invoice_id,
            paused,
        )
        if changed is not None:
            told = "Reminders paused." if paused else "Reminders go on."
            await note_on(tx.connection, row, actor, what=("invoice.reminders_changed", told), details={})
