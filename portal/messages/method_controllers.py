"""What admins do about the link to change how a subscription is paid: send it, or make a new one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from portal.audit.services import Actor, person_actor
from portal.errors import Conflict, NotFound, PortalError
from portal.mail.servers import MailNotSetUp
from portal.messages.method_letters import send_method_link
from portal.subscriptions.method_links import renew_link
from portal.subscriptions.method_panels import MethodPanel
from portal.subscriptions.views import read_panel, read_subject
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import KEY, UnknownForm, new_form_key, submit_once

KEY_FIELD = "form_key"


@dataclass(frozen=True, slots=True)
class LinkAction:
    """What can be done about the link. `path`: its name in addresses."""

    path: str
    title: str
    add_title: str
    """The same where there is no method that could be updated."""
    button: str
    notice: str
    offered: Callable[[MethodPanel], bool]
    act: Callable[[int, str, Actor], Awaitable[object]]


async def _send(subscription_id: int, form_key: str, actor: Actor) -> object:
    return await send_method_link(subscription_id, form_key, actor=actor)


async def _renew(subscription_id: int, _form_key: str, actor: Actor) -> object:
    return await renew_link(subscription_id, actor=actor)


ACTIONS = {
    action.path: action
    for action in (
        LinkAction(
            "send",
            "Send the customer a link to update the card",
            "Send a link to add a payment method",
            "Send link",
            "On its way to the customer.",
            lambda panel: panel.can_send,
            _send,
        ),
        LinkAction(
            "new", "New link", "New link", "Make link", "New link made.", lambda panel: panel.can_link, _renew
        ),
    )
}


@get("/subscriptions/{subscription_id:int}/method-link/{path:str}", guards=[require_role("admin")])
async def ask_link(
    request: PortalRequest, subscription_id: FromPath[int], path: FromPath[str]
) -> Response[Any]:
    """The question, as a dialog or a page of its own; the subscription when it does not apply."""
    action = _known(path)
    subject = await read_subject(request, subscription_id)
    panel = await read_panel(request, subject.subscription)
    if not action.offered(panel):
        return _sorry(request, subscription_id, _not_now(panel))
    return page(
        request,
        "subscriptions/method_link.html",
        fragment="subscriptions/_method_link_dialog.html",
        action=action,
        title=action.add_title if subject.subscription.lacks_method else action.title,
        panel=panel,
        subscription=subject.subscription,
        form_key=new_form_key(),
    )


@post("/subscriptions/{subscription_id:int}/method-link/{path:str}")
async def save_link(
    request: PortalRequest, subscription_id: FromPath[int], path: FromPath[str]
) -> Response[Any]:
    """Do it, once for a form, however often it is sent."""
    form_key = (await read_form(request, KEY_FIELD)).text(KEY_FIELD)
    action = _known(path)
    subject = await read_subject(request, subscription_id)
    panel = await read_panel(request, subject.subscription)

    async def act() -> int:
        if not action.offered(panel):
            raise _not_now(panel)
        await action.act(subscription_id, form_key, person_actor(request))
        return 0

    if not KEY.fullmatch(form_key):
        raise UnknownForm("This form is too old to be sent.", hint="Load the page again and try once more.")
    try:
        await submit_once(f"{request.user.person_id}-link-{path}-{form_key}", act)
    except (Conflict, MailNotSetUp) as error:
        return _sorry(request, subscription_id, error)
    return redirect(request, f"/subscriptions/{subscription_id}", notice=action.notice)


def _known(path: str) -> LinkAction:
    if path not in ACTIONS:
        raise NotFound("There is no such thing to do about a link.")
    return ACTIONS[path]


def _not_now(panel: MethodPanel) -> Conflict:
    return Conflict("This is not possible now.", hint=panel.reason)


def _sorry(request: PortalRequest, subscription_id: int, error: PortalError) -> Response[bytes]:
    words = f"{error.message} {error.hint}".strip()
    return redirect(request, f"/subscriptions/{subscription_id}", notice=words, tone="warn")


routes = [ask_link, save_link]
