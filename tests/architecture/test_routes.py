"""The census: every handler is guarded, or stands in the list below, which people have reviewed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litestar import Litestar, get, post
from litestar.handlers import BaseRouteHandler

from portal.app import UnguardedRoute, check_routes, create_app, is_guarded
from portal.contract.loading import installed_plugins
from portal.contract.plugin import LoadedPlugin, Plugin
from portal.settings import Settings
from portal.web.navigation import NavEntry, build_navigation

REVIEWED_OPEN = {
    "/health": "says that the process answers",
    "/ready": "says that the database answers",
    "/metrics": "answers this machine, or whoever has the token; no titles, no secrets",
    "/theme": "changes a cookie of the browser's own",
    "/sign-in": "the door",
    "/setup": "needs the one-time token, gone after set-up",
    "/setup/check": "needs the one-time token, gone after set-up",
    "/static/{path:path}": "files without secrets",
    "/merchant/{digest:str}/logo.png": "the company's logo, drawn anew, which every pay page shows",
    "/method/{token:str}": "needs the token of the subscription's method link",
    "/method/{token:str}/pay": "needs the token of the subscription's method link, and opens what that owes",
    "/method/{token:str}/portal": "needs the token of the subscription's method link",
    "/method/{token:str}/refresh": "needs the token of the subscription's method link",
    "/method/{token:str}/return": "needs the token of the subscription's method link",
    "/method/{token:str}/start": "needs the token of the subscription's method link",
    "/pay/{token:str}": "needs the pay link's token",
    "/pay/{token:str}/card": "needs the pay link's token",
    "/pay/{token:str}/invoice.pdf": "needs the pay link's token",
    "/pay/{token:str}/live": "needs the pay link's token",
    "/pay/{token:str}/new-link": "answers every token alike, and writes to the address on file alone",
    "/pay/{token:str}/receipt.pdf": "needs the pay link's token",
    "/pay/{token:str}/refresh": "needs the pay link's token",
    "/pay/{token:str}/return": "needs the pay link's token",
    "/pay/{token:str}/start": "needs the pay link's token",
    "/webhooks/{plugin_id:str}/{token:str}": "needs the address' token and a signature",
}


def handlers(app: Litestar) -> Iterator[tuple[str, BaseRouteHandler]]:
    for route in app.routes:
        for handler in getattr(route, "route_handlers", None) or [route.route_handler]:  # type: ignore[union-attr]  # the other kinds
            yield route.path, handler


def test_every_open_route_was_reviewed(app: Litestar) -> None:
    open_paths = {path for path, handler in handlers(app) if not is_guarded(handler)}
    assert open_paths - set(REVIEWED_OPEN) == set(), "an open route: guard it, or review it and say why"


def test_the_list_holds_no_route_that_is_gone(app: Litestar) -> None:
    assert set(REVIEWED_OPEN) - {path for path, _ in handlers(app)} == set()


def test_only_webhook_intake_goes_without_form_tokens(app: Litestar) -> None:
    without = {path for path, handler in handlers(app) if handler.opt.get("exclude_from_csrf")}
    assert without == {"/webhooks/{plugin_id:str}/{token:str}"}


def test_pages_that_read_are_never_reached_by_get_with_side_effects(app: Litestar) -> None:
    """Words that change something do not stand at the end of a GET address without a question page."""
    telling = ("finalise", "retry", "rotate", "sign-out", "connect", "validate", "use-sandbox", "replay")
    wrong = [
        path
        for path, handler in handlers(app)
        if "GET" in getattr(handler, "http_methods", ()) and path.rsplit("/", 1)[1] in telling
    ]
    assert wrong == []


def plugin_with(**routes: object) -> LoadedPlugin:
    """The first installed plugin, with other routes."""
    template = next(entry.plugin for entry in installed_plugins() if entry.plugin)
    made: Plugin = type("Made", (type(template),), routes)()
    return LoadedPlugin("made", made)


@get("/made")
async def made_page() -> str:
    """A plugin's page that forgot about guards."""
    return "for admins"


@post("/made/loose", exclude_from_csrf=True)
async def loose_form() -> str:
    """A plugin's form that wants to go without tokens."""
    return "loose"


def test_page_of_a_plugin_is_guarded_without_asking(settings: Settings) -> None:
    app = create_app(settings, [plugin_with(admin_routes=[made_page], public_routes=[])])
    made = [handler for path, handler in handlers(app) if path == "/made"]
    assert made
    assert all(is_guarded(handler) for handler in made)


@pytest.mark.parametrize("where", ["admin_routes", "public_routes"])
def test_plugin_that_turns_form_tokens_off_stops_the_start(settings: Settings, where: str) -> None:
    lists = {"admin_routes": [], "public_routes": [], where: [loose_form]}
    with pytest.raises(UnguardedRoute, match="form tokens"):
        create_app(settings, [plugin_with(**lists)])


def test_route_beside_all_lists_stops_the_start() -> None:
    with pytest.raises(UnguardedRoute, match="no class"):
        check_routes(Litestar([made_page], openapi_config=None))


def test_navigation_shows_only_pages_that_exist() -> None:
    entries = [
        NavEntry("Plans", "/plans", "repeat", order=2),
        NavEntry("Invoices", "/invoices", "file-invoice", order=1),
        NavEntry("Audit log", "/audit-log", "history", section="Operations"),
    ]
    made = build_navigation(entries, pages={"/invoices", "/plans"})
    assert [[item.label for item in section.items] for section in made.sections] == [["Invoices", "Plans"]]
