"""The comparison with a provider: a report of what differs, and the repair of what it alone decides."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from portal.audit.services import Actor, record
from portal.contract.accounts import Account
from portal.contract.errors import AccountAuthFailed, ProviderError, ProviderUnavailable
from portal.contract.loading import provider_title
from portal.contract.plugin import Plugin
from portal.contract.work import Subject
from portal.database.transaction import Connection, connection, transaction
from portal.errors import NotFound, PortalError
from portal.exchange import applying
from portal.exchange.causes import History, Trusted, cause_of, histories, rule_of, trusted_side
from portal.exchange.drifts import (
    RECORD,
    TABLE_OF,
    Drift,
    DriftValue,
    Read,
    broken,
    drift_of_reading,
    one_of,
)
from portal.exchange.failures import is_of_the_object
from portal.exchange.fences import pass_fence, pass_fences, reading_begins
from portal.exchange.run_leases import Run, hold_lease
from portal.exchange.runs import Purpose
from portal.exchange.work import refresh_subject
from portal.sync.budgets import background_calls
from portal.sync.differences import Difference, StoredDifference, note_difference

UNLISTED = "unlisted"
"""The kind of the slice in which our own open objects are read that no page named."""
TRIED_AGAIN = "It is left out, and tried again by whatever reads it next."
BATCH = 50
logger = logging.getLogger("portal.runs")
_OPEN_HERE = """
WITH own AS (
    SELECT 'invoice:' || external_id AS key FROM invoice
    WHERE account = $1 AND 'invoices' = ANY ($3) AND external_id IS NOT NULL
          AND status IN ('open', 'processing', 'partly_paid')
    UNION ALL
    SELECT 'subscription:' || external_id FROM subscription
    WHERE account = $1 AND 'subscriptions' = ANY ($3) AND status NOT IN ('canceled', 'incomplete_expired')
)
SELECT own.key FROM own LEFT JOIN object_reading r ON r.account = $1 AND r.object_key = own.key
WHERE r.read_at IS NULL OR r.read_at < $2 ORDER BY own.key LIMIT $4
"""


async def note_page(held: Connection, run: Run, account: Account, read: Read) -> int:
    """Write the report of a page in the caller's transaction; returns how many objects differ.

    What is the same on both sides counts as read now, so that the rest can be told by its older readings.
    """
    page, drifts, began = read.page, read.drifts, read.began
    noted = {drift.key for drift in drifts if drift.noted}
    differing = {drift.key for drift in drifts}
    for reading in page.readings:
        if reading.key in noted:
            await applying.apply_page(held, account, one_of(page, reading), read_at=began)
    same = [reading.key for reading in page.readings if reading.key not in differing]
    await pass_fences(held, account, same, began=began)
    await _close(held, account, same)
    await note_drifts(held, run, account, [drift for drift in drifts if not drift.noted])
    return len(drifts)


async def note_drifts(held: Connection, run: Run, account: Account, drifts: Sequence[Drift]) -> None:
    """Write the differences of some objects, each with its cause, the side to trust and the rule."""
    known = await histories(held, account.id, drifts) if drifts else {}
    for drift in drifts:
        history = known.get(drift.external_id, History())
        for value in _shown(drift):
            await note_difference(held, _difference((run, account), drift, value, history))


async def repair_drifts(account: Account, drifts: Sequence[Drift]) -> int:
    """Read again and apply what the provider decides; returns how many objects that mended.

    What cannot be read now stays open on the report.
    """
    mended = 0
    for drift in drifts:
        try:
            mended += await repair_object(account, drift.key)
        except (AccountAuthFailed, ProviderUnavailable):
            raise
        except Exception as error:
            if not (isinstance(error, PortalError) or is_of_the_object(error)):
                raise
            name = type(error).__name__
            logger.warning("%s of account %s could not be repaired: %s", drift.key, account.id, name)
    return mended


async def repair_object(account: Account, key: str) -> bool:
    """Take the provider's side of one object; whether anything of its report could be closed.

    Raises:
        PortalError: it could not be read or applied.
    """
    external_id = key.partition(":")[2]
    with background_calls():
        await refresh_subject(account, Subject(key, (external_id,)))
    async with transaction() as tx:
        closed = await tx.connection.fetch(
            """
            UPDATE sync_difference SET state = 'repaired', resolved_at = now()
            WHERE account = $1 AND external_id = $2 AND kind = 'drift' AND trusted = 'theirs'
                  AND (state = 'open' OR (state = 'gone' AND resolved_at > now() - interval '1 minute'))
            RETURNING id
            """,
            account.id,
            external_id,
        )
    return bool(closed)


async def repair_by_hand(account: Account, key: str, *, actor: Actor) -> None:
    """Take the provider's side of one object because somebody says so, who is noted.

    Raises:
        PortalError: it could not be read or applied.
    """
    await repair_object(account, key)
    kind, _, external_id = key.partition(":")
    async with transaction() as tx:
        await record(
            tx.connection,
            actor=actor,
            action="sync.repaired",
            words=f"Took {provider_title(account.plugin)}'s side of the {kind} {external_id}.",
            subject=("connected_account", account.id),
            mode=account.mode.value,
        )


def key_of(difference: StoredDifference) -> str:
    """The subject's key of a stored difference."""
    return f"{difference.subject_kind}:{difference.external_id}"


