"""Handing a message over: to the mail server, or to a folder on a person's own machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiosmtplib

from portal.contract.secrets import Secret
from portal.errors import PortalError
from portal.mail.rules import masked
from portal.security.redaction import redact
from portal.settings import LOOPBACK, Settings

COMMAND_SECONDS = 15.0
HANDOVER_SECONDS = 60.0
GOODBYE_SECONDS = 3.0
FOR_GOOD = range(500, 600)
PORTS = {"smtp": 587, "smtps": 465}
FOLDER = "mail"
LONGEST_ANSWER = 300
ADDRESS = re.compile(r"[^\s<>:;,()\"'@]+@[^\s<>:;,()\"'@]+")


class MailRefused(PortalError):
    """Trying again would not help: the server refuses the message, the address or us."""

    code = "MAIL_REFUSED"


class MailDelayed(PortalError):
    """The server is away or busy; the same may go well later."""

    code = "MAIL_DELAYED"
    status_code = 503


class MailNotSetUp(PortalError):
    """There is no mail server, and this is no machine of a person's own."""

    code = "MAIL_NOT_SET_UP"
    status_code = 409

    def __init__(self) -> None:
        super().__init__(
            "Mail is not set up.", hint="Set PORTAL_SMTP_URL and PORTAL_MAIL_FROM, and restart the portal."
        )


class Encryption(StrEnum):
    """How the connection is kept private. `NONE` is for servers on this machine alone."""

    STARTTLS = "starttls"
    AT_ONCE = "tls"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """The mail server that the settings name."""

    host: str
    port: int
    encryption: Encryption
    user: str = ""
    password: Secret = Secret("")  # noqa: RUF009 - it cannot be changed

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Handed:
    """Who took the message: a server, or a file. One of the two is empty."""

    server: str = ""
    file: str = ""


def smtp_server(settings: Settings) -> SmtpServer | None:
    """The mail server, or None when none is set up."""
    if settings.smtp_url is None:
        return None
    parts = urlsplit(settings.smtp_url)
    host = parts.hostname or ""
    encryption = Encryption.NONE if host in LOOPBACK else Encryption.STARTTLS
    return SmtpServer(
        host,
        parts.port or PORTS[parts.scheme],
        Encryption.AT_ONCE if parts.scheme == "smtps" else encryption,
        unquote(parts.username or ""),
        Secret(unquote(parts.password or "")),
    )


def mail_ready(settings: Settings) -> bool:
    """Whether anything can be sent, or written where a person can see it."""
    return settings.smtp_url is not None or settings.local


def may_write_by_itself(mode: str, settings: Settings) -> bool:
    """Whether mail goes out that no person asked for: about test invoices only where it becomes a file."""
    return mail_ready(settings) and (mode == "live" or settings.smtp_url is None)


async def hand_over(message: EmailMessage, settings: Settings) -> Handed:
    """Give the message to the server, or write it into the mail folder of a local portal.

    Raises:
        MailNotSetUp: neither is possible.
        MailRefused: for good, with the server's words.
        MailDelayed: not now.
    """
    server = smtp_server(settings)
    if server is not None:
        await hand_to_server(message, server)
        return Handed(server=str(server))
    if not settings.local:
        raise MailNotSetUp
    return Handed(file=str(await asyncio.to_thread(write_file, message, settings.data_dir / FOLDER)))


async def hand_to_server(
    message: EmailMessage, server: SmtpServer, tls: ssl.SSLContext | None = None
) -> None:
    """One conversation with the server. Nothing is said in the clear but to a server on this machine.

    Raises:
        MailRefused: for good.
        MailDelayed: not now, or not before somebody mends the set-up.
    """
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user or None,
        password=server.password.reveal() or None,
        use_tls=server.encryption is Encryption.AT_ONCE,
        start_tls=server.encryption is Encryption.STARTTLS,
        tls_context=tls or ssl.create_default_context(),
        timeout=COMMAND_SECONDS,
    )
    try:
        async with asyncio.timeout(HANDOVER_SECONDS):
            await client.connect()
            await client.send_message(message)
    except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
        raise _judged(server, error) from None
    finally:
        await _leave(client)


async def _leave(client: aiosmtplib.SMTP) -> None:
    """Say goodbye. What goes wrong now is of no account: the message was taken, or was not."""
    with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
        if client.is_connected:
            await client.quit(timeout=GOODBYE_SECONDS)
    client.close()


def write_file(message: EmailMessage, folder: Path) -> Path:
    """Write the message into a folder that its owner alone can read; again, it is the same file."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    name = str(message["Message-ID"]).strip("<>").partition("@")[0]
    path = folder / f"{name}.eml"
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(message.as_bytes())
    part.replace(path)
    return path


def _judged(server: SmtpServer, error: Exception) -> PortalError:
    """What went wrong, in words. A refused message fails; what is wrong with the set-up can be mended."""
    if isinstance(error, aiosmtplib.SMTPRecipientsRefused):
        error = error.recipients[0]
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return _delayed(server, "refuses the user or the password of PORTAL_SMTP_URL")
    if isinstance(error, aiosmtplib.SMTPResponseException):
        kind = MailRefused if error.code in FOR_GOOD else MailDelayed
        return kind(f"The mail server {server} answered {error.code}: {_said(server, error.message)}")
    # The library wraps errors of TLS, and may have none of ours to tell them by.
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return _delayed(
            server, "cannot be talked to privately: its certificate is not trusted, or it speaks no TLS"
        )
    if isinstance(error, OSError | TimeoutError):
        return _delayed(server, "does not answer")
    return _delayed(server, "does not offer STARTTLS, or no sign-in by password; the portal needs both")


def _said(server: SmtpServer, answer: str) -> str:
    """The server's words, without what opens it and without whom they are about: the timeline keeps them."""
    text = redact(" ".join(answer.split()))
    text = text.replace(server.password.reveal(), "***") if server.password else text
    return ADDRESS.sub(lambda found: masked(found[0]), text)[:LONGEST_ANSWER]


def _delayed(server: SmtpServer, what: str) -> MailDelayed:
    return MailDelayed(f"The mail server {server} {what}.", hint="It is tried again by itself.")
