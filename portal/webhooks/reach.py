"""Whether this portal's own public address leads to this portal, and what answers there if not."""

from __future__ import annotations

import asyncio
import functools
import hmac
import re
import secrets
import socket
import ssl
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from urllib.parse import urlsplit

import httpx

from portal.accounts.endpoints import is_private
from portal.errors import ConfigurationError
from portal.security.keyrings import current_keyring
from portal.settings import current_settings

NONCE_HEADER = "portal-nonce"
ANSWER_HEADER = "portal-answer"
NONCE = re.compile(r"[0-9a-f]{32}")
SECONDS = 5.0


class Answerer(StrEnum):
    """What was found at the address."""

    OURS = "ours"
    SOMETHING_ELSE = "something_else"
    """An HTTP answer that did not come from this portal."""
    REDIRECT = "redirect"
    REFUSED = "refused"
    NO_SUCH_NAME = "no_such_name"
    NOT_TRUSTED = "not_trusted"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Reached:
    """What answered one request from this portal to its own public address."""

    by: Answerer
    words: str
    """A sentence for people; it names no more of the address than its host."""
    status: int | None = None
    private: bool = False
    """The host cannot be reached from the internet, whatever answers here."""

    @property
    def ours(self) -> bool:
        """Whether it was this portal."""
        return self.by is Answerer.OURS


def answer_nonce(nonce: str) -> str | None:
    """What this portal alone can answer to a nonce; None: it is none."""
    if not NONCE.fullmatch(nonce):
        return None
    return hmac.new(_key(), nonce.encode(), sha256).hexdigest()


async def reach_endpoint(endpoint_url: str) -> Reached:
    """Ask a webhook address of this portal, as a provider would: one POST, no redirects, TLS verified.

    Raises:
        ConfigurationError: the address is not below PORTAL_BASE_URL.
    """
    base = current_settings().base_url
    if not endpoint_url.startswith(f"{base}/webhooks/"):
        raise ConfigurationError("Only addresses of this portal are asked whether they lead here.")
    host = urlsplit(base).hostname or ""
    by, words, status = await _ask(endpoint_url, host)
    return Reached(by, words, status, private=is_private(host))


async def _ask(url: str, host: str) -> tuple[Answerer, str, int | None]:
    nonce = secrets.token_hex(16)
    try:
        # The environment's proxies are for the way out; a provider comes in without them.
        async with asyncio.timeout(SECONDS), httpx.AsyncClient(trust_env=False, timeout=SECONDS) as http:
            answer = await http.post(url, headers={NONCE_HEADER: nonce}, follow_redirects=False)
    except (TimeoutError, httpx.TimeoutException):
        return Answerer.SILENT, f"{host} did not answer in {SECONDS:g} seconds.", None
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return (*_failure(error, host), None)
    return _judge(answer, nonce, host)


def _judge(answer: httpx.Response, nonce: str, host: str) -> tuple[Answerer, str, int | None]:
    expected, status = answer_nonce(nonce) or "", answer.status_code
    if hmac.compare_digest(answer.headers.get(ANSWER_HEADER, "").encode(), expected.encode()):
        return Answerer.OURS, f"{host} leads to this portal.", status
    if answer.is_redirect:
        to = urlsplit(answer.headers.get("location", "")).hostname or host
        return (
            Answerer.REDIRECT,
            f"{host} redirects to {to} ({status}), which providers do not follow.",
            status,
        )
    kind = "an error " if status >= 500 else ""
    return (
        Answerer.SOMETHING_ELSE,
        f"Something else than this portal answered {host}: {kind}{status}.",
        status,
    )


def _failure(error: BaseException, host: str) -> tuple[Answerer, str]:
    causes = list(_causes(error))
    if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in causes):
        return Answerer.NOT_TRUSTED, f"The certificate of {host} is not trusted."
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return Answerer.NOT_TRUSTED, f"No safe connection with {host} could be made."
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Answerer.NO_SUCH_NAME, f"The name {host} is not known to the internet's directory (DNS)."
    return Answerer.REFUSED, f"Nothing accepts connections at {host}, or it broke them off."


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error and everything that led to it; httpx wraps what the system said twice."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        if isinstance(error, BaseExceptionGroup):
            found += [cause for inner in error.exceptions for cause in _causes(inner)]
        error = error.__cause__ or error.__context__
    return found


@functools.cache
def _key() -> bytes:
    return current_keyring().derive("endpoint-answer")
