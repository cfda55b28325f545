"""One module a resource: its defaults and what each call does to it."""

from __future__ import annotations

import importlib
import pkgutil


def load_handlers() -> None:
    """Import every resource, which registers its handlers."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
