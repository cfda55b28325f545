"""The mail server of the mail room's tests."""

from __future__ import annotations

from tests.mail.conftest import set_server

__all__ = ["set_server"]
