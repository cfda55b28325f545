"""Having events handled again from the event log: first what would change, then on a person's word."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get, post
from litestar.params import FromPath, FromQuery

from portal.audit.services import person_actor
from portal.exchange.previews import preview, preview_many
from portal.exchange.replays import MOST_AT_ONCE, replay, replay_many, replay_progress
from portal.exchange.summaries import summary_of_previews
from portal.web.forms import read_form
from portal.web.guards import require_role
from portal.web.request import PortalRequest
from portal.web.responses import page, redirect
from portal.web.submissions import new_form_key, submit_once
from portal.webhooks.filters import read_filter
from portal.webhooks.queries import find_event, matching_ids

ADDRESS: Final = "/webhook-events"
ADMIN: Final = [require_role("admin")]
LOOK: Final = "yes"


@get(ADDRESS + "/{event_id:int}/again", guards=ADMIN)
async def show_one(request: PortalRequest, event_id: FromPath[int]) -> Response[str]:
    """What handling it again would change; nothing is stored by looking."""
    event = await find_event(event_id)
    return page(request, "webhooks/again.html", event=event, seen=await preview(event_id))


@post(ADDRESS + "/{event_id:int}/again", guards=ADMIN)
async def replay_one(request: PortalRequest, event_id: FromPath[int]) -> Response[bytes]:
    """Have it handled again. Pressing twice is once."""
    await read_form(request)
    await replay(event_id, actor=person_actor(request))
    return redirect(request, f"{ADDRESS}/{event_id}", notice="It is handled again now.", tone="run")


@get(ADDRESS + "/again", guards=ADMIN)
async def show_many(request: PortalRequest, look: FromQuery[str] = "") -> Response[str]:
    """The events of a filter, and, with `look`, what handling them again would change."""
    wanted = read_filter(request.query_params)
    ids = await matching_ids(wanted, most=MOST_AT_ONCE, zone=request.visit.time_zone)
    too_many = len(ids) > MOST_AT_ONCE
    # The oldest of the extra one and the newest 500: what is newest matters most.
    ids = ids[-MOST_AT_ONCE:]
    previews = await preview_many(ids) if look == LOOK and ids else []
    return page(
        request,
        "webhooks/again_many.html",
        fragment="webhooks/_previews_update.html",
        wanted=wanted,
        event_ids=ids,
        too_many=too_many,
        most=MOST_AT_ONCE,
        found=summary_of_previews(previews) if previews else None,
        form_key=new_form_key(),
    )


@post(ADDRESS + "/again", guards=ADMIN)
async def start_many(request: PortalRequest) -> Response[Any]:
    """Have the events that were shown handled again, once however often the button is pressed."""
    form = await read_form(request, "event", "form_key")
    ids = [int(text) for text in form.all("event") if text.isascii() and text.isdigit() and len(text) < 19]
    actor = person_actor(request)

    async def act() -> int:
        return (await replay_many(ids, actor=actor)).id or 0

    replay_id, _ = await submit_once(f"{request.user.person_id}-{form.text('form_key')}", act)
    if not replay_id:
        notice = "None of these events can be handled again as they stand now."
        return redirect(request, ADDRESS, notice=notice, tone="warn")
    return redirect(request, f"{ADDRESS}/again/{replay_id}")


@get(ADDRESS + "/again/{replay_id:int}", guards=ADMIN)
async def show_progress(request: PortalRequest, replay_id: FromPath[int]) -> Response[str]:
    """How far it is; the page asks again until it is done, and may be left meanwhile."""
    return page(
        request,
        "webhooks/again_progress.html",
        fragment="webhooks/_progress_update.html",
        progress=await replay_progress(replay_id),
    )


routes = [show_one, replay_one, show_many, start_many, show_progress]
