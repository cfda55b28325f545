"""A short way in for deliveries: past the pages' middleware, which costs ten times what a delivery does.

It decides nothing. What is surely a delivery goes to the function behind the route of that address;
whatever looks unusual (another method, a foreign host, an address of another shape) goes the long way.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING

from litestar.enums import ScopeType

from portal.security.redaction import request_id_now
from portal.settings import current_settings
from portal.web.addresses import is_our_host
from portal.web.middlewares import request_id_of
from portal.webhooks.answers import FAULT, Answer, send_answer
from portal.webhooks.controllers import decide

if TYPE_CHECKING:
    from litestar.types import ASGIApp, Receive, Scope, Send

PREFIX = "/webhooks/"
logger = logging.getLogger("portal.webhooks")


async def pass_delivery(scope: Scope, receive: Receive, send: Send, *, otherwise: ASGIApp) -> None:
    """Answer a delivery here, and hand everything else on."""
    if scope["type"] == ScopeType.HTTP and scope["method"] == "POST" and scope["path"].startswith(PREFIX):
        plugin_id, _, token = scope["path"][len(PREFIX) :].partition("/")
        if plugin_id and token and "/" not in token and _is_ours(scope):
            request_id_now.set(request_id_of(scope))
            await send_answer(await _decide(scope, receive, plugin_id, token), scope, send)
            return
    await otherwise(scope, receive, send)


async def _decide(scope: Scope, receive: Receive, plugin_id: str, token: str) -> Answer:
    try:
        return await decide(scope, receive, plugin_id, token)
    # Whatever it is: outside the application nobody else would turn it into an answer.
    except Exception:
        logger.exception("a delivery to %s failed", plugin_id)
        return FAULT


def _is_ours(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"host":
            return _is_our_host(value, current_settings().base_url)
    return _is_our_host(b"", current_settings().base_url)


@functools.lru_cache(maxsize=64)
def _is_our_host(host: bytes, _base_url: str) -> bool:
    return is_our_host(host.decode("latin-1"), current_settings())
