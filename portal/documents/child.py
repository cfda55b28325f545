"""Makes one PDF and ends: `python child.py LAYOUT MADE_AT < contents > pdf`; see `typesetting.py`.

A process of its own gives back all its memory, can be stopped, and holds nothing but the document: neither
database nor keys nor environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import typst

HERE = Path(__file__).resolve().parent
LAYOUTS = HERE / "layouts"
NICENESS = 10
"""Behind the pages: a document may take a moment longer."""


def make_pdf(layout: str, made_at: int, contents: str) -> bytes:
    """The PDF by the standard of accessible files, where its letters allow that."""
    try:
        return _compile(layout, made_at, contents, accessible=True)
    except typst.TypstError:
        # The standard refuses letters that no font of this machine has. They are shown as boxes then, and can
        # still be copied and read aloud; the file only does not claim the standard.
        return _compile(layout, made_at, contents, accessible=False)


def _compile(layout: str, made_at: int, contents: str, *, accessible: bool) -> bytes:
    return typst.compile(
        LAYOUTS / f"{layout}.typ",
        root=LAYOUTS,
        # Ours, those that Typst brings, and the machine's for letters that both lack (Chinese, Thai, emoji).
        font_paths=typst.Fonts(include_system_fonts=True, font_paths=[HERE / "fonts"]),
        sys_inputs={"data": contents},
        pdf_standards=["ua-1"] if accessible else [],
        timestamp=made_at,
    )


if __name__ == "__main__":
    os.nice(NICENESS)
    pdf = make_pdf(sys.argv[1], int(sys.argv[2]), sys.stdin.buffer.read().decode())
    sys.stdout.buffer.write(pdf)
