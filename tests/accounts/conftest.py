"""A portal with a provider of the tests alone, which starts each test with good answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from litestar import Litestar

from portal.accounts import overlaps, rechecks
from portal.app import create_app
from portal.contract.plugin import LoadedPlugin
from portal.settings import Settings
from tests.accounts import fakes
from tests.visitors import Visitor, add_person, sign_in_as


@pytest.fixture(autouse=True)
def good_answers() -> Iterator[None]:
    """Every check passes and every repair works unless the test says otherwise."""
    for memory in (fakes.ANSWERS, fakes.ASKED, fakes.REFUSES):
        memory.clear()
    yield
    for memory in (fakes.ANSWERS, fakes.ASKED, fakes.REFUSES):
        memory.clear()


@pytest.fixture(autouse=True)
def acme_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms that look a plugin up by its id find Acme too."""
    for module in (rechecks, overlaps):
        known = module.plugin_by_id
        monkeypatch.setattr(
            module, "plugin_by_id", lambda name, known=known: fakes.Acme() if name == "acme" else known(name)
        )


@pytest.fixture(scope="session")
def acme_app(settings: Settings) -> Litestar:
    """A portal with Acme, and with a plugin that could not be loaded."""
    broken = LoadedPlugin("plugins.rusty", None, "ImportError while importing plugins.rusty.plugin.")
    return create_app(settings, plugins=[LoadedPlugin("plugins.acme", fakes.Acme()), broken])


@pytest.fixture
async def ana(acme_app: Litestar, database: None) -> AsyncIterator[Visitor]:
    """The owner's browser."""
    visitor = Visitor(acme_app)
    await sign_in_as(visitor, await add_person())
    yield visitor
    await visitor.http.aclose()
