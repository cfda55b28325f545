"""The public address that providers deliver to. The signature is the proof; nothing else is asked."""

from __future__ import annotations

import asyncio
import logging

from litestar import Response, post
from litestar.params import FromPath
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_400_BAD_REQUEST,
    HTTP_404_NOT_FOUND,
    HTTP_408_REQUEST_TIMEOUT,
    HTTP_503_SERVICE_UNAVAILABLE,
)

from portal.contract.errors import EventRefused
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.database.transaction import DatabaseBusy
from portal.queue.connections import DATABASE_FAILED
from portal.web.request import PortalRequest
from portal.webhooks.intake import Outcome, receive
from portal.webhooks.reach import ANSWER_HEADER, NONCE_HEADER, answer_nonce

MOST_BYTES = 1024 * 1024
BODY_SECONDS = 10.0
STORE_SECONDS = 3.5
"""With the second that giving a connection back may take, a silent database is a 503 within five."""
logger = logging.getLogger("portal.webhooks")


@post(
    "/webhooks/{plugin_id:str}/{token:str}",
    status_code=HTTP_200_OK,
    exclude_from_csrf=True,
    request_max_body_size=MOST_BYTES,
    name="webhook.receive",
)
async def receive_delivery(
    plugin_id: FromPath[str], token: FromPath[str], request: PortalRequest
) -> Response[dict[str, str]]:
    """Answer 200 once the event is committed, 4xx to what is not genuine, 503 while the database is away."""
    if proof := answer_nonce(request.headers.get(NONCE_HEADER, "")):
        # The portal asks itself whether its address leads here: nothing to read, to store or to count.
        return _answer(HTTP_400_BAD_REQUEST, "refused", {ANSWER_HEADER: proof})
    plugin = plugin_by_id(plugin_id)
    if plugin is None:
        return _answer(HTTP_404_NOT_FOUND, "unknown address")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.body()
    except TimeoutError:
        return _answer(HTTP_408_REQUEST_TIMEOUT, "the body did not arrive")
    return await _take_in(plugin, token, body, dict(request.headers))


async def _take_in(
    plugin: Plugin, token: str, body: bytes, headers: dict[str, str]
) -> Response[dict[str, str]]:
    plugin_id = plugin.manifest.id
    try:
        async with asyncio.timeout(STORE_SECONDS):
            outcome = await receive(plugin, token, body, headers)
    except EventRefused as refused:
        logger.info("delivery to %s refused: %s", plugin_id, refused.message)
        return _answer(HTTP_400_BAD_REQUEST, "refused")
    except (DatabaseBusy, *DATABASE_FAILED) as error:
        logger.warning("delivery to %s not stored: %s", plugin_id, type(error).__name__)
        return _answer(HTTP_503_SERVICE_UNAVAILABLE, "try again")
    if outcome is Outcome.UNKNOWN:
        return _answer(HTTP_404_NOT_FOUND, "unknown address")
    return _answer(HTTP_200_OK, outcome.value)


def _answer(status: int, word: str, headers: dict[str, str] | None = None) -> Response[dict[str, str]]:
    return Response({"status": word}, status_code=status, headers=headers)


webhook_routes = [receive_delivery]
