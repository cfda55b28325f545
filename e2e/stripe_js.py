"""Stripe.js in browser tests: the real addresses, answered by the stand-in and forwarded to a sandbox."""

from pathlib import Path
from urllib.parse import urlsplit

import httpx
from playwright.async_api import BrowserContext as AsyncBrowserContext
from playwright.async_api import Route as AsyncRoute
from playwright.sync_api import BrowserContext, Route

JS_PATTERN = "https://js.stripe.com/**"
API_PATTERN = "https://api.stripe.com/**"
STANDIN = Path(__file__).parent.parent / "plugins" / "stripe" / "sandbox" / "browser"
MEDIA_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
API_SECONDS = 20
OPEN_TO_ALL = {"access-control-allow-origin": "*"}


def serve_stripe_js(context: BrowserContext, sandbox_url: str) -> None:
    """From now on the context's pages get the stand-in as Stripe.js, and `sandbox_url` as Stripe's API."""

    def script(route: Route) -> None:
        if (path := standin_file(route.request.url)) is None:
            return route.abort()
        return route.fulfill(path=path, content_type=MEDIA_TYPES[path.suffix])

    def api(route: Route) -> None:
        request = route.request
        answer = _forward(request.method, sandbox_url + _tail(request.url), request.post_data_buffer)
        route.fulfill(status=answer.status_code, body=answer.content, headers=_headers(answer))

    context.route(JS_PATTERN, script)
    context.route(API_PATTERN, api)


async def serve_stripe_js_async(context: AsyncBrowserContext, sandbox_url: str) -> None:
    """`serve_stripe_js` for Playwright's async interface."""

    async def script(route: AsyncRoute) -> None:
        if (path := standin_file(route.request.url)) is None:
            return await route.abort()
        return await route.fulfill(path=path, content_type=MEDIA_TYPES[path.suffix])

    async def api(route: AsyncRoute) -> None:
        request = route.request
        url = sandbox_url + _tail(request.url)
        async with httpx.AsyncClient(timeout=API_SECONDS) as client:
            answer = await client.request(
                request.method, url, content=request.post_data_buffer, headers=_form(request.method)
            )
        await route.fulfill(status=answer.status_code, body=answer.content, headers=_headers(answer))

    await context.route(JS_PATTERN, script)
    await context.route(API_PATTERN, api)


def standin_file(url: str) -> Path | None:
    """The stand-in's file for an address at js.stripe.com: `/<train>/stripe.js` and `/standin/<file>`."""
    folder, _, name = urlsplit(url).path.strip("/").partition("/")
    path = STANDIN / name
    if "/" in name or path.suffix not in MEDIA_TYPES or not path.is_file():
        return None
    return path if (folder == "standin") != (name == "stripe.js") else None


def _forward(method: str, url: str, body: bytes | None) -> httpx.Response:
    return httpx.request(method, url, content=body, headers=_form(method), timeout=API_SECONDS)


def _form(method: str) -> dict[str, str]:
    return {"content-type": "application/x-www-form-urlencoded"} if method == "POST" else {}


def _tail(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _headers(answer: httpx.Response) -> dict[str, str]:
    return {"content-type": answer.headers.get("content-type", "application/json"), **OPEN_TO_ALL}
