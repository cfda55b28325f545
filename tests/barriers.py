"""What axe finds on a page that would keep somebody out: each rule with the first place that breaks it."""

from __future__ import annotations

from typing import Any, TypeAlias

from axe_playwright_python import async_playwright, sync_playwright
from playwright.async_api import Frame as AsyncFrame
from playwright.async_api import Page as AsyncPage
from playwright.sync_api import Page as SyncPage

Barriers: TypeAlias = list[tuple[str, str]]
ONLY_VIOLATIONS = {"resultTypes": ["violations"]}
"""Writing up what is in order as well takes longer than the search."""


async def barriers(page: AsyncPage | AsyncFrame, *, context: Any = None, **options: Any) -> Barriers:
    """Nothing, or what has to be mended. `context` and `options` as axe takes them."""
    chosen = ONLY_VIOLATIONS | options
    found = await async_playwright.Axe().run(page, context=context, options=chosen)
    return _named(found.response)


def barriers_seen(page: SyncPage) -> Barriers:
    """The same for a page of Playwright's other interface."""
    return _named(sync_playwright.Axe().run(page, options=ONLY_VIOLATIONS).response)


def _named(response: dict[str, Any]) -> Barriers:
    return [(rule["id"], rule["nodes"][0]["html"]) for rule in response["violations"]]
