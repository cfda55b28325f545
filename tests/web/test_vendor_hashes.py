"""What other people wrote is what they published, and stays within what a first visit may weigh."""

from __future__ import annotations

import gzip
import hashlib
import re

import pytest

from portal.web.assets import STATIC_DIR

ROW = re.compile(r"^\| (?P<file>[\w./-]+) \|.*\| (?P<digest>[0-9a-f]{64}) \|$", re.MULTILINE)
VENDORED = {row["file"]: row["digest"] for row in ROW.finditer((STATIC_DIR / "vendor/VENDOR.md").read_text())}
KILOBYTE = 1024
BUDGETS = {
    "portal.css": 8 * KILOBYTE,
    "portal.js": 4 * KILOBYTE,
    "print.css": KILOBYTE,
    "editor.css": KILOBYTE,
    "pay.css": 5 * KILOBYTE,
    "icons.svg": 4 * KILOBYTE,
}
ADMIN_PAGE = (
    "vendor/tabler/tabler.min.css vendor/htmx/htmx.min.js vendor/htmx/hx-sse.min.js "
    "portal.css print.css editor.css portal.js icons.svg"
)


@pytest.mark.parametrize("name", sorted(VENDORED))
def test_vendored_file_is_what_its_author_published(name: str) -> None:
    assert hashlib.sha256((STATIC_DIR / name).read_bytes()).hexdigest() == VENDORED[name]


def test_every_vendored_file_has_a_row() -> None:
    files = {path.relative_to(STATIC_DIR).as_posix() for path in (STATIC_DIR / "vendor").rglob("*.*")}
    assert files - {"vendor/VENDOR.md"} <= set(VENDORED)


@pytest.mark.parametrize("name", sorted(BUDGETS))
def test_own_file_stays_within_its_budget(name: str) -> None:
    assert zipped_size(name) <= BUDGETS[name]


def test_first_visit_of_an_admin_page_stays_below_130_kilobytes() -> None:
    html = 12 * KILOBYTE
    assert sum(map(zipped_size, ADMIN_PAGE.split())) + html <= 130 * KILOBYTE


def test_licences_are_shipped() -> None:
    assert (STATIC_DIR / "vendor/htmx/LICENSE").is_file()
    assert (STATIC_DIR / "vendor/tabler/LICENSE-core").is_file()
    assert (STATIC_DIR / "vendor/tabler/LICENSE-icons").is_file()


def zipped_size(name: str) -> int:
    return len(gzip.compress((STATIC_DIR / name).read_bytes(), 9))
