"""The help pages, for everybody who is signed in."""

from __future__ import annotations

from litestar import Response, get
from litestar.params import FromPath

from portal.contract.help_pages import HelpShelf, help_shelves
from portal.errors import NotFound
from portal.web.navigation import NavEntry
from portal.web.request import PortalRequest
from portal.web.responses import page

ADDRESS = "/help"


@get(ADDRESS, name="help")
async def show_index(request: PortalRequest) -> Response[str]:
    """Every page, by what it is about."""
    return page(request, "help/index.html", shelves=help_shelves())


@get(ADDRESS + "/{shelf_id:str}/{slug:str}", name="help-page")
async def show_page(request: PortalRequest, *, shelf_id: FromPath[str], slug: FromPath[str]) -> Response[str]:
    """One page in the portal's frame."""
    shelf = _shelf(shelf_id)
    found = shelf.page(slug)
    return page(request, found.template, shelf=shelf, help=found)


def _shelf(shelf_id: str) -> HelpShelf:
    for shelf in help_shelves():
        if shelf.id == shelf_id:
            return shelf
    raise NotFound("There is no help about this.", hint="The list of all pages is under Help.")


routes = [show_index, show_page]
nav = [NavEntry("Help", ADDRESS, "lifebuoy", section="Settings", order=90)]
