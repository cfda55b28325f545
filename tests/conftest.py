"""Shared fixtures: one migrated real PostgreSQL for the run, emptied before each test that asks for it."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
from litestar import Litestar

# Before anything reads the settings: tests empty every table, so they must never meet a person's own data.
for _name in [
    name for name in os.environ if name.startswith("PORTAL_") and not name.startswith("PORTAL_TEST_")
]:
    del os.environ[_name]
_HOME = Path(tempfile.mkdtemp(prefix="portal-tests-"))
_HOME.chmod(0o711)  # as root the server runs as somebody else, who must pass through
os.environ["PORTAL_DATA_DIR"] = str(_HOME)
os.environ["PORTAL_BASE_URL"] = "http://testserver.local"
if "PORTAL_TEST_DATABASE_URL" in os.environ:
    os.environ["PORTAL_DATABASE_URL"] = os.environ["PORTAL_TEST_DATABASE_URL"]
LIVE_KEY = "STRIPE_TEST_SECRET_KEY"
# What holds for all values holds on a busy machine too: no example is judged by its time.
hypothesis.settings.register_profile(
    "untimed",
    hypothesis.settings.default,
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("untimed")
# A test run holds hundreds of thousands of objects: to look for garbage as often as Python does by itself
# takes a tenth of its time.
gc.set_threshold(5_000, 20, 20)

from portal.app import create_app  # noqa: E402 - after the environment is set
from portal.database import embedded, engine, migrations  # noqa: E402 - as above
from portal.garbage import leave_what_is_loaded  # noqa: E402 - as above
from portal.settings import Settings, current_settings  # noqa: E402 - as above
from portal.web.request import Role  # noqa: E402 - as above
from portal.webhooks.processing import forget_ended  # noqa: E402 - as above
from tests.leftovers import Leftovers, forgo_safety  # noqa: E402 - as above
from tests.visitors import Visitor, add_person, sign_in_as  # noqa: E402 - as above


def pytest_report_header() -> str:
    """Whether the real Stripe will be asked."""
    asked = (
        "the real Stripe is asked too"
        if LIVE_KEY in os.environ
        else f"{LIVE_KEY} is not set: see make live-check"
    )
    return f"stripe: {asked}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what only the real Stripe can answer when there is no key for it."""
    if LIVE_KEY in os.environ:
        return
    live = [item for item in items if item.get_closest_marker("live")]
    config.hook.pytest_deselected(items=live)
    items[:] = [item for item in items if item not in live]


def pytest_collection_finish() -> None:
    """What is loaded by now stays to the end."""
    leave_what_is_loaded()


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings of the test process: `local`, embedded PostgreSQL, a data folder of its own."""
    return current_settings()


@pytest.fixture(scope="session")
def postgres(settings: Settings) -> Iterator[None]:
    """A running PostgreSQL: the one that PORTAL_TEST_DATABASE_URL names, else an embedded one of the run."""
    if settings.database_url:
        yield
        return
    server = embedded.ensure_running(settings.data_dir, ends_with_caller=True)
    yield
    server.stop()
    embedded.erase(settings.data_dir)
    shutil.rmtree(_HOME, ignore_errors=True)


@pytest.fixture(scope="session")
async def migrated(postgres: None, settings: Settings) -> AsyncIterator[None]:
    """All migrations applied and the pool open."""
    if not settings.database_url:
        await forgo_safety(settings)
    await migrations.migrate()
    await engine.open_pool(name="portal-tests")
    yield
    await engine.close_pool()


@pytest.fixture(scope="session")
async def leftovers(migrated: None, settings: Settings) -> AsyncIterator[Leftovers]:
    """What empties the database."""
    leftovers = Leftovers(settings)
    yield leftovers
    await leftovers.close()


@pytest.fixture
async def database(leftovers: Leftovers) -> None:
    """An empty, migrated database."""
    forget_ended()
    await leftovers.remove()


@pytest.fixture(scope="session")
def app(settings: Settings) -> Litestar:
    """The application, as the web server loads it; `database` opens the pool."""
    return create_app(settings)


@pytest.fixture
async def visitor(app: Litestar, database: None) -> AsyncIterator[Visitor]:
    """A browser that nobody signed in with, on an empty portal."""
    visitor = Visitor(app)
    yield visitor
    await visitor.http.aclose()


@pytest.fixture
async def owner(visitor: Visitor) -> Visitor:
    """The browser of the owner of a portal that was set up."""
    await sign_in_as(visitor, await add_person())
    return visitor


@pytest.fixture
async def viewer(app: Litestar, database: None) -> AsyncIterator[Visitor]:
    """The browser of somebody who may only read."""
    visitor = Visitor(app)
    await sign_in_as(visitor, await add_person(role=Role.VIEWER, email="vic@example.com", name="Vic"))
    yield visitor
    await visitor.http.aclose()
