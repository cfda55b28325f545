"""The frame: the best fitting item is current, names become initials."""

from __future__ import annotations

import pytest

from portal.web.shells import Navigation, NavItem, NavSection, Person

NAVIGATION = Navigation(
    (
        NavSection("", (NavItem("Dashboard", "/", "home"), NavItem("Invoices", "/invoices", "file-invoice"))),
        NavSection(
            "Settings", (NavItem("All", "/settings", "settings"), NavItem("Plugs", "/settings/plugs", "plug"))
        ),
    )
)


@pytest.mark.parametrize(
    ("path", "current"),
    [
        ("/", ["Dashboard"]),
        ("/invoices", ["Invoices"]),
        ("/invoices/17/pay", ["Invoices"]),
        ("/invoices-archive", []),
        ("/settings/plugs/stripe", ["Plugs"]),
        ("/settings/other", ["All"]),
    ],
)
def test_best_fitting_item_is_current(path: str, current: list[str]) -> None:
    items = [item for section in NAVIGATION.at(path) for item in section.items]
    assert [item.label for item in items if item.current] == current


@pytest.mark.parametrize(
    ("name", "initials"), [("Mara Kovač", "MK"), ("Ana Maria de Souza", "AS"), ("cher", "C"), ("", "")]
)
def test_initials_have_at_most_two_letters(name: str, initials: str) -> None:
    assert Person(name, "Owner").initials == initials
