"""A block of code in which nobody can be called, to prove that a hook is pure."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import NoReturn
from unittest import mock


@contextlib.contextmanager
def without_network(what: str) -> Iterator[None]:
    """Fail when the block opens a connection or looks up a name."""

    def refuse(*_: object, **__: object) -> NoReturn:
        raise AssertionError(f"{what} must not use the network.")

    with (
        mock.patch.object(socket.socket, "connect", refuse),
        mock.patch.object(socket.socket, "connect_ex", refuse),
        mock.patch.object(socket, "getaddrinfo", refuse),
    ):
        yield
