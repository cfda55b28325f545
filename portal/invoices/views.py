"""What the invoice pages are rendered from: the page and its live parts share one context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, cast
from zoneinfo import ZoneInfo

from litestar import Request
from litestar.plugins.jinja import JinjaTemplateEngine

from portal.audit.services import Entry, timeline
from portal.invoices.details import InvoiceDetail, find_invoice
from portal.invoices.rules import InvoiceStatus
from portal.invoices.services import pay_link
from portal.web.request import PortalRequest, Role
from portal.web.responses import shell
from portal.web.templates import render_fragment

VOIDABLE = frozenset({InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE})
FAILED_PAYMENT = "payment.failed"


@dataclass(frozen=True, slots=True)
class InvoiceActions:
    """What the person may do now. What does not apply is absent from the page, not disabled."""

    edit: bool = False
    finalise: bool = False
    void: bool = False
    retry: bool = False
    see_reasons: bool = False
    """Decline codes and reasons are for admins alone."""


async def invoice_context(request: PortalRequest, invoice_id: int) -> dict[str, Any]:
    """What the detail templates need: `invoice`, `actions`, `link` and `entries`."""
    invoice = await find_invoice(invoice_id, today=today_of(request))
    actions = actions_for(invoice, request.user.role)
    entries = await timeline("invoice", invoice_id)
    return {
        "invoice": invoice,
        "actions": actions,
        "link": await pay_link(invoice_id) if invoice.number else None,
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


def actions_for(invoice: InvoiceDetail, role: Role) -> InvoiceActions:
    """What a person with this role may do to the invoice as it stands."""
    if not role.covers(Role.ADMIN):
        return InvoiceActions()
    draft = invoice.status is InvoiceStatus.DRAFT
    return InvoiceActions(
        edit=draft,
        finalise=draft and bool(invoice.lines),
        void=invoice.status in VOIDABLE,
        retry=invoice.sync_state == "failed",
        see_reasons=True,
    )


def without_reasons(entries: Sequence[Entry]) -> list[Entry]:
    """The timeline for people who may not see why a bank declined."""
    return [
        replace(entry, words="A payment failed.", details={}) if entry.action == FAILED_PAYMENT else entry
        for entry in entries
    ]


def today_of(request: PortalRequest) -> date:
    """The date where the organisation is: an invoice is past due when its day is over there."""
    return datetime.now(UTC).astimezone(ZoneInfo(request.visit.time_zone)).date()
