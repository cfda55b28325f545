"""What is hardly HTTP, sent by hand to the real web server: refused, never a fault of ours."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

import pytest

from portal.webhooks.controllers import MOST_BYTES
from tests.processes.products import Product

ANSWER_SECONDS = 20
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
LARGE_CHUNK = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


def status_of(product: Product, rest: bytes, more: Iterable[bytes] = ()) -> int:
    """Send the head of a delivery and whatever follows; the status that comes back."""
    address = urlsplit(product.webhook_url)
    head = f"POST {address.path} HTTP/1.1\r\nHost: {address.netloc}\r\nStripe-Signature: t=1,v1=00\r\n"
    with socket.create_connection((address.hostname or "", address.port or 0), ANSWER_SECONDS) as sent:
        # The answer may come, and the connection end, before all is sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sent.sendall(head.encode() + rest)
            for piece in more:
                sent.sendall(piece)
        return int(sent.recv(4096).split(b" ", 2)[1])


@pytest.mark.parametrize(
    "rest",
    [
        CHUNKED + b"ZZ\r\nxx\r\n0\r\n\r\n",
        CHUNKED + b"5\r\nab\r\n0\r\n\r\n",
        CHUNKED + b"-1\r\n\r\n",
        b"Content-Length: -5\r\n\r\n",
        b"Content-Length: five\r\n\r\nabcde",
        b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"Content-Length: 5\r\n" + CHUNKED + b"0\r\n\r\n",
        b"Content-Length: 0\r\n\r\n",
        b"Bad Header\r\n\r\n",
    ],
)
def test_a_body_that_cannot_be_read_is_400(product: Product, rest: bytes) -> None:
    assert status_of(product, rest) == 400


def test_a_gigabyte_is_refused_before_it_is_sent(product: Product) -> None:
    assert status_of(product, b"Content-Length: 1073741824\r\n\r\nabc") == 413


def test_chunks_without_end_are_refused_at_the_limit(product: Product) -> None:
    pieces = [LARGE_CHUNK] * (2 * MOST_BYTES // len(LARGE_CHUNK))
    assert status_of(product, CHUNKED, pieces) == 413
