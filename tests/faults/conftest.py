"""One world for the short set of rows that every test run does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.worlds import World, running_world

INVOICES = 10


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """PostgreSQL is the broker; the rows that are tried use up its invoices."""
    with running_world(tmp_path_factory.mktemp("world"), invoices=INVOICES) as world:
        yield world
