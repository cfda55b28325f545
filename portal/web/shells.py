"""What `base.html` and `plain.html` need to know, gathered in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from portal.web.request import Trouble

Theme = Literal["light", "dark"]
ShownMode = Literal["test", "live"]
Tone = Literal["ok", "warn", "bad", "run", "mute"]
Badge = tuple[str, str]
"""A count beside a link, and what it counts in words."""


@dataclass(frozen=True, slots=True)
class NavItem:
    """One link of the navigation. `badge` is a short count such as `3`, `badge_words` what it counts."""

    label: str
    href: str
    icon: str
    current: bool = False
    badge: str = ""
    badge_words: str = ""


@dataclass(frozen=True, slots=True)
class NavSection:
    """Links under one heading; the first section usually has none."""

    title: str
    items: tuple[NavItem, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in, as shown at the foot of the navigation."""

    name: str
    role: str

    @property
    def initials(self) -> str:
        """At most two letters for the round badge."""
        words = self.name.split()
        return "".join(word[0] for word in (words[:1] + words[-1:] if len(words) > 1 else words)).upper()


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence at the top of the next page. It receives the focus."""

    tone: Tone
    text: str


@dataclass(frozen=True, slots=True)
class Shell:
    """The frame around a page."""

    csrf_token: str = ""
    organisation: str = "Portal"
    person: Person | None = None
    sections: tuple[NavSection, ...] = ()
    mode: ShownMode | None = None
    theme: Theme | None = None
    """None: what the system prefers."""
    notice: Notice | None = None
    time_zone: str = "UTC"
    """The viewer's zone; the `datetime` and `date` filters show times in it."""
    path: str = "/"
    """Where the page is; the theme switch comes back to it."""
    live: str | None = None
    """Address of an event stream that updates this page, or None."""
    trouble: Trouble | None = None
    """A connection whose key is refused."""


@dataclass(frozen=True, slots=True)
class ErrorView:
    """What an error page says. `reference` is the id that is also in the log."""

    message: str
    hint: str = ""
    code: str = ""
    reference: str = ""
    back_href: str = "/"
    back_label: str = "Go to the dashboard"
    help_href: str = ""
    """The help page about this error; empty when there is none, or nobody is signed in to read it."""


@dataclass(frozen=True, slots=True)
class Navigation:
    """The sections of the sidebar, without a current item."""

    sections: tuple[NavSection, ...] = field(default_factory=tuple)

    def at(self, path: str, *, badges: Mapping[str, Badge] | None = None) -> tuple[NavSection, ...]:
        """The same sections with the item marked whose address fits `path` best, and counts by address."""
        links = [item.href for section in self.sections for item in section.items]
        best = max((href for href in links if _covers(href, path)), key=len, default=None)
        return tuple(_mark(section, best, badges or {}) for section in self.sections)


def _covers(href: str, path: str) -> bool:
    return path == href or (href != "/" and path.startswith(href.rstrip("/") + "/"))


def _mark(section: NavSection, href: str | None, badges: Mapping[str, Badge]) -> NavSection:
    items = []
    for item in section.items:
        badge, words = badges.get(item.href, ("", ""))
        items.append(replace(item, current=item.href == href, badge=badge, badge_words=words))
    return replace(section, items=tuple(items))
