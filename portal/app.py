"""The web application: which rooms there are, and the rules that every route of theirs gets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from litestar import Litestar, Router
from litestar.config.csrf import CSRFConfig
from litestar.datastructures import State
from litestar.handlers import BaseRouteHandler
from litestar.middleware import DefineMiddleware
from litestar.template import TemplateConfig
from litestar.types import ControllerRouterHandler, Middleware

from portal.auth.middleware import NO_SESSION, Sessions
from portal.auth.streams import SessionStreams
from portal.contract.loading import import_optional, installed_plugins
from portal.contract.plugin import LoadedPlugin
from portal.database.engine import close_pool, open_pool
from portal.errors import ConfigurationError
from portal.security.headers import RouteClass
from portal.security.keyrings import load_keyring
from portal.settings import Settings, current_settings
from portal.sync.counts import stop_counts
from portal.web.assets import asset_handler, load_assets
from portal.web.errors import exception_handlers
from portal.web.gallery import show_gallery
from portal.web.guards import may_write, signed_in
from portal.web.live import LiveHub
from portal.web.middlewares import FormTokenGate, OriginGate, RequestGate, Zip, header_hook
from portal.web.navigation import NavEntry, build_navigation
from portal.web.probes import health, ready
from portal.web.request import PortalRequest
from portal.web.responses import cookie_name
from portal.web.templates import build_engine
from portal.web.themes import choose_theme
from portal.webhooks.door import pass_delivery
from portal.webhooks.intake import stop_intake
from portal.webhooks.notes import stop_notes

ROOMS = (
    "portal.auth.controllers",
    "portal.dashboard.controllers",
    "portal.customers.controllers",
    "portal.invoices.controllers",
    "portal.invoices.action_controllers",
    "portal.invoices.live_controllers",
    "portal.invoices.pay_controllers",
    "portal.subscriptions.controllers",
    "portal.subscriptions.method_controllers",
    "portal.messages.method_controllers",
    "portal.documents.controllers",
    "portal.messages.controllers",
    "portal.accounts.controllers",
    "portal.connected.controllers",
    "portal.connected.key_controllers",
    "portal.connected.option_controllers",
    "portal.connected.sync_controllers",
    "portal.connected.difference_controllers",
    "portal.webhooks.controllers",
    "portal.webhooks.pages",
    "portal.webhooks.event_streams",
    "portal.exchange.replay_controllers",
    "portal.audit.controllers",
    "portal.metrics.controllers",
    "portal.finance.controllers",
    "portal.help.controllers",
)
"""Modules that may hold `routes`, `public_routes`, `webhook_routes` and `nav`; absent ones are skipped."""
LOOK_UP_VISITOR = frozenset({"portal.auth.controllers"})
"""Rooms whose public pages want to know who is there."""
MOST_FORM_BYTES = 64 * 1024


class PortalApp(Litestar):
    """The application, with the short way in for deliveries before everything else."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request, or the lifespan."""
        await pass_delivery(scope, receive, send, otherwise=super().__call__)


class UnguardedRoute(ConfigurationError):
    """A handler would be open to everybody without having been declared so. The portal does not start."""

    code = "UNGUARDED_ROUTE"


@dataclass(slots=True)
class _Plan:
    """The routes by the rules they fall under."""

    admin: list[ControllerRouterHandler] = field(default_factory=list)
    public: list[ControllerRouterHandler] = field(default_factory=list)
    public_with_visitor: list[ControllerRouterHandler] = field(default_factory=list)
    webhook: list[ControllerRouterHandler] = field(default_factory=list)
    nav: list[NavEntry] = field(default_factory=list)


def create_app(settings: Settings | None = None, plugins: Sequence[LoadedPlugin] | None = None) -> Litestar:
    """Build the application. Nothing is connected until its lifespan begins.

    Raises:
        UnguardedRoute: a room or plugin has a handler that is neither guarded nor declared public.
        KeyringUnusable: the key file cannot be used.
    """
    settings = settings or current_settings()
    plugins = installed_plugins() if plugins is None else plugins
    keyring = load_keyring(settings.keyring_file)
    assets = load_assets(_folders(plugins, "static"))
    hub = LiveHub(settings)
    plan = _plan(plugins, settings)
    app = PortalApp(
        route_handlers=[*_routers(plan), _static_router(asset_handler(assets))],
        request_class=PortalRequest,
        template_config=TemplateConfig(instance=build_engine(_template_folders(plugins), assets=assets)),
        middleware=_middleware(settings, keyring.derive("form-token")),
        exception_handlers=exception_handlers(),
        before_send=[header_hook(settings)],
        lifespan=[_lifespan(hub, plugins)],
        state=State({"settings": settings, "assets": assets, "live": hub, "plugins": tuple(plugins)}),
        request_max_body_size=MOST_FORM_BYTES,
        openapi_config=None,
        logging_config=None,
        debug=False,
    )
    check_routes(app)
    app.state.pages = _pages(app)
    app.state.navigation = build_navigation(plan.nav, pages=app.state.pages)
    return app


