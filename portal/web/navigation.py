"""The sidebar: rooms declare entries, the app keeps those whose page exists."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from portal.web.shells import Navigation, NavItem, NavSection

SECTIONS = ("", "Operations", "Settings")


@dataclass(frozen=True, slots=True)
class NavEntry:
    """One link. `section` is one of `SECTIONS`; lower `order` comes first."""

    label: str
    href: str
    icon: str
    section: str = ""
    order: int = 50


def build_navigation(entries: Iterable[NavEntry], *, pages: Collection[str]) -> Navigation:
    """The sections that have entries. A link to a page that is not there is left out: it would be a 404."""
    kept = sorted((e for e in entries if e.href in pages), key=lambda entry: (entry.order, entry.label))
    sections = []
    for title in SECTIONS:
        items = tuple(NavItem(e.label, e.href, e.icon) for e in kept if e.section == title)
        if items:
            sections.append(NavSection(title, items))
    return Navigation(tuple(sections))
