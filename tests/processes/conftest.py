"""One product for all tests of this folder: two web processes, two worker processes, sandbox, PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.processes.deliveries import Sender, sender_to
from tests.processes.products import Product, running_product

INVOICES = 25
TWO_OF_EACH = {"PORTAL_WEB_WORKERS": "2", "PORTAL_WORKER_PROCESSES": "2"}


@pytest.fixture(scope="package")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """It is shared: a test leaves it working, and asks about its own invoices and events alone."""
    folder = tmp_path_factory.mktemp("product")
    with running_product(folder, invoices=INVOICES, **TWO_OF_EACH) as running:
        yield running


@pytest.fixture
async def sender(product: Product) -> AsyncIterator[Sender]:
    """Delivers to the product's address."""
    async with sender_to(product.webhook_url) as sender:
        yield sender
