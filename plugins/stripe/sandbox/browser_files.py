"""The stand-in for Stripe.js and its frames, as files."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "browser"

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


def browser_file(path: str) -> tuple[bytes, bytes] | None:
    """Content and type of `/stripe.js` or `/elements/<name>`, or None."""
    name = "stripe.js" if path == "/stripe.js" else path.removeprefix("/elements/")
    if not (path == "/stripe.js" or path.startswith("/elements/")) or "/" in name or name.startswith("."):
        return None
    file = FOLDER / name
    kind = _TYPES.get(file.suffix)
    if kind is None or not file.is_file():
        return None
    return file.read_bytes(), kind