def check_routes(app: Litestar) -> None:
    """Deny by default, proved at every start.

    Raises:
        UnguardedRoute: a handler is open without being declared so, or goes without form tokens.
    """
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [getattr(route, "route_handler", None)]:
            if isinstance(handler, BaseRouteHandler) and (problem := _problem(handler)):
                raise UnguardedRoute(f"The route {route.path} {problem}.", hint="See portal/app.py.")


def is_guarded(handler: BaseRouteHandler) -> bool:
    """Whether the handler is for signed-in people alone."""
    return any(signed_in in (layer.guards or ()) for layer in handler.ownership_layers)


def _problem(handler: BaseRouteHandler) -> str:
    access = handler.opt.get("access")
    if access not in list(RouteClass):
        return "belongs to no class of routes"
    if access == RouteClass.ADMIN and not is_guarded(handler):
        return "has no guard"
    if handler.opt.get("exclude_from_csrf") and access != RouteClass.WEBHOOK:
        return "goes without form tokens, which only webhook intake may"
    return ""


def _plan(plugins: Sequence[LoadedPlugin], settings: Settings) -> _Plan:
    plan = _Plan(public=[health, ready, choose_theme])
    for name in ROOMS:
        package, _, module_name = name.rpartition(".")
        if module := import_optional(package, module_name):
            _add_room(plan, module, visitor=name in LOOK_UP_VISITOR)
    for entry in plugins:
        if entry.plugin:
            plan.admin += entry.plugin.admin_routes
            plan.public += entry.plugin.public_routes
    if settings.local:
        plan.admin.append(show_gallery)
    return plan


def _add_room(plan: _Plan, module: ModuleType, *, visitor: bool) -> None:
    public = plan.public_with_visitor if visitor else plan.public
    plan.admin += getattr(module, "routes", [])
    public += getattr(module, "public_routes", [])
    plan.webhook += getattr(module, "webhook_routes", [])
    plan.nav += getattr(module, "nav", [])


def _routers(plan: _Plan) -> list[Router]:
    no_session = {NO_SESSION: True}
    return [
        Router(
            "/",
            route_handlers=plan.admin,
            guards=[signed_in, may_write],
            opt={"access": RouteClass.ADMIN},
        ),
        Router("/", route_handlers=plan.public, opt={"access": RouteClass.PUBLIC, **no_session}),
        Router("/", route_handlers=plan.public_with_visitor, opt={"access": RouteClass.PUBLIC}),
        Router("/", route_handlers=plan.webhook, opt={"access": RouteClass.WEBHOOK, **no_session}),
    ]


def _static_router(handler: ControllerRouterHandler) -> Router:
    # A router, so that the OPTIONS handler that Litestar adds gets the options too.
    return Router("/", route_handlers=[handler], opt={"access": RouteClass.STATIC, NO_SESSION: True})


def _middleware(settings: Settings, form_key: bytes) -> list[Middleware]:
    """From the outside in; all of it is inside the exception handlers."""
    form_tokens = CSRFConfig(
        secret=form_key.hex(),
        cookie_name=cookie_name("portal_csrf"),
        cookie_secure=settings.secure,
        cookie_httponly=True,
        cookie_samesite="lax",
    )
    return [
        DefineMiddleware(RequestGate, settings=settings),
        Zip,
        DefineMiddleware(OriginGate, settings=settings),
        DefineMiddleware(Sessions, exclude_from_auth_key=NO_SESSION),
        SessionStreams,
        DefineMiddleware(FormTokenGate, config=form_tokens),
    ]


def _lifespan(
    hub: LiveHub, plugins: Sequence[LoadedPlugin]
) -> Callable[[Litestar], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def while_serving(_: Litestar) -> AsyncIterator[None]:
        await open_pool(name="portal-web")
        await hub.start()
        try:
            yield
        finally:
            await hub.stop()
            await stop_intake()
            await stop_notes()
            await stop_counts()
            for entry in plugins:
                if entry.plugin:
                    await entry.plugin.aclose()
            await close_pool()

    return while_serving


def _template_folders(plugins: Sequence[LoadedPlugin]) -> dict[str, Path]:
    return _folders(plugins, "templates")


def _folders(plugins: Sequence[LoadedPlugin], name: str) -> dict[str, Path]:
    """Plugin id -> a folder of the plugin's, for those that have it."""
    found = {}
    for entry in plugins:
        if entry.plugin and entry.directory:
            plugin_id = entry.plugin.manifest.id
            folder = entry.directory / name
            if folder.is_dir():
                found[plugin_id] = folder
    return found


def _pages(app: Litestar) -> set[str]:
    return {route.path for route in app.routes if "GET" in getattr(route, "methods", ())}
