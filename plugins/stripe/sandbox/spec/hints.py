"""Type hints of the installed SDK, resolved with the names its modules import for type checkers only."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import typing
from typing import Any

Namespace = dict[str, Any]


@functools.cache
def namespace(module_name: str) -> Namespace:
    """Everything that an annotation in this module may name."""
    module = importlib.import_module(module_name)
    names: Namespace = dict(vars(module))
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            for statement in node.body:
                if isinstance(statement, ast.ImportFrom) and statement.module:
                    source = importlib.import_module(statement.module)
                    names |= {a.asname or a.name: getattr(source, a.name) for a in statement.names}
    return names


def resolve(hint: Any, names: Namespace) -> Any:
    """Turn a forward reference into the hint it stands for; its parts may still be references."""
    if isinstance(hint, typing.ForwardRef):
        hint = hint.__forward_arg__
    if isinstance(hint, str):
        return resolve(eval(hint, names), names)  # noqa: S307 - annotations of the installed SDK
    return hint
