"""A letter, and the message that a mail server takes. What people typed becomes neither header nor markup."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from portal.errors import PortalError
from portal.mail.rules import one_line
from portal.settings import MAILBOX

LONGEST_TITLE = 200
LINE_ROOM = 78
LONGEST_SENDER = 60
QUOTED = re.compile(r'[()<>@,:;.\\"\[\]]|=\?|\?=')
"""What a name may hold between quotes alone, and what looks like a word in another encoding."""
LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")


class NoAddress(PortalError):
    """Not one address, or one that not every mail server takes."""

    code = "NO_ADDRESS"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A PDF that goes along."""

    name: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """What one message says. `text`: paragraphs with an empty line between them."""

    title: str
    text: str
    from_name: str
    reply_to: str = ""
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Envelope:
    """Where a letter goes and comes from. `message_id` is the same each time it is sent."""

    to_address: str
    from_address: str
    message_id: str


def build_message(letter: Letter, envelope: Envelope) -> EmailMessage:
    """The letter as a message: plain text, the same as simple HTML, and what is attached.

    Raises:
        NoAddress: an address is none, or not one that every mail server takes.
    """
    message = EmailMessage(policy=SMTP)
    message["Message-ID"] = envelope.message_id
    message["Date"] = format_datetime(datetime.now(UTC))
    message["From"] = _address(envelope.from_address, _on_lines(letter.from_name, envelope.from_address))
    message["To"] = _address(envelope.to_address)
    if letter.reply_to:
        if not can_be_written_to(letter.reply_to):
            raise NoAddress(
                "Replies would go to an address that not every mail server takes.",
                hint="Change the contact email address in the finance settings.",
            )
        message["Reply-To"] = _address(letter.reply_to)
    message["Subject"] = one_line(letter.title)[:LONGEST_TITLE]
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(html_of(letter.text), subtype="html")
    for attachment in letter.attachments:
        message.add_attachment(
            attachment.body, maintype="application", subtype="pdf", filename=one_line(attachment.name)
        )
    return message


def can_be_written_to(text: str) -> bool:
    """Whether every mail server takes this as an address: ASCII alone before the @, any script behind it."""
    try:
        _address(text)
    except NoAddress:
        return False
    return True


def _on_lines(name: str, address: str) -> str:
    """The name as a header holds it. One too long for a line is cut, and has no marks that need quotes.

    Python drops the quotes where it breaks a line, and a comma is then the end of an address; at two long
    words it ends the headers.
    """
    name = one_line(name)
    fits = len(f'From: "{name}" <{address}>') < LINE_ROOM and name.isascii()
    return name if fits else one_line(QUOTED.sub(" ", name))[:LONGEST_SENDER].rstrip()


def _address(text: str, name: str = "") -> Address:
    user, _, host = text.rpartition("@")
    try:
        domain = host.encode("idna").decode()
    except UnicodeError:
        domain = ""
    if not MAILBOX.fullmatch(f"{user}@{domain}"):
        raise NoAddress("This is no address that mail can be sent to.")
    return Address(name, user, domain)


def html_of(text: str) -> str:
    """The text as HTML: paragraphs and links, every character of it escaped."""
    paragraphs = [_paragraph(part) for part in re.split(r"\n\s*\n", text.strip())]
    return f'<!doctype html>\n<html lang="en"><body>\n{"".join(paragraphs)}</body></html>\n'


def _paragraph(text: str) -> str:
    pieces, end = [], 0
    for found in LINK.finditer(text):
        address = html.escape(found[0])
        pieces += [html.escape(text[end : found.start()]), f'<a href="{address}">{address}</a>']
        end = found.end()
    pieces.append(html.escape(text[end:]))
    return f"<p>{''.join(pieces).replace(chr(10), '<br>' + chr(10))}</p>\n"
