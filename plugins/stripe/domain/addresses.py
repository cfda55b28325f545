"""Comparing the address of an endpoint with the one that the portal listens at. Pure."""

from __future__ import annotations

import ipaddress
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}
_PRIVATE_ENDINGS = (".home.arpa", ".internal", ".invalid", ".lan", ".local", ".localhost", ".test")


class Likeness(StrEnum):
    """How an endpoint's address compares with ours."""

    EXACT = "exact"
    NEAR_MISS = "near_miss"
    """It carries our secret path, and yet deliveries would go somewhere else."""
    SIBLING = "sibling"
    """Another path of this installation: an address that it had, or one of a connection that ended."""
    FOREIGN = "foreign"


def compare(url: str, wanted: str) -> Likeness:
    """How an endpoint's address compares with the wanted one."""
    if url == wanted:
        return Likeness.EXACT
    theirs, ours = urlsplit(url), urlsplit(wanted)
    if theirs.path.rstrip("/") == ours.path:
        return Likeness.NEAR_MISS
    same_place = theirs.hostname == ours.hostname and _port(theirs) == _port(ours)
    if same_place and theirs.path.startswith(ours.path.rpartition("/")[0] + "/"):
        return Likeness.SIBLING
    return Likeness.FOREIGN


def differences(url: str, wanted: str) -> tuple[str, ...]:
    """What a near miss has otherwise, each as a clause that completes "but …"."""
    theirs, ours = urlsplit(url), urlsplit(wanted)
    found = []
    if theirs.scheme != ours.scheme:
        found.append(f"begins with {theirs.scheme}:// instead of {ours.scheme}://")
    if theirs.hostname != ours.hostname:
        found.append(f"names the host {theirs.hostname} instead of {ours.hostname}")
    if theirs.scheme == ours.scheme and _port(theirs) != _port(ours):
        found.append(f"names port {_port(theirs)} instead of {_port(ours)}")
    if theirs.path != ours.path:
        found.append("ends with a slash")
    if theirs.query or theirs.fragment:
        found.append("carries something after the path")
    return tuple(found) or ("is written differently",)


def is_public(host: str) -> bool:
    """Whether a host can be reached from the internet, as far as its name tells."""
    if host.endswith(_PRIVATE_ENDINGS):
        return False
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host


def shorten_address(url: str) -> str:
    """An address with only the start of its secret path, for naming it."""
    before, slash, token = url.rpartition("/")
    return f"{before}{slash}{token[:6]}…" if len(token) > 12 else url


def _port(parts: SplitResult) -> int | None:
    try:
        return parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None
