"""Bodies of deliveries, byte for byte and never more than allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from litestar.types import Receive


class BodyTooLarge(Exception):
    """More came than is taken."""


class BodyBrokenOff(Exception):
    """The sender left before the end."""


async def read_body(receive: Receive, headers: Mapping[str, str], most: int) -> bytes:
    """All of it.

    Raises:
        BodyTooLarge: it is larger than `most`, or says so; the rest is not read.
        BodyBrokenOff: it ended before it was complete.
    """
    said = headers.get("content-length", "")
    if said.isdecimal() and int(said[:20]) > most:
        raise BodyTooLarge
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise BodyBrokenOff
        part = message["body"]
        size += len(part)
        if size > most:
            raise BodyTooLarge
        parts.append(part)
        if not message.get("more_body"):
            return parts[0] if len(parts) == 1 else b"".join(parts)
