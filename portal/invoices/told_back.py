"""Money that people recorded here and that a provider, which was told of it, tells back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from portal.contract.facts import InvoiceFact, PaymentSucceeded
from portal.database.transaction import Connection
from portal.money import Money
from portal.payments.services import offline_of


async def without_told_back(
    held: Connection, invoice_id: int, facts: Sequence[InvoiceFact]
) -> list[InvoiceFact]:
    """The same facts, of which those about money outside the provider say only what they add.

    Call it with the invoice's row locked.
    """
    if not any(_is_outside(fact) for fact in facts):
        return list(facts)
    told, known = await offline_of(held, invoice_id)
    return list(_reduced(facts, told, known))


def _reduced(facts: Sequence[InvoiceFact], told: int, known: Mapping[str, int]) -> Iterator[InvoiceFact]:
    """What is in the ledger already has had its part of what was told; the rest is taken off in turn."""
    outside = [fact for fact in facts if isinstance(fact, PaymentSucceeded) and _is_outside(fact)]
    left = told - sum(
        f.amount.amount_minor - known.get(f.external_id, f.amount.amount_minor) for f in outside
    )
    for fact in facts:
        if not isinstance(fact, PaymentSucceeded) or fact not in outside or fact.external_id in known:
            yield fact
            continue
        taken = min(max(left, 0), fact.amount.amount_minor)
        left -= taken
        if not taken or taken < fact.amount.amount_minor:
            yield replace(fact, amount=Money(fact.amount.amount_minor - taken, fact.amount.currency))


def _is_outside(fact: InvoiceFact) -> bool:
    """Whether the provider only knows of it: a method that it names is a means of its own."""
    return (
        isinstance(fact, PaymentSucceeded) and fact.offline and fact.method is None and not fact.from_credit
    )
