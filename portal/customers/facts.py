"""How a provider's customers are tied to ours: by our own metadata, never by a guess."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from portal.audit.sources import Source
from portal.contract.facts import CustomerSeen, Mode
from portal.customers.rules import Field, Verdict, compare
from portal.database.transaction import Connection
from portal.web.live import announce

_WORDS = {"name": "name", "email": "email address"}


@dataclass(frozen=True, slots=True)
class CustomerConflict:
    """Both sides say something new about a field of a customer; neither value was overwritten."""

    customer_id: int
    external_id: str
    field: str
    """`name` or `email`."""
    ours: str
    theirs: str
    why: str


@dataclass(frozen=True, slots=True)
class CustomerStep:
    """What a fact changed, as a sentence, and what it could not decide."""

    words: str = ""
    new: bool = False
    conflicts: tuple[CustomerConflict, ...] = field(default=())
    agreed: tuple[str, ...] = ()
    """The fields that are the same on both sides now."""
    taken_over: int | None = None
    """The customer of ours that now reads as the provider has it: other providers have to hear of it."""


async def apply_customer_seen(held: Connection, source: Source, fact: CustomerSeen) -> CustomerStep:
    """Store or refresh the link inside the caller's transaction, and compare both sides.

    A customer of ours has one living link: another of the provider's that claims it is noted without one.
    """
    link = await _locked(held, source, fact.external_id)
    if link is None:
        return await _add(held, source, fact)
    if not fact.deleted and await was_erased(held, link["customer"]):
        return CustomerStep()
    words = await _tie(held, link, fact)
    if fact.deleted or link["deleted"]:
        return CustomerStep(words)
    customer_id = await held.fetchval("SELECT customer FROM customer_link WHERE id = $1", link["id"])
    if customer_id is None:
        return CustomerStep(words or await _refresh(held, link, fact))
    step = await _compare(held, source, {**dict(link), "customer": customer_id}, fact)
    said = " ".join(filter(None, (words, step.words)))
    return replace(step, words=said)


async def _locked(held: Connection, source: Source, external_id: str) -> Any:
    return await held.fetchrow(
        """
        SELECT id, external_id, customer, unlinked_from, name, email, sent_name, sent_email, deleted
        FROM customer_link
        WHERE account = $1 AND external_id = $2 FOR UPDATE
        """,
        source.account_id,
        external_id,
    )


async def was_erased(held: Connection, customer_id: int | None) -> bool:
    """Whether nothing about the person may be written again. Ask with the link locked."""
    return customer_id is not None and bool(
        await held.fetchval("SELECT erased_at IS NOT NULL FROM customer WHERE id = $1", customer_id)
    )


async def _add(held: Connection, source: Source, fact: CustomerSeen) -> CustomerStep:
    row = await held.fetchrow(
        f"""
        INSERT INTO customer_link (account, mode, external_id, customer, name, email, deleted, seen_at)
        VALUES ($1, $2, $3, {_FREE.format(account="$1", customer="$4")}, $5, $6, $7, now())
        ON CONFLICT ON CONSTRAINT customer_link_external DO NOTHING RETURNING customer
        """,  # noqa: S608 - a fragment of ours
        source.account_id,
        source.mode.value,
        fact.external_id,
        None if fact.deleted else fact.customer_id,
        fact.name or "",
        fact.email or "",
        fact.deleted,
    )
    if row is None:  # somebody else was quicker: it is there now
        return await apply_customer_seen(held, source, fact)
    if fact.deleted:
        return CustomerStep("The customer was deleted at the provider.", new=True)
    linked = "Linked the customer." if row["customer"] else "Noted a customer that nobody here is linked to."
    return CustomerStep(linked, new=True)


async def _tie(held: Connection, link: Any, fact: CustomerSeen) -> str:
    """Mark what was deleted, and link who says that it is one of ours, unless somebody took the two apart."""
    if fact.deleted and not link["deleted"]:
        await held.execute(
            "UPDATE customer_link SET deleted = true, seen_at = now() WHERE id = $1", link["id"]
        )
        return "The customer was deleted at the provider."
    if link["deleted"] or link["customer"] is not None or link["unlinked_from"] is not None:
        return ""
    if fact.customer_id is None:
        return ""
    tied = await held.fetchval(
        f"""
        UPDATE customer_link l SET customer = {_FREE.format(account="l.account", customer="$2")},
               seen_at = now()
        WHERE l.id = $1 RETURNING l.customer
        """,  # noqa: S608 - a fragment of ours
        link["id"],
        fact.customer_id,
    )
    return "Linked the customer." if tied is not None else ""


async def _refresh(held: Connection, link: Any, fact: CustomerSeen) -> str:
    """Nobody here is linked to it, so its own words are all there is."""
    if (link["name"], link["email"]) == (fact.name or "", fact.email or ""):
        return ""
    await _agree(held, link["id"], {"name": fact.name or "", "email": fact.email or ""})
    return "The customer changed at the provider."


async def _compare(held: Connection, source: Source, link: Any, fact: CustomerSeen) -> CustomerStep:
    ours = await held.fetchrow(
        "SELECT name, email FROM customer WHERE id = $1 FOR NO KEY UPDATE", link["customer"]
    )
    fields = _fields(link, ours, fact)
    verdicts = {name: compare(each) for name, each in fields.items()}
    taken = {name: fields[name] for name, verdict in verdicts.items() if verdict is Verdict.TAKE_THEIRS}
    why = dict.fromkeys((n for n, verdict in verdicts.items() if verdict is Verdict.CONFLICT), _BOTH)
    if taken and await _is_real(held, source, link["customer"]):
        why |= dict.fromkeys(taken, _REAL)
        taken = {}
    decided = {
        name: fields[name].theirs
        for name, verdict in verdicts.items()
        if name in taken or verdict is Verdict.IN_STEP
    }
    if any(link[name] != value for name, value in decided.items()):
        await _agree(held, link["id"], decided)
    words = await _take_over(held, source, link["customer"], taken) if taken else ""
    conflicts = [
        CustomerConflict(link["customer"], fact.external_id, n, fields[n].ours, fields[n].theirs, w)
        for n, w in why.items()
    ]
    return CustomerStep(
        words,
        conflicts=tuple(conflicts),
        agreed=tuple(name for name in fields if name not in why),
        taken_over=link["customer"] if taken else None,
    )


def _fields(link: Any, ours: Any, fact: CustomerSeen) -> dict[str, Field]:
    fields = {"email": _field(link, ours, "email", fact.email or "")}
    if fact.name:  # without one the provider says nothing about the name that we use
        fields["name"] = _field(link, ours, "name", fact.name)
    return fields


def _field(link: Any, ours: Any, name: str, theirs: str) -> Field:
    """What we sent ourselves is no change of the provider's, whatever was written here since."""
    return Field(theirs if link[f"sent_{name}"] == theirs else link[name], ours[name], theirs)


