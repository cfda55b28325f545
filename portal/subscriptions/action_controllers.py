"""What people ask of a subscription: each change has a page that tells its consequences first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post
from litestar.params import FromPath

from portal.audit.services import person_actor
from portal.errors import Conflict, NotFound
from portal.subscriptions.services import WISHES, request_change
from portal.subscriptions.views import read_subject
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import KEY, UnknownForm, new_form_key, submit_once

KEY_FIELD = "form_key"


@dataclass(frozen=True, slots=True)
class Change:
    """A change that can be asked for. `path`: its name in addresses."""

    wish: str
    title: str
    """Also what the button says."""
    danger: bool = False

    @property
    def path(self) -> str:
        """`cancel-now`."""
        return self.wish.replace("_", "-")


ALL = (
    Change("cancel_at_period_end", "Cancel at period end"),
    Change("keep", "Keep subscription"),
    Change("pause", "Pause collection"),
    Change("resume", "Resume"),
    Change("cancel_now", "Cancel now", danger=True),
)
BY_PATH = {change.path: change for change in ALL}


@get("/subscriptions/{subscription_id:int}/changes/{path:str}", guards=[require_role("admin")])
async def ask_change(
    request: PortalRequest, subscription_id: FromPath[int], path: FromPath[str]
) -> Response[Any]:
    """The question, as a dialog or a page of its own; the subscription when it does not apply."""
    change = _known(path)
    subject = await read_subject(request, subscription_id)
    if change.wish not in subject.actions.offered:
        return sorry(request, subscription_id, not_now(subject.actions.absent))
    return page(
        request,
        "subscriptions/change.html",
        fragment="subscriptions/_change_dialog.html",
        change=change,
        subscription=subject.subscription,
        form_key=new_form_key(),
    )


@post("/subscriptions/{subscription_id:int}/changes/{path:str}")
async def save_change(
    request: PortalRequest, subscription_id: FromPath[int], path: FromPath[str]
) -> Response[Any]:
    """Ask the provider for it, once for a form, however often it is sent."""
    form_key = (await read_form(request, KEY_FIELD)).text(KEY_FIELD)
    change = _known(path)
    subject = await read_subject(request, subscription_id)

    async def act() -> int:
        if change.wish not in subject.actions.offered:
            raise not_now(subject.actions.absent)
        await request_change(subscription_id, change.wish, actor=person_actor(request))
        return 0

    if not KEY.fullmatch(form_key):
        raise UnknownForm("This form is too old to be sent.", hint="Load the page again and try once more.")
    try:
        await submit_once(f"{request.user.person_id}-{change.path}-{form_key}", act)
    except Conflict as error:
        return sorry(request, subscription_id, error)
    return redirect(
        request,
        f"/subscriptions/{subscription_id}",
        notice=f"{WISHES[change.wish]} The result appears here by itself.",
    )


def _known(path: str) -> Change:
    if path not in BY_PATH:
        raise NotFound("That cannot be asked of a subscription.")
    return BY_PATH[path]


def not_now(absent: tuple[str, ...]) -> Conflict:
    """Why what was asked for does not apply."""
    return Conflict("This is not possible now.", hint=" ".join(absent))


def sorry(request: PortalRequest, subscription_id: int, error: Conflict) -> Response[bytes]:
    """Back to the subscription with the reason why it was not done."""
    words = f"{error.message} {error.hint}".strip()
    return redirect(request, f"/subscriptions/{subscription_id}", notice=words, tone="warn")


routes = [ask_change, save_change]
