"""What the pages of one customer need."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

from litestar import Request
from litestar.plugins.jinja import JinjaTemplateEngine

from portal.audit.services import Entry, timeline
from portal.contract.facts import Mode
from portal.customers.details import CustomerDetail, find_customer
from portal.sync.options import shown_of
from portal.web.request import PortalRequest, Role
from portal.web.responses import shell
from portal.web.templates import render_fragment

STORY = 50
"""So many entries are shown."""


async def read_customer(request: PortalRequest, customer_id: int) -> CustomerDetail:
    """The customer with the sums of the mode that is shown.

    Raises:
        NotFound: there is none.
    """
    return await find_customer(customer_id, today=_today(request), mode=mode_of(request))


async def customer_context(request: PortalRequest, customer: CustomerDetail) -> dict[str, Any]:
    """What the detail templates need: `customer`, `differences`, `entries`, `may_write`."""
    return {
        "customer": customer,
        "differences": await shown_of("customer", customer.id),
        "entries": await _story(customer),
        "may_write": may_write(request),
    }


async def live_fragments(customer_id: int, request: Request[Any, Any, Any]) -> str:
    """Every part of the page that can change, as `<hx-partial>` elements for an open page."""
    ours = request if isinstance(request, PortalRequest) else PortalRequest(request.scope)
    context = await customer_context(ours, await read_customer(ours, customer_id))
    engine = cast("JinjaTemplateEngine", ours.app.template_engine)
    return render_fragment(engine, "customers/_live.html", shell=shell(ours), **context)


async def _story(customer: CustomerDetail) -> list[Entry]:
    """What happened to the customer, and to those that were merged into it, newest first."""
    told = [await timeline("customer", one, limit=STORY) for one in (customer.id, *customer.merged_ids)]
    return sorted((entry for entries in told for entry in entries), key=lambda e: e.id, reverse=True)[:STORY]


def may_write(request: PortalRequest) -> bool:
    """Whether the person may change customers."""
    return request.user.role.covers(Role.ADMIN)


def mode_of(request: PortalRequest) -> Mode:
    """Whose figures count: the connected mode, live when nothing is connected."""
    return Mode(request.visit.mode or Mode.LIVE)


def _today(request: PortalRequest) -> date:
    return request.visit.today
