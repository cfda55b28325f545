"""Set-up, sign-in and sign-out. All of it works without JavaScript."""

from __future__ import annotations

from typing import Any

from litestar import Response, get, post
from litestar.datastructures import Cookie
from litestar.params import FromQuery

from portal.auth import services
from portal.auth.limits import TooManyAttempts, admit
from portal.auth.middleware import session_cookie_name
from portal.auth.rules import KEPT
from portal.auth.sessions import Browser
from portal.errors import InvalidInput
from portal.finance.choices import currency_choices, time_zone_choices
from portal.security.passwords import describe_strength
from portal.settings import current_settings
from portal.web.addresses import safe_path
from portal.web.forms import Form, feedback_on, read_form
from portal.web.guards import VIEWER_MAY
from portal.web.request import PortalRequest
from portal.web.responses import cookie_name, page, redirect
from portal.web.visitors import address_of, user_agent_of

SETUP_FIELDS = ("token", "organisation", "currency", "time_zone", "name", "email", "password")


@get("/setup")
async def show_setup(request: PortalRequest, token: FromQuery[str] = "") -> Response[str]:
    """The form of the first run; gone once somebody can sign in."""
    await _demand_link(request, token)
    return _setup_page(request, {"token": token, "currency": "usd", "time_zone": "UTC"})


@post("/setup")
async def set_up(request: PortalRequest) -> Response[Any]:
    """Create organisation and owner, then go to the dashboard, signed in."""
    form = await read_form(request, *SETUP_FIELDS)
    await _demand_link(request, form.text("token"))
    try:
        session = await services.complete_setup(
            form.text("token"), _setup_form(form), browser=_browser(request)
        )
    except InvalidInput as problem:
        return _setup_page(request, form.shown(without=("password",)), problems=problem.fields)
    answer = redirect(request, "/", notice="Your portal is ready.")
    _set_session(answer, session, keep=False)
    return answer


@post("/setup/check", status_code=200)
async def check_setup_field(request: PortalRequest) -> Response[str]:
    """Words on the password while it is typed; only for the holder of the link."""
    form = await read_form(request, *SETUP_FIELDS)
    await _demand_link(request, form.text("token"))
    about = [form.text(name) for name in ("name", "email", "organisation")]
    password = form.raw("password")
    tone, words = describe_strength(password, about=about) if password else ("mute", "")
    return page(request, "auth/_strength.html", fragment="auth/_strength.html", tone=tone, words=words)


@get("/sign-in")
async def show_sign_in(request: PortalRequest, next: FromQuery[str] = "") -> Response[Any]:  # noqa: A002 - the address says next
    """The form; somebody who is signed in already goes on."""
    if request.visitor:
        return redirect(request, safe_path(next))
    ready = await services.is_set_up()
    return page(
        request, "auth/sign_in.html", ready=ready, email="", next=safe_path(next), keep=False, problem=""
    )


@post("/sign-in")
async def sign_in(request: PortalRequest) -> Response[Any]:
    """Start a session and go on to the page that was asked for."""
    form = await read_form(request, "email", "password", "keep", "next")
    onward, keep = safe_path(form.text("next")), form.checked("keep")
    try:
        session = await services.sign_in(
            form.text("email"),
            form.raw("password"),
            keep=keep,
            browser=_browser(request),
            old_token=request.cookies.get(session_cookie_name()),
        )
    except (services.NotThatPassword, TooManyAttempts) as refused:
        return page(
            request,
            "auth/sign_in.html",
            status=refused.status_code,
            failed=True,
            ready=True,
            email=form.text("email"),
            next=onward,
            keep=keep,
            problem=refused.message,
        )
    answer = redirect(request, onward)
    _set_session(answer, session, keep=keep)
    return answer


@post("/sign-out", opt={VIEWER_MAY: True})
async def sign_out(request: PortalRequest) -> Response[Any]:
    """End this session for good."""
    token = request.cookies.get(session_cookie_name(), "")
    await services.sign_out(request.user, token, address=address_of(request))
    answer = redirect(request, "/sign-in", notice="You are signed out.")
    answer.set_cookie(_session_cookie("", max_age=0))
    return answer


routes = [sign_out]
public_routes = [show_setup, set_up, check_setup_field, show_sign_in, sign_in]


async def _demand_link(request: PortalRequest, token: str) -> None:
    """Guesses at the link are counted; whoever has it is not held up."""
    try:
        await services.check_setup_link(token)
    except services.SetupLinkUnusable:
        await admit("set-up", account="set-up", address=address_of(request))
        raise


def _setup_page(
    request: PortalRequest, values: dict[str, str], *, problems: dict[str, str] | None = None
) -> Response[str]:
    return page(
        request,
        "auth/setup.html",
        status=422 if problems else 200,
        failed=bool(problems),
        values=values,
        problems=problems or {},
        feedback=feedback_on(problems or {}),
        currencies=currency_choices(),
        zones=time_zone_choices(),
    )


def _setup_form(form: Form) -> services.SetupForm:
    return services.SetupForm(
        organisation=form.text("organisation"),
        currency=form.text("currency"),
        time_zone=form.text("time_zone"),
        name=form.text("name"),
        email=form.text("email"),
        password=form.raw("password"),
    )


def _browser(request: PortalRequest) -> Browser:
    return Browser(address_of(request), user_agent_of(request))


def _set_session(answer: Response[Any], token: str, *, keep: bool) -> None:
    # No Max-Age: the cookie ends with the browser, unless the person asked to stay signed in.
    answer.set_cookie(_session_cookie(token, max_age=int(KEPT.absolute.total_seconds()) if keep else None))
    # The form token from before belongs to whoever used the browser before.
    answer.set_cookie(
        Cookie(key=cookie_name("portal_csrf"), value="", max_age=0, secure=current_settings().secure)
    )


def _session_cookie(value: str, *, max_age: int | None) -> Cookie:
    return Cookie(
        key=session_cookie_name(),
        value=value,
        max_age=max_age,
        httponly=True,
        samesite="lax",
        secure=current_settings().secure,
    )
