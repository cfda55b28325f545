"""Jinja as our pages use it: escaping always, undefined names raise, macros under `ui`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from litestar.plugins.jinja import JinjaTemplateEngine
from markupsafe import Markup

from portal.errors import PortalError
from portal.settings import ROOT
from portal.web import formats
from portal.web.assets import Assets

TEMPLATE_DIR = ROOT / "templates"
MACRO_DIR = "_macros"
SPRITE = "icons.svg"
SYMBOL = re.compile(r'<symbol id="([a-z0-9-]+)"')


class UnknownIcon(PortalError):
    """A template names an icon that is not in the sprite."""

    code = "UNKNOWN_ICON"


def build_engine(plugin_template_dirs: Mapping[str, Path], *, assets: Assets) -> JinjaTemplateEngine:
    """The engine for the app. A plugin's templates are named `<plugin id>/<file>`."""
    loader = ChoiceLoader(
        [
            FileSystemLoader(TEMPLATE_DIR),
            PrefixLoader({name: FileSystemLoader(folder) for name, folder in plugin_template_dirs.items()}),
        ]
    )
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(asset_url=assets.url, icon_url=_icon_urls(assets))
    environment.globals.update(show_datetime=formats.show_datetime, show_date=formats.show_date)
    environment.globals["icon_names"] = sorted(icon_names(assets))
    environment.filters.update(FILTERS)
    environment.globals["ui"] = _load_macros(environment)
    return JinjaTemplateEngine.from_environment(environment)


def render_fragment(
    engine: JinjaTemplateEngine, template: str, *, block: str | None = None, **context: Any
) -> str:
    """Render a partial, or one `block` of a page, for an htmx swap or a stream."""
    source = engine.get_template(template)
    if block is None:
        return source.render(context)
    return Markup("").join(source.blocks[block](source.new_context(context)))


def icon_names(assets: Assets) -> frozenset[str]:
    """The icons that the sprite holds."""
    return frozenset(SYMBOL.findall(assets.text(SPRITE)))


def _icon_urls(assets: Assets) -> Callable[[str], str]:
    urls = {name: f"{assets.url(SPRITE)}#{name}" for name in icon_names(assets)}

    def icon_url(name: str) -> str:
        if name not in urls:
            raise UnknownIcon(f"There is no icon {name!r}.", hint="Add it to scripts/build_icons.py.")
        return urls[name]

    return icon_url


def _load_macros(environment: Environment) -> SimpleNamespace:
    # The namespace must be in the globals before a module is made: macros call each other through it.
    macros = SimpleNamespace()
    environment.globals["ui"] = macros
    for path in sorted((TEMPLATE_DIR / MACRO_DIR).glob("*.html")):
        module = environment.get_template(f"{MACRO_DIR}/{path.name}").module
        public = {name: value for name, value in vars(module).items() if not name.startswith("_")}
        macros.__dict__.update(public)
    return macros


def _zone(context: Context) -> str:
    shell = context.get("shell")
    return str(context.get("time_zone") or (shell.time_zone if shell else "UTC"))


@pass_context
def _datetime_filter(context: Context, value: Any) -> Markup:
    return formats.show_datetime(value, _zone(context))


@pass_context
def _moment_filter(context: Context, value: Any) -> Markup:
    return formats.show_moment(value, _zone(context))


@pass_context
def _date_filter(context: Context, value: Any) -> Markup:
    return formats.show_date(value, _zone(context))


@pass_context
def _long_date_filter(context: Context, value: Any) -> Markup:
    return formats.show_long_date(value, _zone(context))


def _ago_filter(at: datetime) -> str:
    return formats.show_ago(at, datetime.now(UTC))


FILTERS: dict[str, Callable[..., Any]] = {
    "money": formats.show_money,
    "datetime": _datetime_filter,
    "moment": _moment_filter,
    "date": _date_filter,
    "long_date": _long_date_filter,
    "count": formats.show_count,
    "ago": _ago_filter,
}
