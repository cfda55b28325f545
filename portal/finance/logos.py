"""The merchant's logo: the raster picture that was uploaded is drawn anew, so nothing else comes along."""

from __future__ import annotations

import asyncio
import hashlib
import io

from PIL import Image

from portal.audit.services import Actor, record
from portal.database.transaction import connection, transaction
from portal.errors import InvalidInput
from portal.finance.services import write_settings

FORMATS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 2_000_000
MOST_PIXELS = 25_000_000
BOX = (720, 288)
"""Pixels: sharp at 6 cm by 2.4 cm in print."""
PROBLEM = "Choose a PNG, JPEG or WebP picture of at most 2 MB, and not of many thousand pixels."
ORIENTATION = 0x0112
"""The tag of a camera's notes that says how it was held."""
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises over a file that is none of its pictures, is cut off, or would fill the memory."""


def redrawn(upload: bytes) -> bytes:
    """The picture as a PNG of our own: no larger than the box, without metadata, first frame alone.

    Raises:
        InvalidInput: it is no picture of a kind that we read, or an absurdly large one.
    """
    if not 0 < len(upload) <= MOST_BYTES:
        raise InvalidInput({"logo": PROBLEM})
    try:
        with Image.open(io.BytesIO(upload), formats=FORMATS) as picture:
            png = _png(picture) if picture.width * picture.height <= MOST_PIXELS else b""
    except UNREADABLE:
        png = b""
    if not png:
        raise InvalidInput({"logo": PROBLEM})
    return png


def _png(picture: Image.Image) -> bytes:
    # Cameras note how they were held, which is lost with the rest of what they note: turn it now. Pillow's
    # own way to do so writes the rest again, and fails over notes that it reads well.
    turn = TURNS.get(picture.getexif().get(ORIENTATION, 1))
    drawn = (picture if turn is None else picture.transpose(turn)).convert("RGBA")
    drawn.thumbnail(BOX, Image.Resampling.LANCZOS)
    clean = Image.new("RGBA", drawn.size)
    clean.paste(drawn)
    out = io.BytesIO()
    clean.save(out, "PNG", optimize=True)
    return out.getvalue()


async def save_logo(upload: bytes, *, actor: Actor) -> None:
    """Draw the upload anew and keep that.

    Raises:
        InvalidInput: see `redrawn`.
    """
    png = await asyncio.to_thread(redrawn, upload)
    await _keep(png, hashlib.sha256(png).hexdigest()[:32], "Changed the logo", actor)


async def remove_logo(*, actor: Actor) -> None:
    """Go back to the first letter of the name."""
    await _keep(None, "", "Removed the logo", actor)


async def logo_png(digest: str) -> bytes | None:
    """The logo of this name, or None when it is another one by now."""
    async with connection() as held:
        png: bytes | None = await held.fetchval(
            "SELECT logo FROM organisation WHERE logo_digest = $1 AND logo_digest <> ''", digest
        )
    return png


async def _keep(png: bytes | None, digest: str, words: str, actor: Actor) -> None:
    async with transaction() as tx:
        before = await tx.connection.fetchval("SELECT logo_digest FROM organisation FOR UPDATE")
        if before == digest:
            return
        await write_settings(tx.connection, {"logo": png, "logo_digest": digest})
        await record(
            tx.connection,
            actor=actor,
            action="organisation.logo_changed",
            words=words,
            subject=("organisation", 1),
        )
