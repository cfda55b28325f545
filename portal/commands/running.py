"""`portal run`, `portal web`, `portal worker`."""

from __future__ import annotations

import asyncio
import os

import click

from portal.settings import ROOT, Settings, current_settings


@click.command()
def run() -> None:
    """Run everything until Ctrl-C."""
    from portal.supervisor import run_portal

    run_portal(current_settings())


@click.command()
def web() -> None:
    """Run the web server alone; the database must be there already."""
    from portal.supervision.addresses import require_free
    from portal.supervision.parts import web_argv

    settings = current_settings()
    require_free(settings.host, settings.port, hint="Choose another port with PORTAL_PORT=…")
    _become(web_argv(settings))


@click.command()
def worker() -> None:
    """Run the worker alone; the database must be there already."""
    from portal.supervision.parts import worker_argv

    _become(worker_argv(current_settings()))


def _become(argv: tuple[str, ...]) -> None:
    """Replace this process, so that signals and exit codes are the server's own."""
    asyncio.run(_require_database(current_settings()))
    os.chdir(ROOT)
    os.execv(argv[0], argv)  # noqa: S606 - our own argument list


async def _require_database(settings: Settings) -> None:
    from portal.database.reachability import server_version

    await server_version(settings)
    from portal.security.keychecks import require_keyring

    await require_keyring(settings)
