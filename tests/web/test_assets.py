"""Static files: one address for each content, kept for ever, nothing else readable."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient, create_test_client

from portal.web.assets import Assets, UnknownAsset, asset_handler, load_assets

STYLE = b"body { color: teal; }\n" * 20
PICTURE = b"\x89PNG" + bytes(range(200))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "static" / "deep").mkdir(parents=True)
    (tmp_path / "static" / "a.css").write_bytes(STYLE)
    (tmp_path / "static" / "deep" / "b.png").write_bytes(PICTURE)
    (tmp_path / "static" / "README.md").write_text("not for visitors")
    (tmp_path / "static" / ".hidden.css").write_text("not for visitors")
    (tmp_path / "secret.css").write_text("outside")
    return tmp_path / "static"


@pytest.fixture
def assets(root: Path) -> Assets:
    return Assets({"": root})


@pytest.fixture
def client(assets: Assets) -> Iterator[TestClient[Litestar]]:
    with create_test_client(asset_handler(assets)) as client:
        yield client


def test_named_by_content_is_kept_for_ever(client: TestClient[Any], assets: Assets) -> None:
    answer = client.get(assets.url("a.css"), headers={"Accept-Encoding": "identity"})
    assert answer.status_code == 200
    assert answer.content == STYLE
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-encoding" not in answer.headers


def test_plain_name_is_asked_for_again(client: TestClient[Any]) -> None:
    first = client.get("/static/a.css")
    assert first.headers["cache-control"] == "no-cache"
    again = client.get("/static/a.css", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_text_is_sent_compressed(client: TestClient[Any], assets: Assets) -> None:
    answer = client.get(assets.url("a.css"), headers={"Accept-Encoding": "br, gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert int(answer.headers["content-length"]) == len(gzip.compress(STYLE, 9, mtime=0))
    assert answer.content == STYLE


def test_picture_is_sent_as_it_is(client: TestClient[Any], assets: Assets) -> None:
    answer = client.get(assets.url("deep/b.png"), headers={"Accept-Encoding": "gzip"})
    assert answer.content == PICTURE
    assert answer.headers["content-type"] == "image/png"
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/none.css",
        "/static/a.00000000.css",
        "/static/../secret.css",
        "/static/..%2fsecret.css",
        "/static/%2e%2e/secret.css",
        "/static//etc/passwd",
        "/static/README.md",
        "/static/.hidden.css",
        "/static/deep",
    ],
)
def test_anything_else_is_not_found(client: TestClient[Any], path: str) -> None:
    assert client.get(path).status_code == 404


def test_address_changes_with_the_content(root: Path, assets: Assets) -> None:
    before = assets.url("a.css")
    (root / "a.css").write_bytes(STYLE + b" ")
    assert Assets({"": root}).url("a.css") != before


def test_unknown_name_in_a_template_is_an_error(assets: Assets) -> None:
    with pytest.raises(UnknownAsset):
        assets.url("none.css")


def test_plugin_files_lie_below_their_plugin(root: Path) -> None:
    assets = load_assets({"gocardless": root})
    assert assets.url("plugins/gocardless/a.css").startswith("/static/plugins/gocardless/a.")
    assert assets.url("portal.css").startswith("/static/portal.")
