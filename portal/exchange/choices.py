"""A person chooses between the portal's value and the provider's, and the choice is carried out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, datetime

from portal.accounts.services import load_account
from portal.audit.services import Actor, record
from portal.customers.services import tell_providers
from portal.database.transaction import Connection, transaction
from portal.errors import Conflict
from portal.exchange.comparisons import key_of, repair_object
from portal.money import Money, parse_money
from portal.sync.differences import Choice, StoredDifference, check_seen, decide, find_difference
from portal.sync.options import Option, options_of, provider_of
from portal.sync.queueing import queue_task, revive_tasks
from portal.web.live import announce


async def resolve(difference_id: int, choice: str, *, seen: str, actor: Actor) -> Option | None:
    """Decide a difference and carry the choice out in one transaction; None: it was decided so before.

    Args:
        difference_id: which.
        choice: `ours` or `theirs`.
        seen: the difference's `seen`, as the person had it before their eyes.
        actor: who.

    Raises:
        NotFound: there is no such difference.
        Conflict: it cannot be settled that way.
        ValuesChanged: the values are other ones by now.
        ProviderError: the provider's side could not be read.
    """
    found = await find_difference(difference_id)
    option = _chosen(found, choice)
    if found.kind == "drift" and option.choice == "theirs" and found.state == "open":
        check_seen(found, seen)
        return await _take_drift(found, option, actor)
    async with transaction() as tx:
        decided = await decide(tx.connection, difference_id, option.choice, seen=seen, by=actor.name)
        if decided is None:
            return None
        if decided.kind == "conflict":
            await _carry_out(tx.connection, decided, option.choice)
        await _note(tx.connection, decided, option, actor)
    return option


def _chosen(found: StoredDifference, choice: str) -> Option:
    for option in options_of(found, provider_of(found)):
        if option.choice == choice:
            return option
    raise Conflict("This cannot be settled that way.", hint="Load the page again and choose.")


async def _take_drift(found: StoredDifference, option: Option, actor: Actor) -> Option:
    """Read the object in its turn; that closes the difference, and the person is named on it."""
    await repair_object(await load_account(found.account_id), key_of(found))
    async with transaction() as tx:
        await tx.connection.execute(
            """
            UPDATE sync_difference SET resolved_by = $2, resolved_at = coalesce(resolved_at, now()),
                   state = CASE state WHEN 'open' THEN 'took_theirs' ELSE state END
            WHERE id = $1
            """,
            found.id,
            actor.name,
        )
        await _note(tx.connection, found, option, actor)
    return option


async def _carry_out(held: Connection, found: StoredDifference, choice: Choice) -> None:
    act = _ACTS.get((found.subject_kind, found.field, choice))
    if act is not None and found.subject_id is not None:
        await act(held, found, found.subject_id)


async def _push_profile(held: Connection, found: StoredDifference, customer_id: int) -> None:
    # The provider's value counts as seen now: the task may overwrite this one, and no other.
    await _agree(held, found)
    await queue_task(held, account_id=found.account_id, kind="push_customer", subject_id=customer_id)


async def _take_profile(held: Connection, found: StoredDifference, customer_id: int) -> None:
    await _agree(held, found)
    await held.execute(
        """
        UPDATE customer SET name = CASE $2 WHEN 'name' THEN $3 ELSE name END,
               email = CASE $2 WHEN 'email' THEN $3 ELSE email END, updated_at = now()
        WHERE id = $1
        """,
        customer_id,
        found.field,
        found.theirs,
    )
    await tell_providers(held, customer_id)
    await announce(held, f"customer:{customer_id}")


async def _agree(held: Connection, found: StoredDifference) -> None:
    await held.execute(
        """
        UPDATE customer_link SET name = CASE $3 WHEN 'name' THEN $4 ELSE name END,
               email = CASE $3 WHEN 'email' THEN $4 ELSE email END
        WHERE account = $1 AND external_id = $2
        """,
        found.account_id,
        found.external_id,
        found.field,
        found.theirs,
    )


async def _take_due_date(held: Connection, found: StoredDifference, invoice_id: int) -> None:
    day = datetime.strptime(found.theirs, "%d %b %Y").date()  # noqa: DTZ007 - a day, as it was written
    await _change(held, invoice_id, due_date=day)


async def _take_memo(held: Connection, found: StoredDifference, invoice_id: int) -> None:
    await _change(held, invoice_id, memo=found.theirs)


async def _change(
    held: Connection, invoice_id: int, *, due_date: date | None = None, memo: str | None = None
) -> None:
    await held.execute(
        """
        UPDATE invoice SET due_date = coalesce($2, due_date), memo = coalesce($3, memo), version = version + 1
        WHERE id = $1
        """,
        invoice_id,
        due_date,
        memo,
    )
    await announce(held, f"invoice:{invoice_id}")


async def _void_both(held: Connection, found: StoredDifference, invoice_id: int) -> None:
    voided = await held.fetchval(
        """
        UPDATE invoice SET status = 'void', voided_at = now(), version = version + 1, sync_state = 'waiting'
        WHERE id = $1 AND status IN ('open', 'uncollectible') RETURNING id
        """,
        invoice_id,
    )
    if voided is None:
        raise Conflict("Money arrived or is on its way: this invoice cannot be voided any more.")
    await queue_task(held, account_id=found.account_id, kind="void_invoice", subject_id=invoice_id)
    await announce(held, f"invoice:{invoice_id}")


async def _take_total(held: Connection, found: StoredDifference, invoice_id: int) -> None:
    """Add a line over the rest, and let what stopped at the difference go on."""
    row = await held.fetchrow(
        "SELECT status, total_minor, currency FROM invoice WHERE id = $1 FOR UPDATE", invoice_id
    )
    theirs = _total(found.theirs)
    if row is None or row["status"] not in ("open", "uncollectible") or theirs.currency != row["currency"]:
        raise Conflict("Money arrived or is on its way: the total cannot change any more.")
    rest = theirs.amount_minor - row["total_minor"]
    await held.execute(
        """
        WITH line AS (
            INSERT INTO invoice_line
                (invoice, position, description, quantity, unit_minor, tax_rate, amount_minor)
            SELECT $1, coalesce(max(position), 0) + 1, $3, 1, $2, 0, $2 FROM invoice_line WHERE invoice = $1
        )
        UPDATE invoice SET subtotal_minor = subtotal_minor + $2, total_minor = total_minor + $2,
               version = version + 1
        WHERE id = $1
        """,
        invoice_id,
        rest,
        f"Adjustment to the total in {provider_of(found)}",
    )
    await revive_tasks(held, invoice_id, ["publish_invoice"])
    await announce(held, f"invoice:{invoice_id}")


def _total(text: str) -> Money:
    currency, _, amount = text.partition(" ")
    return parse_money(amount, currency.lower())


async def _note(held: Connection, found: StoredDifference, option: Option, actor: Actor) -> None:
    kept, other = (found.ours, found.theirs) if option.choice == "ours" else (found.theirs, found.ours)
    words = f"Decided about the {found.field}: “{kept or 'nothing'}” counts, not “{other or 'nothing'}”."
    about = (found.subject_kind, str(found.subject_id or found.external_id))
    details = {"choice": option.label, "result": option.result, "external_id": found.external_id}
    await record(
        held,
        actor=actor,
        action="difference.decided",
        words=words,
        subject=about,
        mode=found.mode.value,
        details=details,
    )


Act = Callable[[Connection, StoredDifference, int], Awaitable[None]]
_ACTS: dict[tuple[str, str, str], Act] = {
    ("customer", "name", "ours"): _push_profile,
    ("customer", "email", "ours"): _push_profile,
    ("customer", "name", "theirs"): _take_profile,
    ("customer", "email", "theirs"): _take_profile,
    ("invoice", "due date", "theirs"): _take_due_date,
    ("invoice", "memo", "theirs"): _take_memo,
    ("invoice", "total", "ours"): _void_both,
    ("invoice", "total", "theirs"): _take_total,
}
