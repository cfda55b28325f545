"""`/metrics`: for this machine, or for whoever has the token."""

from __future__ import annotations

import ipaddress
import secrets

from litestar import Response, get
from prometheus_client import CONTENT_TYPE_LATEST

from portal.errors import NotFound
from portal.metrics.readings import SharedFigures
from portal.metrics.texts import written
from portal.settings import LOOPBACK, current_settings
from portal.web.request import PortalRequest

FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""With any of these somebody else asks through a proxy, and it is not this machine that does."""
NOBODY = "Say who asks with the bearer token of PORTAL_METRICS_TOKEN."
figures = SharedFigures()


@get("/metrics")
async def metrics(request: PortalRequest) -> Response[bytes]:
    """Every figure, for Prometheus and what understands it.

    Raises:
        NotFound: no token is set, and it is not this machine that asks.
    """
    token = current_settings().metrics_token
    if not (_shows(request, token) or _is_this_machine(request)):
        if token is None:
            raise NotFound("There is no such page.")
        return Response(
            NOBODY.encode(), status_code=401, media_type="text/plain", headers={"WWW-Authenticate": "Bearer"}
        )
    return Response(written(await figures.get()), media_type=CONTENT_TYPE_LATEST)


def _shows(request: PortalRequest, token: str | None) -> bool:
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return (
        token is not None
        and scheme.lower() == "bearer"
        and secrets.compare_digest(shown.strip().encode(), token.encode())
    )


def _is_this_machine(request: PortalRequest) -> bool:
    """Peer and Host both name this machine: a proxy that tells nothing of its visitors keeps their Host."""
    if request.client is None or any(request.headers.get(name) for name in FORWARDED):
        return False
    try:
        peer = ipaddress.ip_address(request.client.host)
    except ValueError:
        return False
    return peer.is_loopback and (request.url.hostname or "") in LOOPBACK


public_routes = [metrics]
