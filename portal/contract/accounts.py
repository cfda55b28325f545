"""A connection, as a plugin sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from portal.contract.facts import Mode

if TYPE_CHECKING:
    from portal.contract.secrets import Secret


@dataclass(frozen=True, slots=True)
class AccountIdentity:
    """Which account the credentials open. `(plugin, external_id, mode)` can be connected once."""

    external_id: str
    title: str
    mode: Mode


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair did, as a sentence, and the credentials that it brought (stored sealed, at once)."""

    message: str
    credentials: Mapping[str, Secret] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Account:
    """A connection as a plugin sees it: its own credentials, opened."""

    id: int
    plugin: str
    mode: Mode
    external_id: str
    title: str
    credentials: Mapping[str, Secret]
    options: Mapping[str, Any]
    previous: Mapping[str, Secret] = field(default_factory=dict)
    """Signing secrets that were replaced and are still accepted for a while."""
    features_off: Mapping[str, str] = field(default_factory=dict)
    """`Feature.id` -> why it cannot be used, as the last checks found."""

    def can(self, feature: str) -> bool:
        """Whether the last checks found nothing in the way of the feature."""
        return feature not in self.features_off
