"""Every part in a real browser: accessible, within its width, without a complaint of the content policy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from playwright.async_api import Browser

from portal.web.gallery import TEMPLATE, gallery_context
from portal.web.shells import ErrorView, Notice, Shell, Theme
from portal.web.templates import render_fragment
from tests.barriers import barriers
from tests.web.browser_pages import Answer, Site, make_site, open_browser, open_page
from tests.web.test_templates import SHELL

pytestmark = pytest.mark.browser
ERROR = ErrorView("The portal could not finish this.", "Load it again.", "UNEXPECTED", "a1b2c3")


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


def framed(theme: Theme | None, *, notice: Notice | None = None) -> Shell:
    return replace(SHELL, theme=theme, mode="test", notice=notice)


def site_with(theme: Theme | None) -> Site:
    site = make_site()
    gallery = render_fragment(site.engine, TEMPLATE, shell=framed(theme), failed=True, **gallery_context())
    site.answers["/_gallery"] = Answer(gallery)
    error = render_fragment(site.engine, "errors/500.html", shell=framed(theme), error=ERROR)
    site.answers["/error"] = Answer(error)
    return site


@pytest.mark.parametrize(
    ("path", "width", "theme", "forced"),
    [
        ("/_gallery", 1280, "light", None),
        ("/_gallery", 1280, "dark", None),
        ("/_gallery", 1280, "light", "dark"),
        ("/_gallery", 390, "dark", "light"),
        ("/_gallery", 390, "dark", None),
        ("/error", 1280, "dark", None),
        ("/error", 390, "light", None),
    ],
)
async def test_page_has_no_barrier_and_no_complaint(
    browser: Browser, path: str, *, width: int, theme: Theme, forced: Theme | None
) -> None:
    site = site_with(forced)
    async with open_page(browser, site, path, width=width, theme=theme) as page:
        assert await barriers(page) == []
    assert site.complaints == []


@pytest.mark.parametrize("width", [320, 360, 768, 1024])
async def test_nothing_is_wider_than_the_screen(browser: Browser, width: int) -> None:
    async with open_page(browser, site_with("light"), "/_gallery", width=width) as page:
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_open_dialog_has_no_barrier_and_starts_at_the_safe_choice(browser: Browser) -> None:
    async with open_page(browser, site_with("dark"), "/_gallery") as page:
        opener = page.get_by_role("link", name="Disconnect Stripe")
        await opener.click()
        assert await page.evaluate("document.activeElement.textContent") == "Cancel"
        assert await barriers(page) == []
        await page.keyboard.press("Escape")
        assert await page.evaluate("document.activeElement.dataset.dialog") == "g-dialog"


async def test_menu_of_small_screens_works_without_scripts(browser: Browser) -> None:
    site = site_with("light")
    async with open_page(browser, site, "/_gallery", width=390, scripts=False) as page:
        menu = page.get_by_role("navigation", name="Main menu")
        assert not await menu.is_visible()
        await page.locator("summary", has=page.locator("svg")).first.click()
        assert await menu.get_by_role("link", name="Invoices").is_visible()


async def test_targets_are_tall_enough(browser: Browser) -> None:
    async with open_page(browser, site_with("light"), "/_gallery") as page:
        low = await page.evaluate(
            "[...document.querySelectorAll('.btn, .form-control, .form-select, .p-nav-list a')]"
            ".filter(e => e.offsetHeight && e.offsetHeight < 40).map(e => e.outerHTML.slice(0, 90))"
        )
        assert low == []
