"""The mail servers of the mail room's tests."""

from __future__ import annotations

from tests.mail.conftest import set_server, sink, with_server

__all__ = ["set_server", "sink", "with_server"]
