"""Every state of the pay page: nothing in the way of anyone, nothing wider than its screen, nothing heavy."""

from __future__ import annotations

import gzip
import re
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, expect

from portal.web.templates import render_fragment
from tests.barriers import barriers
from tests.plugins.stripe.pay.portals import PayPortal
from tests.plugins.stripe.pay.visitors import Visitor, visiting

pytestmark = pytest.mark.browser
STATES = "ready partly_paid processing paid void draft unavailable".split()
VIEWS = "waiting late microdeposits blocked unavailable".split()
BUT_THE_FRAMES = {"exclude": [["#element"]]}  # they are the provider's
PARTS_OF_A_PAGE = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
SHOW = """(name) => {
    const template = document.querySelector(`template[data-view=${name}]`);
    const card = document.querySelector('#card');
    card.className = template.dataset.class;
    card.replaceChildren(template.content.cloneNode(true));
}"""
SHIFT = """() => new Promise((done) => new PerformanceObserver((list) =>
    done(list.getEntries().reduce((sum, entry) => sum + entry.value, 0))
).observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 300))"""
LIGHT_KB = 30
FEW_REQUESTS = 6


async def barriers_to(visitor: Visitor) -> list[tuple[str, str]]:
    """What axe finds, the provider's frames aside."""
    return await barriers(visitor.page, context=BUT_THE_FRAMES)


async def overhang(visitor: Visitor) -> int:
    """By how many pixels the page is wider than its window."""
    wide: int = await visitor.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return wide


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
async def test_states_have_no_barriers(browser: Browser, portal: PayPortal, width: int, theme: str) -> None:
    async with visiting(browser, portal, width=width, theme=theme) as visitor:
        for state in STATES:
            portal.state = state
            await visitor.page.goto(portal.page_url)
            if state in ("ready", "partly_paid"):
                await visitor.is_ready()
            assert await barriers_to(visitor) == [], state
            assert await overhang(visitor) == 0, state
        assert visitor.complaints == []


@pytest.mark.parametrize(("width", "theme"), [(1280, "dark"), (390, "light")])
async def test_views_of_the_script_have_no_barriers(
    browser: Browser, portal: PayPortal, width: int, theme: str
) -> None:
    async with visiting(browser, portal, width=width, theme=theme) as visitor:
        await visitor.pay("4000000000009995")
        await expect(visitor.card.locator("[role=alert]")).to_be_visible()
        assert await barriers_to(visitor) == []
        for name in VIEWS:
            await visitor.page.goto(portal.page_url)
            await visitor.is_ready()
            await visitor.page.evaluate(SHOW, name)
            assert await barriers_to(visitor) == [], name


async def test_frames_of_the_standin_have_no_barriers(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as visitor:
        await visitor.pay("4000002760003184")
        await visitor.bank.get_by_role("button", name="Complete").wait_for()
        for frame in visitor.page.frames[1:]:
            assert await barriers(frame, **PARTS_OF_A_PAGE) == [], frame.url


@pytest.mark.parametrize("width", [320, 360])
async def test_small_screen_scrolls_one_way_only(browser: Browser, portal: PayPortal, width: int) -> None:
    async with visiting(browser, portal, width=width) as visitor:
        assert await overhang(visitor) == 0
        await visitor.form.get_by_label("US bank account").check()
        assert await overhang(visitor) == 0


@pytest.mark.parametrize(("width", "most"), [(1280, 0.02), (360, 0.05)])
async def test_form_arrives_without_a_jump(
    browser: Browser, portal: PayPortal, width: int, most: float
) -> None:
    async with visiting(browser, portal, width=width) as visitor:
        assert await visitor.page.evaluate(SHIFT) < most


async def test_page_is_light(browser: Browser, portal: PayPortal) -> None:
    async with visiting(browser, portal) as visitor:
        own = {urlsplit(r.url).path for r in visitor.asked if r.url.startswith(portal.url)}
    files = [portal.assets.find(path.removeprefix("/static/")) for path in own]
    bodies = [portal.render("pay/page.html").encode(), *(found[0].body for found in files if found)]
    assert len(bodies) == 4, "page, style, script, icons"
    assert len(own) <= FEW_REQUESTS
    assert sum(len(gzip.compress(body)) for body in bodies) < LIGHT_KB * 1024


def test_wrong_link_says_nothing_of_any_invoice(portal: PayPortal) -> None:
    told = render_fragment(
        portal.engine,
        "pay/expired.html",
        merchant={"name": "Northwind Studio", "contact_email": "", "initial": "N", "logo_url": None},
        mode=None,
        theme=None,
        csrf_token="x",
        renew_url=None,
    )
    assert "This payment link has expired" in told
    assert "Email me a new link" not in told
    assert not re.search(r"INV-|\$|<script|data-start", told)


@pytest.mark.parametrize("state", ["paid", "void", "draft", "unavailable"])
def test_closed_state_has_no_form_and_no_script(portal: PayPortal, state: str) -> None:
    portal.state = state
    told = portal.render("pay/page.html")
    assert "<script" not in told
    assert 'id="payment"' not in told
