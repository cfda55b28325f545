"""`portal doctor`."""

from __future__ import annotations

import asyncio
import sys

import click

from portal.settings import current_settings
from portal.supervision.logs import log_to_file

COLOURS = {"ok": "green", "info": "blue", "warn": "yellow", "fail": "red"}


@click.command()
def doctor() -> None:
    """Check what the portal stands on; exits with 1 when something must be mended."""
    from portal.doctor import examine

    settings = current_settings()
    log_to_file(settings)
    findings = asyncio.run(examine(settings))
    for finding in findings:
        state = click.style(f"{finding.state:<5}", fg=COLOURS[finding.state])
        click.echo(f"{state} {finding.subject:<12} {finding.words}")
        if finding.remedy:
            click.echo(f"{'':19}{finding.remedy}")
    sys.exit(any(finding.state == "fail" for finding in findings))