async def unlisted_keys(run: Run) -> list[str]:
    """Some of our open objects that no page of the run named and nobody read since it began."""
    async with connection() as held:
        rows = await held.fetch(_OPEN_HERE, run.account_id, run.started_at, list(run.kinds), BATCH)
    return [row["key"] for row in rows]


async def compare_unlisted(run: Run, account: Account, plugin: Plugin, key: str) -> Drift | None:
    """Read one of our open objects that the provider did not list, and note what differs."""
    async with connection() as held:
        began = await reading_begins(held)
    drift = await _read_alone(account, plugin, key)
    async with transaction() as tx:
        await hold_lease(tx.connection, run)
        await pass_fence(tx.connection, account, key, began=began)
        if drift is None:
            await _close(tx.connection, account, [key])
        else:
            await note_drifts(tx.connection, run, account, [drift])
        await tx.connection.execute(
            """
            UPDATE sync_cursor SET seen = seen + 1, differing = differing + $3, unchanged = unchanged + 1 - $3
            WHERE run = $1 AND kind = $2
            """,
            run.id,
            UNLISTED,
            int(drift is not None),
        )
    return drift


async def _close(held: Connection, account: Account, keys: Sequence[str]) -> None:
    """Both sides agree about these: what the report said of them is over."""
    await held.execute(
        """
        UPDATE sync_difference SET state = 'gone', resolved_at = now()
        WHERE account = $1 AND external_id = ANY ($2) AND state = 'open' AND kind = 'drift'
        """,
        account.id,
        [key.partition(":")[2] for key in keys],
    )


async def _read_alone(account: Account, plugin: Plugin, key: str) -> Drift | None:
    try:
        with background_calls():
            reading = await plugin.read(account, Subject(key, (key.partition(":")[2],)), [])
    except (ProviderUnavailable, AccountAuthFailed):
        raise
    except (ProviderError, NotFound) as gone:
        return Drift(key, None, (DriftValue(RECORD, RECORD, "open", f"not there: {gone.message}"),))
    except Exception as error:
        if not is_of_the_object(error):
            raise
        return broken(key, error)
    return await drift_of_reading(account, key, reading)


def _shown(drift: Drift) -> Sequence[DriftValue]:
    """One line for an object that is missing here, else one for each value."""
    if drift.subject_id is not None or drift.values[0].table == RECORD:
        return drift.values
    table = TABLE_OF.get(drift.kind)
    own = [value for value in drift.values if value.table == table] or drift.values
    summary = ", ".join(value.theirs for value in own if value.theirs)
    return (DriftValue(own[0].table, RECORD, "", summary),)


def _difference(report: tuple[Run, Account], drift: Drift, value: DriftValue, history: History) -> Difference:
    run, account = report
    trusted = _trusted(drift, value, history)
    return Difference(
        account_id=account.id,
        mode=account.mode,
        subject_kind=drift.kind,
        subject_id=drift.subject_id,
        external_id=drift.external_id,
        field=value.field,
        ours=value.ours,
        theirs=value.theirs,
        kind="drift",
        cause=cause_of(drift, history),
        rule=TRIED_AGAIN if drift.trouble else rule_of(trusted, repairs=run.repairs),
        trusted=trusted,
        found_by="comparison" if run.purpose is Purpose.COMPARISON else "resync",
    )


def _trusted(drift: Drift, value: DriftValue, history: History) -> Trusted:
    if drift.trouble:
        return "theirs"
    return "person" if value.table == RECORD else trusted_side(value, history)
