"""A browser page whose only site is a table of answers in memory: no server, no port."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from litestar.plugins.jinja import JinjaTemplateEngine
from playwright.async_api import Browser, Page, Request, Route, async_playwright

from portal.security.headers import admin_csp
from portal.web.assets import Assets, load_assets
from portal.web.templates import build_engine
from tests.browsers import MISSING, find_browser

ORIGIN = "http://portal.test"
REMEMBER_VIOLATIONS = """
addEventListener('securitypolicyviolation', e => console.error('CSP', e.violatedDirective, e.blockedURI))
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What an address of the site says. `drop`: the connection breaks instead."""

    body: str = ""
    status: int = 200
    media_type: str = "text/html; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


@dataclass  # without slots: Playwright notes its handlers on their owner
class Site:
    """Pages by path, and what was asked and complained about."""

    engine: JinjaTemplateEngine
    assets: Assets
    answers: dict[str, Answer | Callable[[Request], Answer]] = field(default_factory=dict)
    asked: list[Request] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    slow_files: dict[str, float] = field(default_factory=dict)
    """Seconds that a file of ours, by its name's end, is under way."""

    async def serve(self, route: Route) -> None:
        """Answer one request of the browser."""
        path = urlsplit(route.request.url).path
        if path.startswith("/static/"):
            await self._serve_asset(route, path.removeprefix("/static/"))
            return
        self.asked.append(route.request)
        found = self.answers.get(path, Answer("Not found", 404))
        answer = found if isinstance(found, Answer) else found(route.request)
        if answer.drop:
            await route.abort("connectionreset")
            return
        headers = {
            "Content-Type": answer.media_type,
            "Content-Security-Policy": admin_csp(),
            **answer.headers,
        }
        await route.fulfill(status=answer.status, headers=headers, body=answer.body)

    def requests_to(self, path: str) -> list[Request]:
        """What was asked of one address."""
        return [request for request in self.asked if urlsplit(request.url).path == path]

    async def _serve_asset(self, route: Route, name: str) -> None:
        await asyncio.sleep(next((delay for end, delay in self.slow_files.items() if end in name), 0))
        found = self.assets.find(name)
        if found is None:
            await route.fulfill(status=404, body="Not found")
            return
        await route.fulfill(headers={"Content-Type": found[0].media_type}, body=found[0].body)


def make_site() -> Site:
    """An empty site with our templates and files."""
    engine, assets = _parts()
    return Site(engine=engine, assets=assets)


@functools.cache
def _parts() -> tuple[JinjaTemplateEngine, Assets]:
    assets = load_assets()
    return build_engine({}, assets=assets), assets


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """A Chromium of this machine."""
    program = find_browser()
    assert program is not None, MISSING
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser, site: Site, path: str, *, width: int = 1280, theme: str = "light", scripts: bool = True
) -> AsyncIterator[Page]:
    """The page at `path`; complaints of its console and of the policy are kept in the site."""
    context = await browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        java_script_enabled=scripts,
        bypass_csp=False,
    )
    page = await context.new_page()
    page.on("console", lambda message: site.complaints.append(message.text))
    page.on("pageerror", lambda error: site.complaints.append(str(error)))
    await page.add_init_script(REMEMBER_VIOLATIONS)
    await page.route("**/*", site.serve)
    await page.goto(ORIGIN + path)
    yield page
    await context.close()
