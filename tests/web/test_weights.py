"""What a page weighs on its first visit: the page and every file that it names, as they are sent."""

from __future__ import annotations

import gzip
import re
from urllib.parse import urlsplit

import pytest
from litestar import Litestar

from tests.builders import connect_account, make_invoice
from tests.visitors import Visitor

LIGHT_KB = 130
FEW_REQUESTS = 10
NAMED = re.compile(r"(?:src|href)=\"(/static/[^\"]+)\"")


async def first_visit(owner: Visitor, app: Litestar, path: str) -> tuple[int, int]:
    """Bytes as they are sent, and requests."""
    page = await owner.get(path)
    assert page.status_code == 200, path
    files = {urlsplit(name).path.removeprefix("/static/") for name in NAMED.findall(page.text)}
    found = [app.state.assets.find(name) for name in files]
    assert len(found) >= 4
    assert all(found), path
    sent = sum(min(len(gzip.compress(asset.body, 9)), len(asset.body)) for asset, *_ in found)
    return sent + len(gzip.compress(page.content)), 1 + len(files)


@pytest.mark.parametrize("path", ["/", "/invoices", "/invoices/new", "/invoices/1", "/settings/finance"])
async def test_a_page_of_the_portal_is_light(owner: Visitor, app: Litestar, path: str) -> None:
    await connect_account()
    assert await make_invoice() == 1
    weight, requests = await first_visit(owner, app, path)
    assert weight <= LIGHT_KB * 1024
    assert requests <= FEW_REQUESTS
