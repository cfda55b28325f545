"""Which module imports which, read from the sources without running them."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Import:
    """One import, wherever in the file it stands."""

    module: str
    """Who imports."""
    target: str
    """What, as a dotted name; `from a import b` is `a.b`, which may be a module or a name in one."""
    line: int

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"

    def is_of(self, package: str) -> bool:
        """Whether it reaches into the package."""
        return self.target == package or self.target.startswith(f"{package}.")


def python_files(*folders: str) -> Iterator[Path]:
    """The sources below some folders of the repository."""
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def module_name(path: Path) -> str:
    """`portal.web.forms` for its file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Every import of a file, also those inside functions and for type checkers."""
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [Import(name, alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            found += [Import(name, f"{base}.{alias.name}", node.lineno) for alias in node.names]
    return tuple(found)


def all_imports(*folders: str) -> list[Import]:
    """The imports of all sources below some folders."""
    return [each for path in python_files(*folders) for each in imports_of(path)]


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    kept = package.split(".")
    parts = kept[: len(kept) - node.level + 1]
    return ".".join([*parts, node.module] if node.module else parts)
