"""What the list of subscriptions shows, as it stands in an address. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from urllib.parse import urlencode

from portal.contract.facts import Mode

LONGEST = 100
SHORTEST_SEARCH = 2
PATH = "/subscriptions"


class Tab(StrEnum):
    """The tabs above the list. Their values stand in addresses. A subscription may be in several."""

    ALL = "all"
    ACTIVE = "active"
    TRIALING = "trialing"
    DUNNING = "in-dunning"
    ENDING = "ending"
    PAUSED = "paused"
    ENDED = "ended"

    @property
    def label(self) -> str:
        """The word on the tab."""
        return self.value.replace("-", " ").capitalize()


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """What the list shows; a search under two characters is none."""

    tab: Tab = Tab.ALL
    search: str = ""
    mode: Mode | None = None
    """None: of both modes."""

    @property
    def searches(self) -> bool:
        """Whether the search counts."""
        return len(self.search) >= SHORTEST_SEARCH

    @property
    def narrows(self) -> bool:
        """Whether any subscription of the mode may be left out."""
        return self.searches or self.tab is not Tab.ALL

    def href(self, **more: str) -> str:
        """The one address of this list, with values that are not empty."""
        said = {
            "tab": "" if self.tab is Tab.ALL else self.tab.value,
            "q": self.search,
            "mode": Mode.TEST.value if self.mode is Mode.TEST else "",
            **more,
        }
        query = urlencode({name: value for name, value in said.items() if value})
        return f"{PATH}?{query}" if query else PATH

    def in_tab(self, tab: Tab) -> SubscriptionFilter:
        """The same in another tab."""
        return replace(self, tab=tab)

    def in_mode(self, mode: Mode) -> SubscriptionFilter:
        """The same of another mode."""
        return replace(self, mode=mode)

    def cleared(self) -> SubscriptionFilter:
        """The mode alone."""
        return SubscriptionFilter(mode=self.mode)


def read_filter(values: Mapping[str, str], mode: Mode | None) -> SubscriptionFilter:
    """The filter of an address; what it does not know filters nothing."""
    tab = values.get("tab", "")
    search = values.get("q", "").replace("\0", "").strip()[:LONGEST]
    return SubscriptionFilter(Tab(tab) if tab in list(Tab) else Tab.ALL, search, mode)
