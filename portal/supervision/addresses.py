"""Addresses that the parts listen at: free before, answering afterwards."""

from __future__ import annotations

import errno
import http.client
import socket
from urllib.parse import urlsplit

from portal.errors import ConfigurationError

PROBE_SECONDS = 2
REASONS = {
    errno.EADDRINUSE: "Port {port} is in use by another program.",
    errno.EACCES: "This user may not listen on port {port}.",
    errno.EADDRNOTAVAIL: "This machine has no address {host}.",
}


def require_free(host: str, port: int, *, hint: str) -> None:
    """Prove that we could listen there.

    Raises:
        ConfigurationError: we could not, with the reason in words.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        words = REASONS.get(error.errno or 0, "Listening at {host}, port {port} is not possible.")
        raise ConfigurationError(words.format(host=host, port=port), hint=hint) from error


def loopback(host: str) -> str:
    """Where this machine reaches a server that listens at `host`, as it stands in an address."""
    reached = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not bound
    return f"[{reached}]" if ":" in reached else reached


def answers(url: str) -> bool:
    """Whether an HTTP server answers there without an error of its own. Ignores proxies."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=PROBE_SECONDS)
    try:
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status < http.HTTPStatus.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
