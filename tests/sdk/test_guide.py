"""The author's guide names what the door exports, no more and no less."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest

from portal import sdk, testing
from portal.contract.errors import ProviderError

GUIDE = (Path(sdk.__file__).parent / "README.md").read_text("utf-8")
NAMES = GUIDE.partition("## Every name")[2].partition("## Before you show it")[0]
ROW = re.compile(r"^\| `(\w+)` \| (.+) \|$", re.MULTILINE)
WITHOUT_DOCSTRING = frozenset({"LOOPBACK", "Fact", "Connection", "UNKNOWN_INVOICE"})
"""A constant, a union, and a class of asyncpg's: the guide alone describes them."""


def documented() -> list[str]:
    """The names in the first column of the guide's tables, in its order."""
    return [match[1] for match in ROW.finditer(NAMES)]


def described(name: str) -> str:
    """What the guide says about a name."""
    return next(match[2] for match in ROW.finditer(NAMES) if match[1] == name)


def test_every_exported_name_is_in_the_guide_and_the_other_way_round() -> None:
    assert sorted(documented()) == sorted(sdk.__all__)


def test_the_door_exports_what_it_lists_and_nothing_by_accident() -> None:
    public = {name for name, value in vars(sdk).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert public == set(sdk.__all__)


@pytest.mark.parametrize("name", sorted(set(sdk.__all__) - WITHOUT_DOCSTRING))
def test_every_exported_name_says_what_it_is(name: str) -> None:
    words = inspect.getdoc(getattr(sdk, name)) or ""
    assert words, f"{name} has no docstring"
    assert not words.startswith(f"{name}("), f"{name} has the docstring that dataclasses make up"


def test_every_name_of_the_kit_is_in_the_guide() -> None:
    kit = GUIDE.partition("## Before you show it")[2]
    assert sorted(match[1] for match in ROW.finditer(kit)) == sorted(testing.__all__)


CLASSES = [name for name in sdk.__all__ if inspect.isclass(getattr(sdk, name)) and name != "Connection"]


@pytest.mark.parametrize("name", CLASSES)
def test_public_methods_say_what_they_do(name: str) -> None:
    methods = inspect.getmembers(getattr(sdk, name), inspect.isfunction)
    ours = [(n, m) for n, m in methods if not n.startswith("_") and m.__module__.startswith("portal.")]
    assert [n for n, method in ours if not method.__doc__] == []


@pytest.mark.parametrize("name", [n for n in sdk.__all__ if hasattr(getattr(sdk, n), "__dataclass_fields__")])
def test_a_field_that_the_guide_names_first_exists(name: str) -> None:
    """Backticked words that look like fields are fields, properties or methods of the class."""
    allowed = set(dir(getattr(sdk, name))) | set(getattr(sdk, name).__dataclass_fields__)
    words = set(re.findall(r"`([a-z_]+)`", described(name)))
    others = {"ok", "warn", "bad", "mute", "void", "uncollectible", "invoice_id"}
    assert words - allowed - others == set()


def test_every_kind_of_fact_is_under_what_a_plugin_tells() -> None:
    tells = NAMES.partition("### What a plugin tells")[2].partition("###")[0]
    assert [fact.__name__ for fact in get_args(sdk.Fact) if f"| `{fact.__name__}` |" not in tells] == []


def test_every_error_of_a_provider_is_under_what_a_plugin_raises() -> None:
    raises = NAMES.partition("### What a plugin raises")[2]
    errors = [name for name in sdk.__all__ if _is_provider_error(name)]
    assert [name for name in errors if f"| `{name}` |" not in raises] == []


def test_the_hooks_that_the_guide_names_are_the_abstract_ones() -> None:
    listed = re.search(r"\.\.\.  # (.+)\n", GUIDE)
    assert listed is not None
    assert set(listed[1].split(", ")) == set(sdk.Plugin.__abstractmethods__)


def _is_provider_error(name: str) -> bool:
    found = getattr(sdk, name)
    return inspect.isclass(found) and issubclass(found, ProviderError)
