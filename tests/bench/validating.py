"""How long *Validate* takes, from the press to the last row, on a whole portal with the sandbox.

python -m tests.bench.validating
python -m tests.bench.validating --short    # once each
"""

from __future__ import annotations

import asyncio
import re
import statistics
import sys
import tempfile
import time
from html import unescape
from pathlib import Path

import httpx

from e2e.portals import RunningPortal, running_portal
from tests.bench.figures import Figure, note
from tests.visitors import CSRF_IN_PAGE

ADDRESS = "/settings/connected-accounts/stripe"
DELAYS = (0, 150)
RUNS = 5
PAUSE_SECONDS = 61 / 6
"""A person may run the checks six times a minute."""
ROW = re.compile(r'class="p-check-row (\w+)" id="check-(\w+)"')
VALUE = re.compile(r'name="(publishable_key|secret_key|webhook_secret)"[^>]*?value="([^"]*)"')


async def measure(runs: int) -> None:
    """Print the figures."""
    with (
        tempfile.TemporaryDirectory(prefix="portal-bench-") as folder,
        running_portal(Path(folder)) as portal,
    ):
        async with httpx.AsyncClient(base_url=portal.url, timeout=60, follow_redirects=True) as browser:
            await _set_up(browser, portal)
            for delay in DELAYS:
                await _slow_down(browser, portal, delay)
                _tell(delay, [await _one_run(browser) for _ in range(runs)])


async def _slow_down(browser: httpx.AsyncClient, portal: RunningPortal, delay: int) -> None:
    await browser.request("DELETE", f"{portal.sandbox_url}/_sandbox/faults")
    if delay:
        fault = {"match": "* /v1/**", "delay_ms": delay, "times": None}
        await browser.post(f"{portal.sandbox_url}/_sandbox/faults", json=fault)


async def _one_run(browser: httpx.AsyncClient) -> dict[str, float]:
    form = await _sandbox_form(browser)
    rows = await _time_run(browser, form)
    await asyncio.sleep(PAUSE_SECONDS)
    return rows


def _tell(delay: int, runs: list[dict[str, float]]) -> None:
    took = 1000 * statistics.median(max(rows.values()) for rows in runs)
    print(f"{delay} ms a call: last row after {took:.0f} ms (median of {len(runs)})")
    note(Figure("A3", f"from Validate to its last row, {delay} ms a call", took, "ms"))
    for name in runs[-1]:
        print(f"    {name:<18} {statistics.median(rows[name] for rows in runs) * 1000:6.0f} ms")


async def _set_up(browser: httpx.AsyncClient, portal: RunningPortal) -> None:
    page = await browser.get(portal.setup_link)
    fields = {
        **_hidden(page.text),
        "organisation": "Bench",
        "currency": "usd",
        "time_zone": "UTC",
        "name": "Ana",
        "email": "ana@example.com",
        "password": "sturdy-lantern-orbit-72",
    }
    (await browser.post("/setup", data=fields)).raise_for_status()


async def _sandbox_form(browser: httpx.AsyncClient) -> dict[str, str]:
    token = _hidden((await browser.get(ADDRESS)).text)
    page = await browser.post(f"{ADDRESS}/use-sandbox", data=token)
    return {**_hidden(page.text), **{name: unescape(value) for name, value in VALUE.findall(page.text)}}


async def _time_run(browser: httpx.AsyncClient, form: dict[str, str]) -> dict[str, float]:
    """Check -> seconds from the press until its row was there."""
    ended: dict[str, float] = {}
    began = time.perf_counter()
    headers = {"HX-Request": "true", "Accept": "text/event-stream"}
    async with browser.stream("POST", f"{ADDRESS}/validate", data=form, headers=headers) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if (found := ROW.search(line)) and found[1] not in ("run", "wait"):
                ended[found[2]] = time.perf_counter() - began
    return ended


def _hidden(html: str) -> dict[str, str]:
    found = CSRF_IN_PAGE.search(html)
    setup = re.search(r'name="token" value="([^"]+)"', html)
    return {"_csrf_token": found[1] if found else "", **({"token": setup[1]} if setup else {})}


if __name__ == "__main__":
    asyncio.run(measure(1 if "--short" in sys.argv else RUNS))
