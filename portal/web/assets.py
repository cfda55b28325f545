"""Static files: read once, named by their content, served compressed and for ever."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from portal.errors import PortalError
from portal.settings import ROOT

STATIC_DIR = ROOT / "static"
URL_PREFIX = "/static"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"

MEDIA_TYPES = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
COMPRESSIBLE = frozenset({".css", ".js", ".json", ".svg"})
UNPUBLISHED = frozenset({".md", ".map", ".py"})


class UnknownAsset(PortalError):
    """A template names a static file that does not exist."""

    code = "UNKNOWN_ASSET"


@dataclass(frozen=True, slots=True)
class Asset:
    """One static file, ready to be sent. `zipped` is None where compression does not pay."""

    name: str
    """Path below its root, such as `portal.css` or `plugins/stripe/pay.js`."""
    hashed_name: str
    """The same path with eight digits of the content's hash: `portal.1f3a9c02.css`."""
    media_type: str
    body: bytes
    zipped: bytes | None
    etag: str


class Assets:
    """Every static file of the portal and its plugins, held in memory."""

    def __init__(self, roots: Mapping[str, Path]) -> None:
        """Read all files below each folder of `roots`; the key is put before their names."""
        found = [asset for prefix, root in roots.items() for asset in _read_folder(prefix, root)]
        self._by_name = {asset.name: asset for asset in found}
        self._by_hashed_name = {asset.hashed_name: asset for asset in found}

    def url(self, name: str) -> str:
        """The address of the file, which changes when its content does.

        Raises:
            UnknownAsset: there is no such file.
        """
        asset = self._by_name.get(name)
        if asset is None:
            raise UnknownAsset(f"There is no static file {name!r}.", hint="Names are relative to static/.")
        return f"{URL_PREFIX}/{asset.hashed_name}"

    def find(self, path: str) -> tuple[Asset, bool] | None:
        """The file at a path below the prefix, and whether the path names its content."""
        if asset := self._by_hashed_name.get(path):
            return asset, True
        if asset := self._by_name.get(path):
            return asset, False
        return None

    def text(self, name: str) -> str:
        """The content of a text file.

        Raises:
            UnknownAsset: there is no such file.
        """
        asset = self._by_name.get(name)
        if asset is None:
            raise UnknownAsset(f"There is no static file {name!r}.")
        return asset.body.decode()


def load_assets(plugin_static_dirs: Mapping[str, Path] | None = None) -> Assets:
    """Read the portal's own files, and each plugin's under `plugins/<id>/`."""
    roots = {"": STATIC_DIR}
    for plugin_id, folder in (plugin_static_dirs or {}).items():
        roots[f"plugins/{plugin_id}/"] = folder
    return Assets(roots)


def asset_handler(assets: Assets, **opt: Any) -> HTTPRouteHandler:
    """The route that serves them. `opt` is passed on, for guards that deny by default."""

    @get(f"{URL_PREFIX}/{{path:path}}", name="static", include_in_schema=False, sync_to_thread=False, opt=opt)
    def serve_asset(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[bytes]:
        found = assets.find(path.removeprefix("/"))
        if found is None:
            return Response(b"Not found", status_code=404, media_type="text/plain")
        asset, named_by_content = found
        return _answer(request, asset, FOR_EVER if named_by_content else ASK_AGAIN)

    return serve_asset


def _answer(request: Request[Any, Any, Any], asset: Asset, cache_control: str) -> Response[bytes]:
    headers = {
        "Cache-Control": cache_control,
        "ETag": asset.etag,
        "Vary": "Accept-Encoding",
        "X-Content-Type-Options": "nosniff",
    }
    if asset.etag in request.headers.get("if-none-match", ""):
        return Response(b"", status_code=304, headers=headers)
    body = asset.body
    if asset.zipped is not None and "gzip" in request.headers.get("accept-encoding", ""):
        body = asset.zipped
        headers["Content-Encoding"] = "gzip"
    return Response(body, headers=headers, media_type=asset.media_type)


def _read_folder(prefix: str, root: Path) -> Iterator[Asset]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and _is_published(path):
            yield _read_asset(prefix + path.relative_to(root).as_posix(), path)


def _is_published(path: Path) -> bool:
    return bool(path.suffix) and path.suffix not in UNPUBLISHED and not path.name.startswith(".")


def _read_asset(name: str, path: Path) -> Asset:
    body = path.read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    pure = PurePosixPath(name)
    return Asset(
        name=name,
        hashed_name=str(pure.with_name(f"{pure.stem}.{digest[:8]}{pure.suffix}")),
        media_type=_media_type(pure.suffix),
        body=body,
        zipped=gzip.compress(body, 9, mtime=0) if pure.suffix in COMPRESSIBLE else None,
        etag=f'"{digest[:16]}"',
    )


def _media_type(suffix: str) -> str:
    return MEDIA_TYPES.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
