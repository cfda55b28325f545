"""The pages of subscriptions."""

from __future__ import annotations

from typing import Any

from litestar import Response, get
from litestar.params import FromPath, FromQuery

from portal.contract.facts import Mode
from portal.subscriptions.action_controllers import routes as action_routes
from portal.subscriptions.filters import SubscriptionFilter, Tab, read_filter
from portal.subscriptions.live_controllers import stream_subscription
from portal.subscriptions.orders import open_orders
from portal.subscriptions.plan_controllers import routes as plan_routes
from portal.subscriptions.plans import Kind, PlanFilter, list_plans, read_plan_filter
from portal.subscriptions.queries import count_subscriptions, list_subscriptions
from portal.subscriptions.start_controllers import routes as start_routes
from portal.subscriptions.views import subscription_context
from portal.web.keysets import read_cursor
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest, Role
from portal.web.responses import page, redirect


@get("/subscriptions", name="subscriptions")
async def show_list(request: PortalRequest, page_at: FromQuery[str] = "") -> Response[Any]:
    """The list, or its table alone for htmx. Beside a live connection test ones have their own list."""
    shown = request.shown_mode(request.query_params.get("mode", ""))
    wanted = read_filter(request.query_params, Mode(shown) if shown else None)
    if not request.by_htmx and "" in request.query_params.values():
        # A form sends its empty fields, too; each state of the list has one address.
        return redirect(request, wanted.href())
    may_start = request.user.role.covers(Role.ADMIN)
    answer = page(
        request,
        "subscriptions/list.html",
        fragment="subscriptions/_list_update.html",
        wanted=wanted,
        found=await list_subscriptions(wanted, read_cursor(page_at)),
        tabs=Tab,
        counts=await count_subscriptions(wanted.mode),
        modes=_modes(wanted) if wanted.mode and request.visit.has_test else [],
        connected=request.visit.mode is not None,
        orders=await open_orders(wanted.mode) if may_start else [],
        may_start=may_start,
    )
    if request.source.startswith("form"):
        answer.headers["HX-Replace-Url"] = wanted.href()
    return answer


@get("/subscriptions/plans", name="subscription-plans")
async def show_plans(request: PortalRequest, page_at: FromQuery[str] = "") -> Response[Any]:
    """Products and prices, or their table alone for htmx."""
    shown = request.shown_mode(request.query_params.get("mode", ""))
    wanted = read_plan_filter(request.query_params, Mode(shown) if shown else None)
    return page(
        request,
        "subscriptions/plans.html",
        fragment="subscriptions/_plans.html",
        wanted=wanted,
        found=await list_plans(wanted, read_cursor(page_at)),
        kinds=Kind,
        modes=_modes(wanted) if wanted.mode and request.visit.has_test else [],
        connected=request.visit.mode is not None,
    )


@get("/subscriptions/{subscription_id:int}", name="subscription")
async def show_subscription(request: PortalRequest, subscription_id: FromPath[int]) -> Response[str]:
    """One subscription; it changes by itself while it is open."""
    context = await subscription_context(request, subscription_id)
    live = f"/subscriptions/{subscription_id}/live"
    return page(request, "subscriptions/detail.html", live=live, **context)


def _modes(wanted: SubscriptionFilter | PlanFilter) -> list[tuple[str, str, Mode]]:
    """Label and address of the list in each mode, live first."""
    return [(mode.value.capitalize(), wanted.in_mode(mode).href(), mode) for mode in (Mode.LIVE, Mode.TEST)]


routes = [
    show_list,
    show_plans,
    show_subscription,
    stream_subscription,
    *action_routes,
    *plan_routes,
    *start_routes,
]
nav = [NavEntry("Subscriptions", "/subscriptions", "repeat", order=30)]
