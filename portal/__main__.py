"""The command line: `portal <command>`, also as `python -m portal <command>`."""

from __future__ import annotations

import importlib
import sys

import click

from portal.errors import PortalError

COMMANDS = {
    "run": ("portal.commands.running:run", "Run everything: database, web, worker and local services."),
    "web": ("portal.commands.running:web", "Run the web server alone."),
    "worker": ("portal.commands.running:worker", "Run the worker alone."),
    "migrate": ("portal.commands.databases:migrate", "Bring the database up to date."),
    "create-owner": ("portal.commands.owners:create_owner", "Create the owner's account."),
    "accounts": ("portal.commands.accounts:accounts", "List connections to providers, and check them."),
    "webhooks": ("portal.commands.webhooks:webhooks", "List events, and have them handled again."),
    "audit": ("portal.commands.audits:audit", "Check that the audit log is as it was written."),
    "keys": ("portal.commands.keys:keys", "List, add, rotate and retire the keys that seal credentials."),
    "sync": ("portal.commands.syncs:sync", "Read everything again from a provider, or compare."),
    "demo-data": ("portal.commands.demo:demo_data", "Fill the local sandbox with two years of a company."),
    "doctor": ("portal.commands.checkups:doctor", "Check this machine and the settings."),
}
"""Command -> where it is, and its line in the help. A room adds a line; imports wait until it is used."""


class Commands(click.Group):
    """Finds commands in the table above, then among the plugins: `portal <plugin>` is `commands.py` there."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The portal's own commands; help must not fail because a plugin does."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in COMMANDS:
            return _plugin_command(cmd_name)
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return _as_command(getattr(importlib.import_module(module), attribute))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def _plugin_command(plugin_id: str) -> click.Command | None:
    from portal.contract.loading import import_optional, installed_plugins

    for entry in installed_plugins():
        if entry.plugin and entry.plugin.manifest.id == plugin_id:
            module = import_optional(entry.package, "commands")
            return _as_command(module.commands) if module else None
    return None


def _as_command(found: object) -> click.Command:
    if not isinstance(found, click.Command):
        raise TypeError(f"{found!r} is no click command")
    return found


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Workestra Portal: invoices, payments and subscriptions."""


def main() -> None:
    """Run the command line; an error that we know is one sentence, a hint, and exit code 1."""
    try:
        cli(prog_name="portal")
    except PortalError as error:
        click.echo(click.style(error.message, fg="red"), err=True)
        if error.hint:
            click.echo(error.hint, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
