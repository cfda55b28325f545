"""Mail servers, and settings that name them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from portal.settings import Settings, adopt
from tests.mail.sinks import Sink, open_sink

FROM = "billing@northwind.example"


@pytest.fixture
async def sink() -> AsyncIterator[Sink]:
    """A mail server."""
    async with open_sink() as sink:
        yield sink


@pytest.fixture
def with_server(sink: Sink, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """This process's settings name the server."""
    monkeypatch.setenv("PORTAL_SMTP_URL", f"smtp://127.0.0.1:{sink.port}")
    monkeypatch.setenv("PORTAL_MAIL_FROM", FROM)
    yield adopt({})
    monkeypatch.undo()
    adopt({})


@pytest.fixture
def set_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Names a server in this process's settings when it is called; nobody listens there."""

    def set_it() -> None:
        monkeypatch.setenv("PORTAL_SMTP_URL", "smtp://127.0.0.1:9")
        monkeypatch.setenv("PORTAL_MAIL_FROM", FROM)
        adopt({})

    yield set_it
    monkeypatch.undo()
    adopt({})


@pytest.fixture
def mail_folder(settings: Settings) -> Path:
    """Where mail is written without a server."""
    return settings.data_dir / "mail"
