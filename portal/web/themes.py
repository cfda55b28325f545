"""The theme switch at the foot of the navigation: one cookie, no script."""

from __future__ import annotations

from litestar import Response, post
from litestar.datastructures import Cookie

from portal.settings import current_settings
from portal.web.addresses import safe_path
from portal.web.forms import read_form
from portal.web.guards import VIEWER_MAY
from portal.web.request import PortalRequest
from portal.web.responses import THEME_COOKIE

ONE_YEAR = 365 * 24 * 3600
CHOICES = ("light", "dark")


@post("/theme", opt={VIEWER_MAY: True}, status_code=303)
async def choose_theme(request: PortalRequest) -> Response[bytes]:
    """Remember light or dark in this browser, or forget both and follow the system; then back to the page."""
    form = await read_form(request, "theme", "next")
    wanted = form.text("theme")
    chosen = wanted in CHOICES
    cookie = Cookie(
        key=THEME_COOKIE,
        value=wanted if chosen else "",
        max_age=ONE_YEAR if chosen else 0,
        httponly=True,
        samesite="lax",
        secure=current_settings().secure,
    )
    headers = {"Location": safe_path(form.text("next"))}
    return Response(b"", status_code=303, headers=headers, cookies=[cookie], media_type="text/plain")
