"""The public address that providers deliver to. The signature is the proof; nothing else is asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from litestar import Response, post
from litestar.params import FromPath
from litestar.status_codes import HTTP_200_OK

from portal.contract.errors import EventRefused
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.database.transaction import DatabaseBusy
from portal.queue.connections import DATABASE_FAILED
from portal.web.request import PortalRequest
from portal.webhooks import intake
from portal.webhooks.answers import Answer
from portal.webhooks.bodies import BodyBrokenOff, BodyTooLarge, read_body
from portal.webhooks.deadlines import Deadlines
from portal.webhooks.intake import Outcome
from portal.webhooks.reach import ANSWER_HEADER, NONCE_HEADER, answer_nonce

if TYPE_CHECKING:
    from litestar.types import Receive, Scope

MOST_BYTES = 1024 * 1024
BODY_SECONDS = 10.0
STORE_SECONDS = 3.5
"""With the second that giving a connection back may take, a silent database is a 503 within five."""
REFUSED = Answer(400, "refused")
UNKNOWN = Answer(404, "unknown address")
TOO_SLOW = Answer(408, "the body did not arrive")
TOO_LARGE = Answer(413, "too large")
AWAY = Answer(503, "try again")
ACCEPTED = {outcome: Answer(200, outcome.value) for outcome in Outcome} | {Outcome.UNKNOWN: UNKNOWN}
logger = logging.getLogger("portal.webhooks")
_reading, _storing = Deadlines(BODY_SECONDS), Deadlines(STORE_SECONDS)


@post(
    "/webhooks/{plugin_id:str}/{token:str}",
    status_code=HTTP_200_OK,
    exclude_from_csrf=True,
    name="webhook.receive",
)
async def receive_delivery(
    plugin_id: FromPath[str], token: FromPath[str], request: PortalRequest
) -> Response[dict[str, str]]:
    """The route as the application knows it; nearly everything comes by `portal.webhooks.door` instead."""
    answer = await decide(request.scope, request.receive, plugin_id, token)
    headers = dict([answer.header] if answer.header else [])
    return Response({"status": answer.word}, status_code=answer.status, headers=headers)


async def decide(scope: Scope, receive: Receive, plugin_id: str, token: str) -> Answer:
    """200 once the event is committed, 4xx to what is not genuine, 503 while the database is away."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    if proof := answer_nonce(headers.get(NONCE_HEADER, "")):
        # The portal asks itself whether its address leads here: nothing to read, to store or to count.
        return Answer(400, "refused", (ANSWER_HEADER, proof))
    plugin = plugin_by_id(plugin_id)
    if plugin is None:
        return UNKNOWN
    body = await _read(receive, headers)
    return body if isinstance(body, Answer) else await _take(plugin, token, body, headers)


async def _read(receive: Receive, headers: Mapping[str, str]) -> bytes | Answer:
    try:
        with _reading.begin():
            return await read_body(receive, headers, MOST_BYTES)
    except BodyTooLarge:
        return TOO_LARGE
    except BodyBrokenOff:
        return REFUSED
    except TimeoutError:
        return TOO_SLOW


async def _take(plugin: Plugin, token: str, body: bytes, headers: Mapping[str, str]) -> Answer:
    try:
        with _storing.begin():
            return ACCEPTED[await intake.receive(plugin, token, body, headers)]
    except EventRefused:
        return REFUSED
    except (DatabaseBusy, *DATABASE_FAILED) as error:
        logger.warning("delivery to %s not stored: %s", plugin.manifest.id, type(error).__name__)
        return AWAY


webhook_routes = [receive_delivery]
