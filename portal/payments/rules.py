"""Which state of a refund may follow which. Pure."""

from __future__ import annotations

WITHDRAWN = "withdrawn"
REVERSED = "reversed"
REINSTATED = "reinstated"
"""How the ledger names money that left again, that a failed refund left here, that a dispute gave back."""

CUSTOMER_CREDIT = "Customer balance"
"""The method of what was settled with credit that the customer has at the provider."""
COLLECTED = (
    "(kind <> 'credit' AND "
    f"(kind <> 'offline' OR account IS NULL OR method IS DISTINCT FROM '{CUSTOMER_CREDIT}'))"
)
"""Of a row of the ledger, in SQL: money moved. What credit settled came before, or never came."""

UNNAMED = "recorded"
"""How the ledger names money that people recorded without a reference."""

_NEXT = {
    "requested": frozenset({"pending", "requires_action", "succeeded", "failed", "canceled"}),
    "pending": frozenset({"requires_action", "succeeded", "failed", "canceled"}),
    "requires_action": frozenset({"pending", "succeeded", "failed", "canceled"}),
    "succeeded": frozenset({"failed"}),
    "failed": frozenset[str](),
    "canceled": frozenset[str](),
}
"""A refund that succeeded can still come back; one that failed or was canceled stays so."""


def follows(before: str, after: str) -> bool:
    """Whether a refund in state `before` may be said to be in state `after`."""
    return after in _NEXT[before]
