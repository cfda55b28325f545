"""The page that asks for another plan or quantity, with what follows from the choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from litestar import Response, get, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK, HTTP_422_UNPROCESSABLE_ENTITY

from portal.audit.services import person_actor
from portal.contract.descriptions import FieldFeedback
from portal.database.transaction import connection
from portal.errors import Conflict, InvalidInput
from portal.subscriptions.action_controllers import KEY_FIELD, not_now, sorry
from portal.subscriptions.plan_offers import MOST_OFFERED, plan_offers
from portal.subscriptions.plan_rules import FIELDS, PRORATIONS, PlanChange, PlanOffer, effect_of, read_choice
from portal.subscriptions.services import request_plan_change
from portal.subscriptions.views import Subject, read_subject
from portal.web.forms import Form, feedback_on, read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import KEY, UnknownForm, new_form_key, submit_once

PAGE = "subscriptions/change_plan.html"
DIALOG = "subscriptions/_plan_dialog.html"
EFFECT = "subscriptions/_plan_effect.html"


@dataclass(frozen=True, slots=True)
class _Choosing:
    """A subscription and the plans that it can be changed to."""

    subject: Subject
    offers: Sequence[PlanOffer]
    zone: ZoneInfo

    def read(self, form: Form) -> PlanChange:
        """What was chosen."""
        found = self.subject.subscription
        now = None if found.wish else (found.plan_external_id, found.quantity)
        return read_choice(form, self.offers, now=now)

    def effect(self, chosen: PlanChange) -> str:
        """What follows from it."""
        found = self.subject.subscription
        offer = next(each for each in self.offers if each.external_id == chosen.plan_external_id)
        return effect_of(offer, chosen.quantity, found.standing, found.price, zone=self.zone)


async def _choosing(request: PortalRequest, subscription_id: int) -> _Choosing:
    subject = await read_subject(request, subscription_id)
    async with connection() as held:
        offers = await plan_offers(held, subscription_id)
    return _Choosing(subject, offers, ZoneInfo(request.visit.time_zone))


@get("/subscriptions/{subscription_id:int}/plan", guards=[require_role("admin")])
async def ask_plan(request: PortalRequest, subscription_id: FromPath[int]) -> Response[Any]:
    """The form, as a dialog or a page of its own; the subscription when it does not apply."""
    return _ask(request, await _choosing(request, subscription_id))


@post("/subscriptions/{subscription_id:int}/plan/check", status_code=200)
async def check_plan(request: PortalRequest, subscription_id: FromPath[int]) -> Response[str]:
    """What would be charged, and from when."""
    form = await read_form(request, KEY_FIELD, *FIELDS)
    choosing = await _choosing(request, subscription_id)
    try:
        found = FieldFeedback("ok", choosing.effect(choosing.read(form)))
    except InvalidInput as error:
        found = FieldFeedback("bad", next(iter(error.fields.values())))
    return page(request, EFFECT, fragment=EFFECT, found=found)


@post("/subscriptions/{subscription_id:int}/plan")
async def save_plan(request: PortalRequest, subscription_id: FromPath[int]) -> Response[Any]:
    """Ask the provider for it, once for a form, however often it is sent."""
    form = await read_form(request, KEY_FIELD, *FIELDS)
    choosing = await _choosing(request, subscription_id)
    if not KEY.fullmatch(form.text(KEY_FIELD)):
        raise UnknownForm("This form is too old to be sent.", hint="Load the page again and try once more.")

    async def act() -> int:
        if "change_plan" not in choosing.subject.actions.offered:
            raise not_now(choosing.subject.actions.absent)
        await request_plan_change(subscription_id, choosing.read(form), actor=person_actor(request))
        return 0

    try:
        await submit_once(f"{request.user.person_id}-plan-{form.text(KEY_FIELD)}", act)
    except InvalidInput as error:
        return _ask(request, choosing, typed=form, problems=error.fields)
    except Conflict as error:
        return sorry(request, subscription_id, error)
    notice = "Asked for the other plan. The result appears here by itself."
    return redirect(request, f"/subscriptions/{subscription_id}", notice=notice)


def _ask(
    request: PortalRequest,
    choosing: _Choosing,
    *,
    typed: Form | None = None,
    problems: dict[str, str] | None = None,
) -> Response[Any]:
    found = choosing.subject.subscription
    if "change_plan" not in choosing.subject.actions.offered:
        return sorry(request, found.id, not_now(choosing.subject.actions.absent))
    given = {
        KEY_FIELD: new_form_key(),
        "plan": found.plan_external_id,
        "quantity": str(found.quantity),
        "proration": "next_invoice",
    }
    return page(
        request,
        PAGE,
        fragment=DIALOG,
        status=HTTP_422_UNPROCESSABLE_ENTITY if problems else HTTP_200_OK,
        failed=bool(problems),
        subscription=found,
        offers=choosing.offers,
        most=MOST_OFFERED,
        prorations=PRORATIONS,
        given=given | (typed.shown() if typed else {}),
        problems=problems or {},
        feedback=feedback_on(problems or {}),
    )


routes = [ask_plan, check_plan, save_plan]
