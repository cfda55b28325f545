"""Answers: a page or its fragment, a redirect with a notice, and the frame around every page."""

from __future__ import annotations

import base64
import functools
from typing import Any, get_args

import msgspec
from litestar import Response
from litestar.datastructures import Cookie
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.utils.scope.state import ScopeState

from portal.security.keyrings import current_keyring
from portal.security.tokens import sign, unsign
from portal.settings import current_settings
from portal.web.request import PortalRequest, Visit
from portal.web.shells import Badge, Navigation, Notice, Person, Shell, ShownMode, Theme, Tone
from portal.web.templates import render_fragment

HTML = "text/html"
NOTICE_SECONDS = 60
MOST_COUNTED = 100
THEME_COOKIE = "portal_theme"


def page(
    request: PortalRequest,
    template: str,
    *,
    fragment: str | None = None,
    status: int = 200,
    live: str | None = None,
    **context: Any,
) -> Response[str]:
    """The whole page, or its fragment when htmx asks for a part.

    Args:
        request: decides which of the two, and gives the frame its person, mode and theme.
        template: the page's template; it finds `shell` in its context.
        fragment: what htmx gets: a template (`x/_rows.html`) or the name of a block of the page's.
        status: 422 for a refused form.
        live: address of an event stream that updates the page.
        context: everything else that the templates need.
    """
    if fragment is not None and request.wants_fragment:
        partial = fragment.endswith(".html")
        html = render_fragment(
            _engine(request),
            fragment if partial else template,
            block=None if partial else fragment,
            shell=shell(request),
            **context,
        )
        return Response(html, status_code=status, media_type=HTML, headers={"Vary": "HX-Request"})
    frame = shell(request, consume_notice=True, live=live)
    html = render_fragment(_engine(request), template, shell=frame, **context)
    headers = {"Vary": "HX-Request"} if fragment is not None else {}
    cookies = [_notice_cookie("", max_age=0)] if frame.notice else []
    return Response(html, status_code=status, media_type=HTML, headers=headers, cookies=cookies)


def redirect(
    request: PortalRequest, path: str, *, notice: str | None = None, tone: Tone = "ok"
) -> Response[bytes]:
    """Send the browser to another page of ours, where `notice` is shown once.

    `path` is written by the handler; never take it from input except through `safe_path`.
    """
    cookies = [_notice_cookie(_pack(Notice(tone, notice)), max_age=NOTICE_SECONDS)] if notice else []
    if request.by_htmx:
        return Response(b"", status_code=204, headers={"HX-Redirect": path}, cookies=cookies)
    return Response(
        b"", status_code=303, headers={"Location": path}, cookies=cookies, media_type="text/plain"
    )


def shell(request: PortalRequest, *, consume_notice: bool = False, live: str | None = None) -> Shell:
    """The frame around a page, from what the request already knows: no query."""
    person, visit = request.visitor, request.visit
    navigation: Navigation = request.app.state.get("navigation") or Navigation()
    return Shell(
        csrf_token=csrf_token(request),
        organisation=visit.organisation,
        person=Person(person.name, person.role.value) if person else None,
        sections=navigation.at(request.scope["path"], badges=_badges(visit)) if person else (),
        mode=_one_of(ShownMode, visit.mode),
        theme=_one_of(Theme, request.cookies.get(THEME_COOKIE)),
        notice=_unpack(request.cookies.get(notice_cookie_name())) if consume_notice else None,
        time_zone=visit.time_zone,
        path=request.scope["path"],
        live=live,
        trouble=visit.trouble if person else None,
    )


def csrf_token(request: PortalRequest) -> str:
    """The form token of this request; pages put it into `_csrf_token` or the `x-csrftoken` header."""
    token = ScopeState.from_scope(request.scope).csrf_token
    return token if isinstance(token, str) else ""


def cookie_name(name: str) -> str:
    """The cookie's full name: with HTTPS the browser itself guards the `__Host-` prefix."""
    return f"__Host-{name}" if current_settings().secure else name


def notice_cookie_name() -> str:
    """The cookie that carries a notice over a redirect."""
    return cookie_name("portal_notice")


def _engine(request: PortalRequest) -> JinjaTemplateEngine:
    engine = request.app.template_engine
    assert isinstance(engine, JinjaTemplateEngine)  # noqa: S101 - create_app sets it
    return engine


def _notice_cookie(value: str, *, max_age: int) -> Cookie:
    return Cookie(
        key=notice_cookie_name(),
        value=value,
        max_age=max_age,
        httponly=True,
        samesite="lax",
        secure=current_settings().secure,
    )


def _pack(notice: Notice) -> str:
    text = base64.urlsafe_b64encode(msgspec.json.encode(notice)).decode().rstrip("=")
    return sign(text, key=_notice_key())


def _unpack(cookie: str | None) -> Notice | None:
    text = unsign(cookie, key=_notice_key()) if cookie else None
    if text is None:
        return None
    return msgspec.json.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=Notice)


@functools.cache
def _notice_key() -> bytes:
    return current_keyring().derive("notice")


def _badges(visit: Visit) -> dict[str, Badge]:
    """Events that failed for good, of both modes: each waits for a person, whichever mode it is of."""
    if not visit.parked:
        return {}
    count = str(visit.parked) if visit.parked <= MOST_COUNTED else f"{MOST_COUNTED}+"
    words = f"{count} failed event{'' if visit.parked == 1 else 's'}"
    if visit.parked_test:
        words += (
            ", all in test mode"
            if visit.parked_test == visit.parked
            else f", {visit.parked_test} in test mode"
        )
    return {"/webhook-events": (count, words)}


def _one_of(kind: Any, value: str | None) -> Any:
    return value if value in get_args(kind) else None
