"""`portal demo-data`: the sandbox lives through two years of a small company, as a program of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import httpx

from portal.sdk import ConfigurationError, Settings

READY_SECONDS = 5.0


class NoDemo(ConfigurationError):
    """There is no sandbox to fill, or it is filled."""


def make_demo_data(settings: Settings) -> Iterator[str]:
    """Fill the sandbox that `portal run` started, with a sentence now and then about how far it is.

    Raises:
        NoDemo: the sandbox does not run, or the data is there already.
    """
    url = f"http://127.0.0.1:{settings.port + 1}"
    if not settings.local or not _answers(url):
        raise NoDemo("Demo data is made in the sandbox, which does not run.", hint="Start it: portal run")
    command = [sys.executable, "-m", "plugins.stripe.sandbox.story", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as story:
        assert story.stdout is not None  # noqa: S101 - it was asked for; tells the type checker
        assert story.stderr is not None  # noqa: S101 - as above
        yield from (line.strip() for line in story.stdout)
        said = story.stderr.read().strip()
    if story.returncode:
        raise NoDemo(said.splitlines()[-1] if said else "The sandbox did not live through it.")


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_sandbox/ready", timeout=READY_SECONDS).is_success
    except httpx.HTTPError:
        return False
