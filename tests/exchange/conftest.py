"""A connection to a provider that lists what it holds."""

from __future__ import annotations

import pytest

from portal.contract import loading
from portal.contract.plugin import LoadedPlugin
from tests.accounts.fakes import connect_acme
from tests.builders import make_organisation
from tests.exchange import listings
from tests.exchange.listings import Listing


@pytest.fixture
def listing_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rooms that look a plugin up by its id find it beside the others; its world is empty."""
    monkeypatch.setattr(listings, "WORLD", listings.World())
    known = (*loading.installed_plugins(), LoadedPlugin("plugins.acme", Listing()))
    monkeypatch.setattr(loading, "installed_plugins", lambda: known)


@pytest.fixture
async def account_id(database: None, listing_is_loaded: None) -> int:
    """A connection; it was made before the provider could list anything, so that nothing is under way."""
    await make_organisation()
    return await connect_acme()
