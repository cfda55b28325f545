"""Where a request comes from, for limits and the audit log."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection

from portal.settings import current_settings
from portal.web.addresses import client_address


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The visitor's address; a forwarding header counts only when a proxy of ours sent it."""
    peer = connection.client.host if connection.client else None
    return client_address(peer, connection.headers.get("x-forwarded-for"), current_settings().trusted_proxies)


def user_agent_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """The browser as it names itself, cut to a length that fits a list."""
    return connection.headers.get("user-agent", "")[:300]
