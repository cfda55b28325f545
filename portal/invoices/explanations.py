"""Why an invoice stands as it does, and what each entry of its timeline meant for it. Pure."""

from __future__ import annotations

from portal.invoices.details import InvoiceDetail

RULES = {
    "invoice.created": "A draft has no number yet, and nobody can pay it.",
    "invoice.finalised": "From then on its lines are fixed, and its pay link works.",
    "invoice.imported": "It is followed here, and decided there.",
    "invoice.voided": "A void invoice is not owed. Its pay link takes no payment.",
    "invoice.uncollectible": "It counts as lost, and can still be paid.",
    "invoice.credited": "What was credited is not asked for any more.",
    "invoice.credit_requested": "It counts once the provider has issued the credit note.",
    "invoice.collection_asked": "The provider tries once. What is paid is never charged again.",
    "payment.received": "Paid is what has arrived in full; less is partly paid.",
    "payment.recorded": "Money from elsewhere counts like any other.",
    "payment.processing": "Until the bank decides nobody can pay it a second time.",
    "payment.failed": "A failed payment moves no money.",
    "payment.bounced": "Its pay link cannot take it again: record what comes, or send a duplicate.",
    "payment.refund_requested": "It counts once the provider has sent the money.",
    "payment.refunded": "What went back is not owed again.",
    "invoice.link_renewed": "Whoever has the old link can do nothing with it.",
    "invoice.expired_link_renewed": "Whoever has the old link can ask for the new one, by mail alone.",
}
"""By the entry's action."""


def why_status(invoice: InvoiceDetail) -> str:
    """The rule by which the invoice has its status, as a sentence with its own amounts."""
    if invoice.shown_status == "paid" and invoice.total.amount_minor <= 0:
        return "Paid: there was nothing to charge."
    if invoice.shown_status == "past_due" and invoice.due_date is None:
        return f"Past due: {invoice.amount_due.format()} is owed, and collecting it failed."
    due, paid, total = (m.format() for m in (invoice.amount_due, invoice.amount_paid, invoice.total))
    return _REASONS[invoice.shown_status].format(due=due, paid=paid, total=total)


_REASONS = {
    "draft": "A draft: it has no number yet, and nobody can pay it.",
    "open": "Open: {due} is owed, and nothing has arrived yet.",
    "past_due": "Past due: {due} is owed, and its day is over.",
    "processing": "Processing: a payment is under way, and its bank has not decided yet.",
    "partly_paid": "Partly paid: {paid} of {total} arrived or was credited.",
    "paid": "Paid: the {total} that it asks for arrived or was credited.",
    "refunded": "Refunded: all that had arrived went back.",
    "uncollectible": "Uncollectible: it was given up. It can still be paid.",
    "void": "Void: it is not owed, and nobody can pay it.",
}
