"""`portal demo-data`: something to look at, made by the plugins in their local services."""

from __future__ import annotations

import click

from portal.errors import ConfigurationError
from portal.settings import current_settings

NEXT = (
    "Connect the sandbox under Settings > Connected accounts; a connection that is there reads it by itself."
)


@click.command("demo-data")
def demo_data() -> None:
    """Fill the sandbox of this machine with two years of a small company. The portal must be running."""
    from portal.contract.loading import import_optional, installed_plugins

    settings = current_settings()
    if not settings.local:
        raise ConfigurationError("Demo data is for a portal on your own machine (PORTAL_ENV=local).")
    for plugin in installed_plugins():
        module = import_optional(plugin.package, "demo") if plugin.plugin else None
        if module is not None:
            for words in module.make_demo_data(settings):
                click.echo(words)
    click.echo(NEXT)
