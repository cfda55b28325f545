"""`portal create-owner`: the first account, without a browser."""

from __future__ import annotations

import asyncio
from typing import TextIO

import click

from portal.errors import ConfigurationError
from portal.settings import current_settings


@click.command("create-owner")
@click.option("--email", required=True, help="Address to sign in with.")
@click.option("--name", default="Owner", show_default=True, help="Name shown to others.")
@click.option(
    "--password-file",
    required=True,
    type=click.File("r", encoding="utf-8"),
    help="File whose first line is the password; - reads standard input.",
)
def create_owner(email: str, name: str, password_file: TextIO) -> None:
    """Create the owner's account. The password comes from a file: arguments can be seen by other users."""
    from portal.commands.databases import database_for_command

    password = password_file.readline().rstrip("\r\n")
    if not password:
        raise ConfigurationError(
            "The password file is empty.", hint="Write the password into its first line."
        )
    with database_for_command(current_settings()):
        asyncio.run(_create(name, email, password))
    click.echo(f"{email} can sign in now.")


async def _create(name: str, email: str, password: str) -> None:
    from portal.auth.services import create_owner as create

    await create(name=name, email=email, password=password)
