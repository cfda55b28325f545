"""Walks over a provider's own list of events: what was never delivered is stored as if it had been."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.accounts.services import AccountDisconnected, load_account, mark_broken, require_connected
from portal.audit.services import SYSTEM
from portal.contract.accounts import Account
from portal.contract.errors import AccountAuthFailed, ProviderUnavailable
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.contract.work import EventPage
from portal.database.transaction import Connection, connection, transaction
from portal.errors import PortalError
from portal.exchange.failures import in_words
from portal.exchange.runs import RunOrder, queue_run
from portal.queue.rings import ring
from portal.sync.budgets import background_calls
from portal.web.live import announce
from portal.webhooks.listed import store_listed

WALK_EVENTS = "portal.walk_events"
EVERY = timedelta(minutes=5)
OVERLAP = timedelta(minutes=10)
"""A provider's list may show an event a while after it was made."""
KEPT = timedelta(days=30)
"""How long providers list their events."""
STRETCH_SECONDS = 60.0
logger = logging.getLogger("portal.walks")

_RING = """
WITH known AS (
    INSERT INTO event_walk (account, mode, walked_to, ran_at)
    SELECT a.id, a.mode, a.connected_at, now() - random() * $1::interval FROM connected_account a
    WHERE a.state <> 'disconnected' AND NOT EXISTS (SELECT FROM event_walk w WHERE w.account = a.id)
    ON CONFLICT (account) DO NOTHING
)
UPDATE event_walk w SET ran_at = now() FROM connected_account a
WHERE a.id = w.account AND a.state NOT IN ('disconnected', 'broken')
      AND (w.ran_at IS NULL OR w.ran_at < now() - $1::interval)
RETURNING w.account
"""


@dataclass(frozen=True, slots=True)
class Walk:
    """Where the walk over an account's events is."""

    walked_to: datetime
    after: str | None
    heading_for: datetime
    now: datetime
    connected_at: datetime
    """Nothing was to be delivered before it, unless it was connected once more."""

    @property
    def since(self) -> datetime:
        """Where the list is read from."""
        back = self.walked_to - OVERLAP
        if self.walked_to >= self.connected_at:
            back = max(back, self.connected_at)
        return max(back, self.now - KEPT)

    @property
    def is_too_late(self) -> bool:
        """Whether events are gone from the provider's list already."""
        return self.walked_to < self.now - KEPT

    @property
    def words(self) -> str:
        """What to say of that."""
        days = (self.now - self.walked_to).days
        return f"Nothing was read for {days} days, and events are listed for 30. A resync reads the rest."


async def ring_for_walks(held: Connection) -> int:
    """Ring for each account whose last walk is five minutes ago; new ones get a place within them."""
    rows = await held.fetch(_RING, EVERY)
    for row in rows:
        await ring(held, WALK_EVENTS, row["account"])
    return len(rows)


async def walk_account(account_id: int) -> int:
    """Walk from where the last walk ended to now; returns how many events had never arrived.

    A walk that takes too long goes on in another job, from the page where it was.
    """
    try:
        account = await load_account(account_id)
    except AccountDisconnected:
        return 0
    plugin = plugin_by_id(account.plugin)
    if plugin is None:
        return 0
    try:
        return await _walk(account, plugin)
    except AccountDisconnected:
        return 0
    except AccountAuthFailed as error:
        await mark_broken(account.id, error.message, refused=account.credentials)
        await _note_error(account.id, error)
    except Exception as error:  # noqa: BLE001 - the process's edge: people must see why nothing is found
        await _note_error(account.id, in_words(error, f"the walk over the events of account {account.id}"))
    return 0


async def _walk(account: Account, plugin: Plugin) -> int:
    walk = await _begin(account)
    found, after, deadline = 0, walk.after, asyncio.get_running_loop().time() + STRETCH_SECONDS
    while True:
        with background_calls():
            page = await plugin.list_events(account, since=walk.since, after=after)
        if page is None:
            return 0
        found += await _take(account, plugin, page, walk=walk)
        after = page.after
        if after is None:
            return found
        if asyncio.get_running_loop().time() > deadline:
            await _go_on_later(account.id)
            return found


async def _begin(account: Account) -> Walk:
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            """
            INSERT INTO event_walk AS w (account, mode, walked_to, heading_for, ran_at)
            SELECT id, mode, connected_at, now(), now() FROM connected_account WHERE id = $1
            ON CONFLICT (account) DO UPDATE
                SET heading_for = CASE WHEN w.after IS NULL THEN now() ELSE w.heading_for END, ran_at = now()
            RETURNING walked_to, after, heading_for, now() AS now,
                      (SELECT connected_at FROM connected_account WHERE id = $1) AS connected_at
            """,
            account.id,
        )
    assert row is not None  # noqa: S101 - the account was just loaded
    return Walk(**dict(row))


async def _take(account: Account, plugin: Plugin, page: EventPage, *, walk: Walk) -> int:
    """Store what is missing and move on, in one transaction; returns how many were missing.

    Raises:
        AccountDisconnected: it was ended meanwhile; the walk stays where it is.
    """
    async with transaction() as tx:
        held = tx.connection
        await require_connected(held, account.id)
        found = await store_listed(held, account, page.events)
        late = page.after is None and walk.is_too_late
        moves = page.after is None and (not late or await _read_everything(held, account, plugin))
        await held.execute(
            """
            UPDATE event_walk SET found = found + $2, after = $3, error = $5,
                   walked_to = CASE WHEN $4 THEN greatest(walked_to, heading_for) ELSE walked_to END
            WHERE account = $1
            """,
            account.id,
            found,
            page.after,
            moves,
            walk.words if late else "",
        )
        if found:
            logger.warning("%s events of account %s had not been delivered", found, account.id)
            await announce(held, f"account:{account.id}")
    return found


async def _go_on_later(account_id: int) -> None:
    async with connection() as held:
        await ring(held, WALK_EVENTS, account_id)


async def _read_everything(held: Connection, account: Account, plugin: Plugin) -> bool:
    """Events are gone for ever, but not what they told of; False: another run has to end before."""
    if not plugin.listed_kinds:
        return True
    return await queue_run(held, RunOrder(account.id, plugin), actor=SYSTEM) is not None


async def _note_error(account_id: int, error: PortalError) -> None:
    # A refusal may be of the cursor: the list is begun again.
    async with connection() as held:
        await held.execute(
            """
            UPDATE event_walk SET error = $2, after = CASE WHEN $3 THEN NULL ELSE after END
            WHERE account = $1
            """,
            account_id,
            f"{error.message} {error.hint}".strip(),
            not isinstance(error, ProviderUnavailable),
        )
