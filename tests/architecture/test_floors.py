"""Imports run downwards, plugins knock at one door, and the pure parts stay pure."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict

from tests.architecture.imports import ROOT, Import, all_imports, imports_of, module_name, python_files

FLOORS = (
    ("money", "errors", "settings", "failpoints", "contract", "processes", "garbage"),
    ("database", "security"),
    ("queue", "web", "audit", "mail"),
    ("auth", "customers", "accounts", "payments", "finance", "help", "sync"),
    ("invoices", "subscriptions", "webhooks"),
    ("exchange", "documents"),
    ("dashboard", "connected", "metrics", "messages"),
    (
        "sdk",
        "testing",
        "app",
        "asgi",
        "worker",
        "piccolo_app",
        "piccolo_migrations",
        "supervisor",
        "supervision",
        "doctor",
        "commands",
        "__main__",
    ),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
SDK = "stripe"


def room_of(dotted: str) -> str:
    """`web` for `portal.web.forms`; empty for the package itself."""
    return dotted.split(".")[1] if dotted.count(".") else ""


def between_rooms() -> list[tuple[str, str, Import]]:
    """Room, room it needs, and the import that says so."""
    found = [
        (room_of(each.module), room_of(each.target), each)
        for each in all_imports("portal")
        if each.is_of("portal")
    ]
    return [(one, other, each) for one, other, each in found if one and other and one != other]


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(module_name(path)) for path in python_files("portal")} - {""}
    assert rooms <= set(FLOOR_OF), "give the new room a floor"


def test_imports_run_downwards_or_stay_on_their_floor() -> None:
    wrong = [str(each) for one, other, each in between_rooms() if FLOOR_OF[one] < FLOOR_OF[other]]
    assert wrong == []


def test_rooms_do_not_need_each_other_in_a_circle() -> None:
    needs: dict[str, set[str]] = defaultdict(set)
    for one, other, _ in between_rooms():
        needs[one].add(other)
    settled: set[str] = set()
    rooms = set(needs) | {room for rooms in needs.values() for room in rooms}
    while free := {room for room in rooms - settled if needs[room] <= settled}:
        settled |= free
    assert rooms - settled == set()


def test_the_portal_never_imports_a_plugin() -> None:
    assert [str(each) for each in all_imports("portal") if each.is_of("plugins")] == []


def test_plugins_reach_the_portal_through_the_sdk_alone() -> None:
    wrong = [
        str(each)
        for each in all_imports("plugins")
        if each.is_of("portal")
        and not each.is_of("portal.sdk")
        and not (".domain." in f"{each.module}." and each.is_of("portal.money"))
        and not (".piccolo_app" in each.module and each.is_of("portal.database"))
    ]
    assert wrong == []


def test_plugins_do_not_know_each_other() -> None:
    wrong = [
        str(each)
        for each in all_imports("plugins")
        if each.is_of("plugins") and each.target.split(".")[1:2] != each.module.split(".")[1:2]
    ]
    assert wrong == []


def test_only_gateway_and_sandbox_import_the_providers_sdk() -> None:
    wrong = [
        str(each)
        for each in all_imports("portal", "plugins")
        if each.is_of(SDK) and not {"gateway", "sandbox"} & set(each.module.split("."))
    ]
    assert wrong == []


def test_no_production_module_imports_the_sandbox() -> None:
    wrong = [
        str(each)
        for each in all_imports("portal", "plugins")
        if ".sandbox" in each.target and each.is_of("plugins") and ".sandbox" not in each.module
    ]
    assert wrong == []


def test_domains_and_rules_are_pure() -> None:
    wrong = []
    for path in python_files("portal", "plugins"):
        if path.name != "rules.py" and "domain" not in path.parts:
            continue
        own = module_name(path).partition(".domain")[0] + ".domain" if "domain" in path.parts else ""
        wrong += [str(each) for each in imports_of(path) if not _is_pure(each, own)]
    assert wrong == []


def test_settings_alone_read_the_environment() -> None:
    readers = set()
    for path in python_files("portal", "plugins"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and node.attr in ("environ", "getenv")
                and _name(node.value) == "os"
            ):
                readers.add(module_name(path))
        readers |= {
            each.module
            for each in imports_of(path)
            if each.target in ("os.environ", "os.getenv", "os.environb")
        }
    assert readers <= {"portal.settings"}


def test_folders_that_must_be_packages_are() -> None:
    assert (ROOT / "plugins" / "__init__.py").exists(), "else `import stripe` under pytest is our own package"
    folders = {path.parent for path in python_files("tests", "e2e", "portal")}
    missing = [
        str(folder.relative_to(ROOT))
        for folder in folders
        if not (folder / "__init__.py").exists() and folder.name != "piccolo_migrations"
    ]
    assert missing == []


def test_the_providers_sdk_is_not_shadowed_by_our_plugin() -> None:
    import stripe  # noqa: PLC0415 - the point of the test

    assert "site-packages" in str(stripe.__file__)


def test_nothing_pickles_or_evaluates() -> None:
    banned = ("pickle", "marshal", "shelve", "dill")
    assert [
        str(each) for each in all_imports("portal", "plugins") if each.target.split(".")[0] in banned
    ] == []


def test_randomness_that_guards_something_comes_from_secrets() -> None:
    wrong = [
        str(each)
        for each in all_imports("portal")
        if each.target.split(".")[0] == "random"
        and room_of(each.module) in ("security", "auth", "accounts", "web")
    ]
    assert wrong == []


def _is_pure(each: Import, own_domain: str) -> bool:
    if each.target.split(".")[0] in sys.stdlib_module_names:
        return True
    return each.is_of("portal.money") or bool(own_domain and each.is_of(own_domain))


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""
