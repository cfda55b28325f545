"""The comparison of every night: at three in the morning where the organisation is."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from portal.audit.services import SYSTEM
from portal.contract.loading import plugin_by_id
from portal.database.transaction import connection, transaction
from portal.exchange.runs import Purpose, RunOrder, kinds_for, queue_run

AT = time(3, 0)


async def start_due(now: datetime | None = None) -> int:
    """Begin the comparisons that this night has not seen yet; returns how many."""
    now = now or datetime.now(UTC)
    started = 0
    for account_id, plugin_id in await _not_since(await _last_night(now)):
        plugin = plugin_by_id(plugin_id)
        if plugin is None or not kinds_for(plugin, Purpose.COMPARISON):
            continue
        order = RunOrder(account_id, plugin, Purpose.COMPARISON, repairs=True)
        async with transaction() as tx:
            started += await queue_run(tx.connection, order, actor=SYSTEM) is not None
    return started


def last_night(now: datetime, zone: str) -> datetime:
    """The last three o'clock of the zone before `now`."""
    local = now.astimezone(ZoneInfo(zone))
    today = datetime.combine(local.date(), AT, tzinfo=ZoneInfo(zone))
    return today if today <= local else datetime.combine(local.date() - timedelta(days=1), AT, ZoneInfo(zone))


async def _last_night(now: datetime) -> datetime:
    async with connection() as held:
        zone = await held.fetchval("SELECT time_zone FROM organisation LIMIT 1")
    return last_night(now, zone or "UTC")


async def _not_since(night: datetime) -> list[tuple[int, str]]:
    """Connections that work, and neither began nor were compared since then."""
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT a.id, a.plugin FROM connected_account a
            WHERE a.state IN ('ready', 'needs_attention') AND a.connected_at < $1
              AND NOT EXISTS (SELECT FROM sync_run r WHERE r.account = a.id AND r.purpose = 'comparison'
                              AND r.repairs AND r.created_at >= $1)
            ORDER BY a.id
            """,
            night,
        )
    return [(row["id"], row["plugin"]) for row in rows]
