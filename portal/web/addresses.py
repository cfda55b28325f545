"""Addresses: where a visitor comes from, which hosts are ours, and where a redirect may lead."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import SplitResult, urlsplit

from portal.settings import LOOPBACK, Settings

SAFE_PATH = re.compile(r"/(?:[A-Za-z0-9_-][A-Za-z0-9_./-]*)?(?:\?[A-Za-z0-9_.~=&%+,:-]*)?")


def safe_path(text: str | None, *, otherwise: str = "/") -> str:
    """A path of this site, or `otherwise`. Anything a browser could read as another host is refused."""
    if not text or len(text) > 500 or not SAFE_PATH.fullmatch(text):
        return otherwise
    path = text.partition("?")[0]
    return otherwise if "//" in path or ".." in path else text


def is_our_host(host: str, settings: Settings) -> bool:
    """Whether a Host header names us: the public host, or this machine by a loopback name."""
    name = (_split(f"//{host}").hostname or "") if _plain_host(host) else ""
    return name == settings.public_host or (name in LOOPBACK and (settings.local or not settings.secure))


def is_our_origin(origin: str, host: str, settings: Settings) -> bool:
    """Whether an Origin header is the public address, or the very host that was asked."""
    if origin == settings.base_url:
        return True
    parts = _split(origin)
    return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()


def client_address(peer: str | None, forwarded: str | None, trusted: Iterable[str] = ()) -> str:
    """The visitor's address: the peer's, or what a trusted proxy says it is.

    Args:
        peer: who opened the connection.
        forwarded: the `X-Forwarded-For` header. Read from the right, skipping proxies of ours.
        trusted: addresses or networks of our own proxies.
    """
    networks = [ipaddress.ip_network(text, strict=False) for text in trusted]
    hops = [hop.strip() for hop in (forwarded or "").split(",") if hop.strip()]
    address = peer or ""
    while hops and _inside(address, networks):
        address = hops.pop()
    return address if _parse(address) else (peer or "")


def network_of(address: str) -> str:
    """What a limit counts: an IPv4 address, or the /64 that one IPv6 customer has."""
    parsed = _parse(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed) if parsed else "unknown"


def _split(address: str) -> SplitResult:
    """The parts of an address; empty ones of what is none, such as brackets around no IPv6 address."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def _plain_host(host: str) -> bool:
    return re.fullmatch(r"[A-Za-z0-9.-]+(:\d{1,5})?|\[[0-9A-Fa-f:]+\](:\d{1,5})?", host) is not None


def _parse(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def _inside(address: str, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    parsed = _parse(address)
    return parsed is not None and any(parsed in network for network in networks)
