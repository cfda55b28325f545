"""The facts of one reading, in the order in which they need each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from portal.accounts.alerts import apply_alert, ask_for_checks
from portal.audit.services import Actor
from portal.audit.sources import Source
from portal.contract.accounts import Account
from portal.contract.facts import (
    UNKNOWN_INVOICE,
    AccountChanged,
    AlertRaised,
    CustomerSeen,
    Fact,
    InvoiceClosed,
    InvoicePublished,
    InvoiceSeen,
    MethodAgreed,
    PaymentMethodSeen,
    PlanSeen,
    ProductSeen,
    SubscriptionSeen,
)
from portal.contract.loading import provider_title
from portal.contract.work import Reading
from portal.customers.facts import CustomerConflict, apply_customer_seen
from portal.customers.methods import apply_method_seen
from portal.customers.services import tell_providers
from portal.database.transaction import Connection
from portal.exchange.copies import compare_copy
from portal.invoices.facts import apply_invoice_facts
from portal.invoices.imports import apply_invoice_seen, closed_by
from portal.subscriptions.facts import apply_plan_seen, apply_product_seen, apply_subscription_seen
from portal.subscriptions.first_payments import open_first_payments, tell_of_bills
from portal.subscriptions.methods import apply_method_agreed
from portal.sync.differences import Difference, close_differences, note_difference

ELSEWHERE = (
    CustomerSeen,
    ProductSeen,
    PlanSeen,
    InvoiceSeen,
    SubscriptionSeen,
    PaymentMethodSeen,
    MethodAgreed,
    AlertRaised,
    AccountChanged,
)
"""Facts that are not about one invoice of ours."""


T = TypeVar("T", bound=Fact)


@dataclass(slots=True)
class Applied:
    """What became of a reading."""

    said: list[str] = field(default_factory=list)
    invoice_id: int | None = None
    created: bool = False
    differing: int = 0
    reported: bool = True
    """Whether anything of the object may have been open on a report before."""

    @property
    def words(self) -> str:
        """What changed, as a sentence; empty: nothing."""
        return " ".join(words for words in self.said if words)


async def apply_facts(held: Connection, source: Source, reading: Reading, *, found_by: str) -> Applied:
    """Apply them inside the caller's transaction. What is to be noted stays with the source."""
    applied = Applied(invoice_id=reading.invoice_id)
    await _apply_catalogue(held, source, reading.facts, applied, found_by=found_by)
    closed = await _apply_import(held, source, reading.facts, applied)
    about = [*(_about(fact, applied.invoice_id) for fact in reading.facts), *closed]
    ours = [fact for fact in about if not isinstance(fact, ELSEWHERE)]
    if applied.invoice_id is not None and ours:
        applied.said.append(await apply_invoice_facts(held, source, applied.invoice_id, ours))
        for published in facts_of(ours, InvoicePublished):
            compared = await compare_copy(held, source, applied.invoice_id, published, found_by=found_by)
            applied.differing += compared.differing
            applied.reported = compared.reported
    bills = facts_of(reading.facts, InvoiceSeen)
    await open_first_payments(held, source, bills)
    if applied.words:
        await tell_of_bills(held, source, bills)
    await _apply_rest(held, source, about, applied)
    return applied


def source_of(account: Account) -> Source:
    """The connection as the source of facts."""
    return Source(account.id, account.mode, actor_of(account))


def actor_of(account: Account) -> Actor:
    """The provider, as the audit log names it."""
    return Actor(kind="provider", id=account.plugin, name=provider_title(account.plugin))


async def _apply_catalogue(
    held: Connection, source: Source, facts: Sequence[Fact], applied: Applied, *, found_by: str
) -> None:
    """Whom and what the other facts refer to."""
    for customer in facts_of(facts, CustomerSeen):
        seen = await apply_customer_seen(held, source, customer)
        applied.said.append(seen.words)
        applied.created |= seen.new
        applied.differing += len(seen.conflicts)
        for conflict in seen.conflicts:
            await note_difference(held, _difference(source, conflict, found_by))
        if seen.taken_over is not None:
            await tell_providers(held, seen.taken_over, apart_from=source.account_id)
        if seen.agreed:
            await close_differences(held, source.account_id, customer.external_id, fields=seen.agreed)
    for product in facts_of(facts, ProductSeen):
        step = await apply_product_seen(held, source, product)
        applied.said.append(step.words)
        applied.created |= step.new
    for plan in facts_of(facts, PlanSeen):
        step = await apply_plan_seen(held, source, plan)
        applied.said.append(step.words)
        applied.created |= step.new


async def _apply_import(
    held: Connection, source: Source, facts: Sequence[Fact], applied: Applied
) -> list[InvoiceClosed]:
    """Find or make the invoice that was made at the provider; what its status says comes back as facts."""
    closed = []
    for seen in facts_of(facts, InvoiceSeen):
        made = await apply_invoice_seen(held, source, seen)
        applied.invoice_id = made.invoice_id
        applied.said.append(made.words)
        applied.created |= made.new
        if (fact := closed_by(seen)) and not any(facts_of(facts, InvoiceClosed)):
            closed.append(fact)
    return closed


async def _apply_rest(held: Connection, source: Source, facts: Sequence[Fact], applied: Applied) -> None:
    for subscription in facts_of(facts, SubscriptionSeen):
        step = await apply_subscription_seen(held, source, subscription)
        applied.said.append(step.words)
        applied.created |= step.new
    applied.said += [
        await apply_method_seen(held, source, fact) for fact in facts_of(facts, PaymentMethodSeen)
    ]
    applied.said += [await apply_method_agreed(held, source, fact) for fact in facts_of(facts, MethodAgreed)]
    applied.said += [await apply_alert(held, source, fact) for fact in facts_of(facts, AlertRaised)]
    if any(facts_of(facts, AccountChanged)):
        applied.said.append(await ask_for_checks(held, source.account_id))


def _about(fact: Fact, invoice_id: int | None) -> Fact:
    if isinstance(fact, AlertRaised) and fact.invoice_id == UNKNOWN_INVOICE:
        return replace(fact, invoice_id=invoice_id)
    return fact


def facts_of(facts: Iterable[Fact], kind: type[T]) -> list[T]:
    """The facts of one kind, in their order."""
    return [fact for fact in facts if isinstance(fact, kind)]


def _difference(source: Source, conflict: CustomerConflict, found_by: str) -> Difference:
    return Difference(
        account_id=source.account_id,
        mode=source.mode,
        subject_kind="customer",
        subject_id=conflict.customer_id,
        external_id=conflict.external_id,
        field=conflict.field,
        ours=conflict.ours,
        theirs=conflict.theirs,
        kind="conflict",
        cause=conflict.why,
        rule="Both values stay as they are until somebody chooses.",
        trusted="person",
        found_by=found_by,
    )
