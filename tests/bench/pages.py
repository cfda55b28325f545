"""How long pages keep people waiting: a portal as `make run` starts it, its sandbox, and Chromium.

python -m tests.bench.pages            # 20 visits of each page, nothing cached
python -m tests.bench.pages --short    # 3, to see that it runs
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from e2e.people import connect_sandbox, make_invoice, set_up
from e2e.portals import RunningPortal, running_portal
from tests.bench.figures import Figure, note
from tests.browsers import MISSING, find_browser

VISITS = 20
FEW = 3
READY = "#options:not(.loading)"
SINCE_START = "performance.now()"
SHIFT = """() => new Promise((done) => {
    new PerformanceObserver((list) => done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0)))
        .observe({type: 'layout-shift', buffered: true});
    setTimeout(() => done(0), 300);
})"""
MOST_SHIFT = {1280: 0.02, 360: 0.05}
WEIGHT = """() => [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .filter((entry) => entry.name.startsWith(location.origin))
    .map((entry) => entry.transferSize)"""
"""What came from the portal itself: one number for each file, with its headers."""
MOST_WEIGHT = {"pay page": (30, 6), "list of invoices": (130, 10)}
"""In kB as they are sent, and how many files: the first visit."""


@dataclass(frozen=True, slots=True)
class Look:
    """A page, what it is ready for and how one sees that; `state`: of the browser that is signed in."""

    name: str
    until: str
    address: str
    ready: str
    state: object = None


@dataclass(frozen=True, slots=True)
class Visit:
    """Seconds until ready, by how much the page moved, and the bytes of each file of the portal's own."""

    seconds: float
    shift: float
    files: tuple[int, ...]


def main(words: list[str]) -> int:
    """Measure; 1 when a page moved more than it may."""
    chromium = find_browser()
    if chromium is None:
        print(MISSING)
        return 1
    visits = FEW if "--short" in words else VISITS
    with (
        tempfile.TemporaryDirectory(prefix="portal-bench-") as folder,
        running_portal(Path(folder)) as portal,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium)
        figures = _measure(browser, portal, visits)
        browser.close()
    for figure in figures:
        note(figure)
        print(f"{figure.what}: {figure.value:.3f} {figure.unit}{'' if figure.met else '  MISSED'}")
    return int(not all(figure.met for figure in figures))


def _measure(browser: Browser, portal: RunningPortal, visits: int) -> list[Figure]:
    admin = browser.new_context()
    page = admin.new_page()
    set_up(page, portal)
    connect_sandbox(page, portal)
    link = make_invoice(page, portal, customer="Globex Trading", price="480.00")
    state = admin.storage_state()
    found = []
    looks = (
        Look("pay page", "form can be filled in", link, READY),
        Look("list of invoices", "shown, scripts ran", f"{portal.url}/invoices", "main", state),
    )
    for look in looks:
        for width, most in MOST_SHIFT.items():
            found += _figures(look, width, [_visit(browser, width, look) for _ in range(visits)], most)
    return found


def _visit(browser: Browser, width: int, look: Look) -> Visit:
    """With an empty cache."""
    context = browser.new_context(viewport={"width": width, "height": 900}, storage_state=look.state)  # type: ignore[arg-type]  # what it gave
    tab = context.new_page()
    tab.goto(look.address, wait_until="domcontentloaded")
    tab.locator(look.ready).first.wait_for()
    seconds = float(tab.evaluate(SINCE_START)) / 1000
    seen = Visit(seconds, float(tab.evaluate(SHIFT)), tuple(tab.evaluate(WEIGHT)))
    context.close()
    return seen


def _figures(look: Look, width: int, seen: list[Visit], most: float) -> list[Figure]:
    shift, files = max(visit.shift for visit in seen), seen[0].files
    weight, most_weight, most_files = sum(files) / 1000, *MOST_WEIGHT[look.name]
    name = f"{look.name}, {width} px"
    return [
        Figure("UX", f"{name}, {look.until}, median", statistics.median(v.seconds for v in seen), "s"),
        Figure("UX", f"{name}, most layout shift", shift, "", f"< {most}", met=shift < most),
        Figure("UX", f"{name}, weight", weight, "kB", f"< {most_weight}", met=weight < most_weight),
        Figure("UX", f"{name}, files", len(files), "", f"<= {most_files}", met=len(files) <= most_files),
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
