"""The endpoints of an account, sorted by what they are to this connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from plugins.stripe.domain.addresses import Likeness, compare
from plugins.stripe.domain.endpoints import PREVIOUS_ONE, SILENT_EVENTS, made_for, made_here, replaces
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.gateway.endpoints import MOST_ENDPOINTS, WebhookEndpoint
from portal.sdk import CheckContext

Endpoints = tuple[WebhookEndpoint, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found, the newest first."""

    current: Endpoints
    """At exactly our address; more than one is too many."""
    silent: Endpoints
    """Made to take the place of current ones, and sending nothing yet."""
    retiring: Endpoints
    """At our address too, and replaced by a current one."""
    outlived: Endpoints
    """Retiring ones whose secret is no longer accepted."""
    near: Endpoints
    """With our secret path, and yet elsewhere."""
    orphans: Endpoints
    """At an address that this installation had, or that a connection which ended had."""
    deletable: Endpoints
    """The orphans that this installation made for this connection."""
    others: Endpoints

    @property
    def at_address(self) -> Endpoints:
        """Every endpoint at exactly our address."""
        return self.current + self.silent + self.retiring

    @property
    def full(self) -> bool:
        """Whether Stripe allows no further endpoint."""
        count = len(self.at_address) + len(self.near) + len(self.orphans) + len(self.others)
        return count >= MOST_ENDPOINTS


def survey(endpoints: Sequence[WebhookEndpoint], context: CheckContext) -> Survey:
    """Sort the endpoints of an account."""
    newest_first = sorted(endpoints, key=lambda endpoint: endpoint.created, reverse=True)
    kinds = {e.id: compare(e.url, context.endpoint_url) for e in newest_first}
    here = tuple(e for e in newest_first if kinds[e.id] is Likeness.EXACT)
    near = tuple(e for e in newest_first if kinds[e.id] is Likeness.NEAR_MISS)
    elsewhere = [e for e in newest_first if e not in here and e not in near]
    orphans = tuple(
        e for e in elsewhere if kinds[e.id] is Likeness.SIBLING or made_here(e.metadata, context.instance)
    )
    silent = tuple(e for e in here if _is_silent(e, here))
    replaced = {name for e in here if e not in silent for name in replaces(e.metadata)}
    retiring = tuple(e for e in here if e.id in replaced)
    overlaps = context.account_id is None or PREVIOUS_ONE in context.other_secrets
    return Survey(
        current=tuple(e for e in here if e not in silent and e not in retiring),
        silent=silent,
        retiring=retiring,
        outlived=() if overlaps else retiring,
        near=near,
        orphans=orphans,
        deletable=tuple(e for e in orphans if made_for(e.metadata, context.instance, context.account_id)),
        others=tuple(e for e in elsewhere if e not in orphans),
    )


def best_of(endpoints: Sequence[WebhookEndpoint]) -> WebhookEndpoint:
    """The one of several at our address that is nearest to what it should be."""
    return max(
        endpoints, key=lambda e: (e.enabled, e.api_version == API_VERSION, -len(e.missing(ENDPOINT_EVENTS)))
    )


def _is_silent(endpoint: WebhookEndpoint, here: Endpoints) -> bool:
    """A replacement that sends nothing of use, while what it replaces is still there."""
    waits_for = replaces(endpoint.metadata) & {other.id for other in here}
    return bool(waits_for) and endpoint.events == frozenset(SILENT_EVENTS)
