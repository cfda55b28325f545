"""What the pages of one subscription are rendered from: the page and its live parts share one context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from litestar import Request
from litestar.plugins.jinja import JinjaTemplateEngine

from portal.audit.services import timeline
from portal.invoices.services import pay_link
from portal.subscriptions.actions import SubscriptionActions, actions_for
from portal.subscriptions.details import SubscriptionDetail, find_subscription
from portal.subscriptions.method_panels import MethodPanel, method_panel
from portal.subscriptions.services import WISHES
from portal.subscriptions.statuses import explain_status
from portal.web.request import PortalRequest
from portal.web.responses import shell
from portal.web.templates import render_fragment


@dataclass(frozen=True, slots=True)
class Subject:
    """A subscription, and what the person may ask of it."""

    subscription: SubscriptionDetail
    actions: SubscriptionActions


async def read_subject(request: PortalRequest, subscription_id: int) -> Subject:
    """Read it for the person who asks.

    Raises:
        NotFound: there is no such subscription.
    """
    found = await find_subscription(subscription_id, today=request.visit.today)
    actions = actions_for(
        found.standing,
        request.user.role,
        wish="" if found.wish_error else found.wish,
        connected=found.connected,
        provider=found.provider,
    )
    return Subject(found, actions)


async def read_panel(request: PortalRequest, subscription: SubscriptionDetail) -> MethodPanel:
    """What the person may do about the way it is paid."""
    return await method_panel(subscription, request.user.role)


async def subscription_context(request: PortalRequest, subscription_id: int) -> dict[str, Any]:
    """What the detail templates need; `first_link`: the way to pay while it waits for its first payment."""
    subject = await read_subject(request, subscription_id)
    return {
        "panel": await read_panel(request, subject.subscription),
        "subscription": subject.subscription,
        "actions": subject.actions,
        "meaning": explain_status(subject.subscription.standing),
        "asked": _asked(subject.subscription),
        "entries": await timeline("subscription", subscription_id),
        "first_link": await _first_link(subject.subscription),
    }


async def _first_link(subscription: SubscriptionDetail) -> str:
    """Where the first payment is made, while it waits for that; empty: there is no way here."""
    if subscription.standing.status != "incomplete" or subscription.owed is None:
        return ""
    return await pay_link(subscription.owed.id) or ""


def _asked(found: SubscriptionDetail) -> str:
    if found.wish != "change_plan":
        return WISHES.get(found.wish, "")
    counted = f"{found.wish_quantity:,} × " if found.wish_quantity else ""
    return f"Asked to change the plan to {counted}{found.wish_plan}."


async def live_fragments(subscription_id: int, request: Request[Any, Any, Any]) -> str:
    """Every part of the page that can change, as `<hx-partial>` elements for an open page."""
    ours = request if isinstance(request, PortalRequest) else PortalRequest(request.scope)
    context = await subscription_context(ours, subscription_id)
    engine = cast("JinjaTemplateEngine", ours.app.template_engine)
    return render_fragment(engine, "subscriptions/_live.html", shell=shell(ours), **context)
