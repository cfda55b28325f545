"""`portal audit verify`: is the audit log as it was written."""

from __future__ import annotations

import click

from portal.commands.databases import run_in_database
from portal.errors import ConfigurationError


@click.group()
def audit() -> None:
    """The audit log."""


@audit.command()
@click.option("--head", default=None, help="A head noted earlier; the log must still hold it.")
def verify(head: str | None) -> None:
    """Walk the whole log and name the first entry that does not fit. Prints the head, to note elsewhere."""
    from portal.audit.services import Verification
    from portal.audit.services import verify as walk

    async def look() -> Verification:
        return await walk(expected_head=head)

    found = run_in_database(look)
    if not found.intact:
        where = f"Entry {found.broken_at} does not fit" if found.broken_at else "The log is not whole"
        raise ConfigurationError(
            f"{where}: {found.reason}.", hint=f"{found.entries} entries before it are intact."
        )
    click.echo(f"{found.entries} entries, all as they were written.\nHead: {found.head}")
