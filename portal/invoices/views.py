"""What the invoice pages are rendered from: the page and its live parts share one context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, cast
from zoneinfo import ZoneInfo

from litestar import Request
from litestar.plugins.jinja import JinjaTemplateEngine

from portal.audit.services import Entry, timeline
from portal.invoices.actions import InvoiceActions, actions_for
from portal.invoices.correspondence import correspondence_of
from portal.invoices.details import InvoiceDetail, find_invoice
from portal.invoices.explanations import RULES, why_status
from portal.invoices.services import pay_link
from portal.invoices.situations import Surroundings, situation_of, surroundings_of
from portal.sync.options import shown_of
from portal.web.request import PortalRequest
from portal.web.responses import shell
from portal.web.submissions import new_form_key
from portal.web.templates import render_fragment

FOR_EVERYBODY = {
    "payment.failed": "A payment failed.",
    "payment.bounced": "The bank did not pay after all, or changed its mind about that.",
    "payment.refund_changed": "A refund changed.",
    "mail.failed": "An email could not be sent.",
    "mail.written": "An email was written to a file.",
}
"""Entries that tell why a bank or a mail server declined, and what people read of them who may not know."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An invoice with what decides about its actions, and the actions that the person has."""

    invoice: InvoiceDetail
    around: Surroundings
    actions: InvoiceActions


async def read_subject(request: PortalRequest, invoice_id: int) -> Subject:
    """Read it for the person who asks.

    Raises:
        NotFound: there is no such invoice.
    """
    invoice = await find_invoice(invoice_id, today=today_of(request))
    around = await surroundings_of(invoice)
    situation = situation_of(invoice, around, ZoneInfo(request.visit.time_zone))
    return Subject(invoice, around, actions_for(situation, request.user.role))


async def invoice_context(request: PortalRequest, invoice_id: int) -> dict[str, Any]:
    """What the detail templates need: `invoice`, `around`, `actions`, `link`, `entries` and more."""
    subject = await read_subject(request, invoice_id)
    invoice, actions = subject.invoice, subject.actions
    entries = await timeline("invoice", invoice_id)
    return {
        "invoice": invoice,
        "around": subject.around,
        "actions": actions,
        "standing": why_status(invoice),
        "rules": RULES,
        "link": await pay_link(invoice_id) if invoice.number else None,
        "differences": await shown_of("invoice", invoice_id),
        "mail": await correspondence_of(invoice),
        "form_key": new_form_key(),
        "entries": entries if actions.see_reasons else without_reasons(entries),
    }


async def live_fragments(invoice_id: int, request: Request[Any, Any, Any]) -> str:
    """Every part of the invoice page that can change, as `<hx-partial>` elements for an open page.

    Parts that did not change leave the page as it is: they are morphed, and focus stays.
    """
    ours = request if isinstance(request, PortalRequest) else PortalRequest(request.scope)
    context = await invoice_context(ours, invoice_id)
    engine = cast("JinjaTemplateEngine", ours.app.template_engine)
    return render_fragment(engine, "invoices/_live.html", shell=shell(ours), **context)


def without_reasons(entries: Sequence[Entry]) -> list[Entry]:
    """The timeline for people who may not see why a bank declined."""
    return [
        replace(entry, words=FOR_EVERYBODY[entry.action], details={})
        if entry.action in FOR_EVERYBODY
        else entry
        for entry in entries
    ]


def today_of(request: PortalRequest) -> date:
    """The date where the organisation is: an invoice is past due when its day is over there."""
    return request.visit.today
