"""A message whose turn has come: is it still true, and what does it say?"""

from __future__ import annotations

from dataclasses import replace

from portal.documents.services import invoice_pdf, receipt_pdf
from portal.errors import NotFound
from portal.invoices.links import renew_expired_link
from portal.invoices.services import pay_link
from portal.mail.claims import ClaimedMail
from portal.mail.letters import Attachment, Letter
from portal.mail.services import NoLongerTrue
from portal.messages.matters import Matter, facts_of, kinds_by_hand, read_matter, why_not_by_itself
from portal.messages.texts import Kind, write_letter
from portal.settings import current_settings

_DOCUMENTS = {Kind.INVOICE: invoice_pdf, Kind.REMINDER: invoice_pdf, Kind.RECEIPT: receipt_pdf}


async def compose(mail: ClaimedMail) -> Letter:
    """The letter, with its document.

    Raises:
        NoLongerTrue: there is nothing to write any more.
    """
    try:
        matter = await read_matter(mail.subject_id)
    except NotFound:
        raise NoLongerTrue("The invoice is gone.") from None
    kind = Kind(mail.kind)
    if mail.by_hand and kind not in kinds_by_hand(matter):
        raise NoLongerTrue("It does not fit the invoice any more.")
    if not mail.by_hand and (reason := why_not_by_itself(kind, matter, current_settings())):
        raise NoLongerTrue(reason)
    await _renew_expired_link(matter)
    letter = write_letter(kind, await facts_of(matter, words=mail.words))
    return replace(letter, attachments=await _attachments(kind, matter.invoice.id))


async def _renew_expired_link(matter: Matter) -> None:
    """Nobody is sent to a page that says that the link has expired."""
    invoice = matter.invoice
    had_one = invoice.pay_link_expires_at is not None and invoice.paid_here
    if invoice.account_id and had_one and invoice.owed and not await pay_link(invoice.id):
        await renew_expired_link(invoice.id)


async def _attachments(kind: Kind, invoice_id: int) -> tuple[Attachment, ...]:
    make = _DOCUMENTS.get(kind)
    if make is None:
        return ()
    document = await make(invoice_id)
    return (Attachment(document.name, document.body),)