async def _is_real(held: Connection, source: Source, customer_id: int) -> bool:
    """Whether a connection in live mode has the customer: what is changed in test mode must not reach it."""
    return source.mode is Mode.TEST and bool(
        await held.fetchval(
            "SELECT EXISTS (SELECT FROM customer_link WHERE customer = $1 AND mode = 'live' AND NOT deleted)",
            customer_id,
        )
    )


async def _agree(held: Connection, link_id: int, values: dict[str, str]) -> None:
    await held.execute(
        """
        UPDATE customer_link SET name = coalesce($2, name), email = coalesce($3, email), seen_at = now(),
               sent_name = CASE WHEN $2::text IS NULL THEN sent_name END,
               sent_email = CASE WHEN $3::text IS NULL THEN sent_email END
        WHERE id = $1
        """,
        link_id,
        values.get("name"),
        values.get("email"),
    )


async def _take_over(held: Connection, source: Source, customer_id: int, taken: dict[str, Field]) -> str:
    values = {name: field.theirs for name, field in taken.items()}
    await held.execute(
        """
        UPDATE customer SET name = coalesce($2, name), email = coalesce($3, email), updated_at = now()
        WHERE id = $1
        """,
        customer_id,
        values.get("name"),
        values.get("email"),
    )
    words = " ".join(f"The {_WORDS[name]} is now {value or 'empty'}." for name, value in values.items())
    source.note(
        ("customer.edited", f"{words} It was changed in {source.actor.name}."),
        ("customer", customer_id),
        {f"{name} before": field.ours for name, field in taken.items()} | values,
    )
    await announce(held, f"customer:{customer_id}")
    return words


_BOTH = "It was changed on both sides."
_REAL = "It was changed in test mode, and the customer is a live one as well."
_FREE = """(
    SELECT c.id FROM customer m JOIN customer c ON c.id = coalesce(m.merged_into, m.id)
    WHERE m.id = {customer} AND c.erased_at IS NULL AND NOT EXISTS (
        SELECT FROM customer_link o WHERE o.account = {account} AND o.customer = c.id AND NOT o.deleted))"""
"""The customer of ours, or who took it over, unless it was erased or another living link has it."""
