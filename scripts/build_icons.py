"""Build static/icons.svg, the subset of Tabler icons that our templates name.

Run by a maintainer after adding a name to ICONS, with the unpacked package `@tabler/icons` (version in
static/vendor/VENDOR.md):

    python scripts/build_icons.py path/to/package

It also prints the row that belongs into VENDOR.md.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

SPRITE = Path(__file__).resolve().parent.parent / "static" / "icons.svg"

ICONS = """
adjustments alert-circle alert-triangle arrow-left arrow-right ban bolt building-bank calendar
chart-bar check chevron-down chevron-left chevron-right circle-check circle-dashed circle-dot
circle-minus circle-x clock coin copy credit-card device-desktop dots download external-link eye
eye-off file-invoice filter history home info-circle key lifebuoy link loader-2 lock logout mail menu-2
moon package pencil plug plug-connected plus printer receipt refresh repeat rotate search send settings
shield-check sun trash user users webhook world x
""".split()

FRAME = re.compile(r'<path stroke="none" d="M0 0h24v24H0z" fill="none" />')
SHAPES = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
STROKE = 'fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round"'


def main(arguments: list[str]) -> int:
    """Write the sprite from the package folder named on the command line."""
    if len(arguments) != 1:
        print(__doc__)
        return 2
    folder = Path(arguments[0]) / "icons" / "outline"
    sprite = build_sprite(folder, sorted(ICONS))
    SPRITE.write_text(sprite, encoding="utf-8")
    digest = hashlib.sha256(sprite.encode()).hexdigest()
    print(f"{len(ICONS)} icons, {len(sprite)} bytes, SHA-256 {digest}")
    return 0


def build_sprite(folder: Path, names: list[str]) -> str:
    """One `<symbol>` a name, in the order given, drawn in the current text colour."""
    symbols = "\n".join(symbol(name, (folder / f"{name}.svg").read_text(encoding="utf-8")) for name in names)
    return f'<svg xmlns="http://www.w3.org/2000/svg">\n{symbols}\n</svg>\n'


def symbol(name: str, source: str) -> str:
    """The shapes of one icon file as a `<symbol>`, without its invisible frame."""
    found = SHAPES.search(source)
    if found is None:
        raise SystemExit(f"{name}: not an SVG file")
    shapes = " ".join(FRAME.sub("", found.group(1)).split())
    return f'<symbol id="{name}" viewBox="0 0 24 24" {STROKE}>{shapes}</symbol>'


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
