"""Security headers, by what kind of page they protect."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

Directives = Mapping[str, tuple[str, ...]]

ADMIN_DIRECTIVES: Directives = {
    "default-src": ("'none'",),
    "script-src": ("'self'",),
    "style-src": ("'self'",),
    "img-src": ("'self'", "data:"),
    "font-src": ("'self'",),
    "connect-src": ("'self'",),
    "form-action": ("'self'",),
    "base-uri": ("'none'",),
    "frame-ancestors": ("'none'",),
}
ADMIN_PERMISSIONS = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"
PAY_PERMISSIONS = "camera=(), geolocation=(), microphone=(), usb=()"
"""`payment` stays open: wallets need it in the provider's frame."""
SECURE_HOST = re.compile(r"https://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+(:\d{1,5})?")
LOOPBACK_HOST = re.compile(r"https?://(127\.0\.0\.1|localhost)(:\d{1,5})?")
ONE_YEAR = 31_536_000


class RouteClass(StrEnum):
    """Which rules a route falls under. It is also the value of its `access` option."""

    ADMIN = "admin"
    PUBLIC = "public"
    PAY = "pay"
    WEBHOOK = "webhook"
    STATIC = "static"


def admin_csp() -> str:
    """The policy of every page that is not a pay page."""
    return _write(ADMIN_DIRECTIVES)


def pay_csp(additions: Directives | None = None) -> str:
    """The pay page's policy: the admin one, and what the payment provider's plugin declares.

    Raises:
        ValueError: an addition would loosen a directive that no provider needs, or allow any host.
    """
    merged = dict(ADMIN_DIRECTIVES)
    for directive, sources in (additions or {}).items():
        if directive not in ("script-src", "frame-src", "connect-src", "img-src", "style-src"):
            raise ValueError(f"a plugin may not change {directive}")
        if any(not _is_host(source) for source in sources):
            raise ValueError(f"{directive} takes hosts with their scheme, not {' '.join(sources)}")
        merged[directive] = (*merged.get(directive, ()), *sources)
    return _write(merged)


def security_headers(route_class: RouteClass, *, secure: bool) -> dict[str, str]:
    """Headers for every response of the class, errors included. A response's own ones win."""
    pay = route_class is RouteClass.PAY
    headers = {
        "content-security-policy": admin_csp(),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer" if pay else "same-origin",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin-allow-popups" if pay else "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": PAY_PERMISSIONS if pay else ADMIN_PERMISSIONS,
        "x-robots-tag": "noindex, nofollow",
    }
    if route_class is not RouteClass.STATIC:
        headers["cache-control"] = "no-store"
    if secure:
        headers["strict-transport-security"] = f"max-age={ONE_YEAR}; includeSubDomains"
    return headers


def _is_host(source: str) -> bool:
    """A host with its scheme and nothing else: one semicolon would begin a directive of the plugin's own."""
    return SECURE_HOST.fullmatch(source) is not None or LOOPBACK_HOST.fullmatch(source) is not None


def _write(directives: Directives) -> str:
    return "; ".join(f"{name} {' '.join(sources)}" for name, sources in directives.items())
