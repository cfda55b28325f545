"""Loads the plugins that the settings name. One that fails is reported and stops nothing else."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import logging
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from portal.contract.plugin import LoadedPlugin, Plugin
from portal.settings import Settings, current_settings

logger = logging.getLogger("portal.plugins")
PORTAL_VERSION = 1


def load_plugins(settings: Settings) -> list[LoadedPlugin]:
    """Every plugin of `settings.plugins`, in order, each with itself or its error."""
    seen: set[str] = set()
    loaded = []
    for name in settings.plugins:
        entry = _load(name)
        if entry.plugin and entry.plugin.manifest.id in seen:
            entry = LoadedPlugin(entry.package, None, f"The id {entry.plugin.manifest.id!r} is taken.")
        elif entry.plugin:
            seen.add(entry.plugin.manifest.id)
        loaded.append(entry)
    return loaded


@functools.cache
def installed_plugins() -> tuple[LoadedPlugin, ...]:
    """The plugins of this process, loaded once."""
    return tuple(load_plugins(current_settings()))


def plugin_by_id(plugin_id: str) -> Plugin | None:
    """The loaded plugin with this id, or None."""
    for entry in installed_plugins():
        if entry.plugin and entry.plugin.manifest.id == plugin_id:
            return entry.plugin
    return None


def provider_title(plugin_id: str) -> str:
    """What people call a plugin's provider: `Stripe`; the id when the plugin is not loaded."""
    plugin = plugin_by_id(plugin_id)
    return plugin.manifest.title if plugin else plugin_id


def import_optional(package: str, module: str) -> ModuleType | None:
    """`package.module` when it exists. An error inside it is raised, its absence is None."""
    name = f"{package}.{module}"
    return importlib.import_module(name) if importlib.util.find_spec(name) else None


def _load(name: str) -> LoadedPlugin:
    package = _package_of(name)
    try:
        module = importlib.import_module(f"{package}.plugin")
        plugin = module.plugin
    # A plugin is foreign code: whatever its import raises must not take the portal down.
    except Exception as error:
        logger.exception("plugin %s failed to load", package)
        return LoadedPlugin(package, None, _reason(error, package))
    if not isinstance(plugin, Plugin):
        return LoadedPlugin(package, None, f"{package}.plugin.plugin is no Plugin.")
    if not _fits(plugin.manifest.requires_portal):
        return LoadedPlugin(package, None, f"It needs portal {plugin.manifest.requires_portal}.")
    return LoadedPlugin(package, plugin, directory=Path(str(module.__file__)).parent)


def _package_of(name: str) -> str:
    for point in entry_points(group="portal.plugins"):
        if point.name == name:
            return point.module.removesuffix(".plugin")
    return name


def _reason(error: Exception, package: str) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name and package.startswith(error.name):
        return f"There is no package named {package}. Install it, or take it out of PORTAL_PLUGINS."
    return f"{type(error).__name__} while importing {package}.plugin. The log has the details."


def _fits(requirement: str) -> bool:
    for part in requirement.split(","):
        text = part.strip()
        bound = int(text.lstrip("<>=").split(".")[0])
        if (text.startswith(">=") and bound > PORTAL_VERSION) or (
            text.startswith("<") and not text.startswith("<=") and bound <= PORTAL_VERSION
        ):
            return False
    return True
