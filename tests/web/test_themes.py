"""The theme switch: a cookie for a choice, none for the system's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient, create_test_client

from portal.web.request import PortalRequest
from portal.web.responses import THEME_COOKIE
from portal.web.themes import choose_theme


@pytest.fixture
def client() -> Iterator[TestClient[Any]]:
    with create_test_client(choose_theme, request_class=PortalRequest) as client:
        client.follow_redirects = False
        yield client


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_choice_is_remembered_and_leads_back(client: TestClient[Any], theme: str) -> None:
    answer = client.post("/theme", data={"theme": theme, "next": "/invoices?q=a"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/invoices?q=a"
    assert answer.cookies[THEME_COOKIE] == theme


@pytest.mark.parametrize("theme", ["system", "purple", ""])
def test_anything_else_follows_the_system(client: TestClient[Any], theme: str) -> None:
    answer = client.post("/theme", data={"theme": theme, "next": "/"})
    assert "Max-Age=0" in answer.headers["set-cookie"]


@pytest.mark.parametrize("address", ["//evil.test", "https://evil.test", "/\\evil.test"])
def test_it_never_leads_elsewhere(client: TestClient[Any], address: str) -> None:
    answer = client.post("/theme", data={"theme": "dark", "next": address})
    assert answer.headers["location"] == "/"
