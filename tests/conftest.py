"""Shared fixtures: one migrated real PostgreSQL for the run, emptied before each test that asks for it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from litestar import Litestar

# Before anything reads the settings: tests never touch a person's own data.
_HOME = Path(tempfile.mkdtemp(prefix="portal-tests-"))
os.environ.setdefault("PORTAL_DATA_DIR", str(_HOME))
os.environ.setdefault("PORTAL_BASE_URL", "http://testserver.local")
os.environ.pop("PORTAL_BROKER_URL", None)

from portal.app import create_app  # noqa: E402 - after the environment is set
from portal.database import embedded, engine, migrations  # noqa: E402
from portal.settings import Settings, current_settings  # noqa: E402
from portal.web.request import Role  # noqa: E402
from tests.visitors import Visitor, add_person, sign_in_as  # noqa: E402

NEVER_EMPTIED = frozenset({"migration"})


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings of the test process: `local`, embedded PostgreSQL, a data folder of its own."""
    return current_settings()


@pytest.fixture(scope="session")
def postgres(settings: Settings) -> Iterator[None]:
    """A running PostgreSQL: the one that PORTAL_DATABASE_URL names, else the embedded one."""
    if settings.database_url:
        yield
        return
    server = embedded.ensure_running(settings.data_dir, ends_with_caller=True)
    yield
    server.stop()


@pytest.fixture(scope="session")
async def migrated(postgres: None) -> AsyncIterator[None]:
    """All migrations applied and the pool open."""
    await migrations.migrate()
    await engine.open_pool(name="portal-tests")
    yield
    await engine.close_pool()


@pytest.fixture
async def database(migrated: None, settings: Settings) -> None:
    """An empty, migrated database."""
    await empty_tables(settings)


async def empty_tables(settings: Settings) -> None:
    """Remove every row, triggers aside, and restart the counters."""
    connection = await asyncpg.connect(**engine.connection_options(settings, name="portal-tests-clean"))
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        names = ", ".join(f'"{row[0]}"' for row in rows if row[0] not in NEVER_EMPTIED)
        if names:
            # Triggers that keep the ledger and the audit log append-only sleep for this session alone.
            await connection.execute("SET session_replication_role = replica")
            await connection.execute(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    finally:
        await connection.close()


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
