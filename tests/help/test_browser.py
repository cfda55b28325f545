"""Every help page in a real browser: without barriers, within its width, at the section asked for."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from litestar.plugins.jinja import JinjaTemplateEngine
from playwright.async_api import Browser

from portal.contract.descriptions import HelpPage
from portal.contract.help_pages import HelpShelf, help_shelves
from portal.settings import ROOT
from portal.web.assets import Assets, load_assets
from portal.web.templates import build_engine, render_fragment
from tests.barriers import barriers
from tests.web.browser_pages import Answer, Site, open_browser, open_page
from tests.web.test_templates import SHELL

pytestmark = pytest.mark.browser
PAGES = [(shelf, page) for shelf in help_shelves() for page in shelf.pages]
ADDRESSES = ["/help", *(shelf.href(page.slug) for shelf, page in PAGES)]
LOOKS = [(1280, "light"), (390, "dark"), (1280, "dark"), (390, "light")]
SAMPLES = ["/help", "/help/stripe/permission-missing", "/help/stripe/webhook-endpoint"]
"""Together they have every part that a help page is made of, so these get two looks, the others one each."""
NARROWEST = 320


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def site() -> Site:
    """The index and every page, as somebody in test mode sees them."""
    engine, assets = parts()
    shell = replace(SHELL, mode="test")
    site = Site(engine=engine, assets=assets)
    index = render_fragment(engine, "help/index.html", shell=shell, shelves=help_shelves())
    site.answers["/help"] = Answer(index)
    for shelf, page in PAGES:
        html = render_fragment(engine, page.template, shell=shell, shelf=shelf, help=page)
        site.answers[shelf.href(page.slug)] = Answer(html)
    return site


@functools.cache
def parts() -> tuple[JinjaTemplateEngine, Assets]:
    assets = load_assets()
    folders = {path.parent.name: path for path in ROOT.glob("plugins/*/templates")}
    return build_engine(folders, assets=assets), assets


@pytest.mark.parametrize("path", ADDRESSES)
async def test_page_has_no_barrier_no_complaint_and_fits(browser: Browser, site: Site, path: str) -> None:
    for width, theme in LOOKS[:2] if path in SAMPLES else [LOOKS[ADDRESSES.index(path) % len(LOOKS)]]:
        async with open_page(browser, site, path, width=width, theme=theme) as page:
            assert await barriers(page) == [], (width, theme)
            await page.set_viewport_size({"width": NARROWEST, "height": 900})
            assert await page.evaluate("document.documentElement.scrollWidth") <= NARROWEST
    assert site.complaints == []


@pytest.mark.parametrize(("shelf", "page"), [PAGES[0], PAGES[-1]], ids=["plugin", "portal"])
async def test_code_in_the_address_opens_its_section(
    browser: Browser, site: Site, shelf: HelpShelf, page: HelpPage
) -> None:
    code = page.codes[-1]
    async with open_page(browser, site, shelf.href(page.slug)) as opened:
        await opened.locator(f'#see a[href="#{code}"]').first.click()
        section = opened.locator(f"#{code}")
        await section.wait_for()
        assert await opened.evaluate("document.querySelector(':target').id") == code
        await opened.wait_for_function(
            "id => document.getElementById(id).getBoundingClientRect().top < 400", arg=code
        )
