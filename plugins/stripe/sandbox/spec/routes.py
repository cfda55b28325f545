"""Routes, parameter types and answer types, read from the SDK's own services."""

from __future__ import annotations

import ast
import functools
import importlib.util
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plugins.stripe.sandbox.spec.hints import namespace, resolve


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API as the SDK knows it."""

    method: str
    template: str
    """Path with names in braces: `/v1/customers/{customer}`."""
    operation: str
    """Class and method of the SDK: `CustomerService.retrieve`."""
    module: str
    params_name: str | None
    returns: str

    @property
    def key(self) -> str:
        """`POST /v1/customers`: what handlers are registered under."""
        return f"{self.method} {self.template}"

    def params_type(self) -> Any:
        """The TypedDict of the parameters, or None."""
        return namespace(self.module)[self.params_name] if self.params_name else None

    def return_type(self) -> Any:
        """The hint of the answer."""
        return resolve(self.returns, namespace(self.module))


@dataclass(frozen=True, slots=True)
class Match:
    """A route and the ids found in the path."""

    route: Route
    ids: tuple[str, ...]


def routes() -> tuple[Route, ...]:
    """Every v1 route of the installed SDK."""
    return tuple(by_key().values())


@functools.cache
def by_key() -> dict[str, Route]:
    """Routes by `METHOD /path/{template}`."""
    spec = importlib.util.find_spec("stripe")
    if spec is None or spec.origin is None:  # pragma: no cover - a pinned requirement
        raise ModuleNotFoundError("stripe")
    root = Path(spec.origin).parent
    found = [r for f in sorted(root.rglob("*_service.py")) if "v2" not in f.parts for r in _in_file(f, root)]
    return {route.key: route for route in found}


@functools.lru_cache(maxsize=65536)
def match(method: str, path: str) -> Match | None:
    """The route of a request. Literal paths win over paths with names."""
    for pattern, route in _patterns().get((method, path.count("/")), ()):
        if found := pattern.match(path):
            return Match(route, found.groups())
    return None


@functools.cache
def _patterns() -> dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]]:
    table: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = {}
    for route in sorted(routes(), key=lambda r: (r.template.count("{"), r.template)):
        pattern = re.sub(r"\\\{\w+\\\}", r"([^/]+)", re.escape(route.template))
        group = table.setdefault((route.method, route.template.count("/")), [])
        group.append((re.compile(f"{pattern}$"), route))
    return table


def _in_file(file: Path, root: Path) -> Iterator[Route]:
    module = ".".join(("stripe", *file.relative_to(root).with_suffix("").parts))
    for service in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(service, ast.ClassDef):
            for function in service.body:
                if isinstance(function, ast.FunctionDef):
                    yield from _in_function(module, service.name, function)


def _in_function(module: str, service: str, function: ast.FunctionDef) -> Iterator[Route]:
    for call in ast.walk(function):
        if not (isinstance(call, ast.Call) and getattr(call.func, "attr", "") == "_request"):
            continue
        params = next((a.annotation for a in function.args.args if a.arg == "params"), None)
        yield Route(
            method=_text(call.args[0]).upper(),
            template=_text(call.args[1]),
            operation=f"{service}.{function.name}",
            module=module,
            params_name=_text(params) if params is not None else None,
            returns=_text(function.returns),
        )


def _text(node: ast.AST | None) -> str:
    """The first string inside a node: a path, also under `.format(...)`, or a quoted type."""
    if node is not None:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                return inner.value
    raise ValueError("the SDK's services are written in a way this reader does not know")
