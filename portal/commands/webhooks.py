"""`portal webhooks list` and `portal webhooks replay`: the event log without a browser."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from portal.commands.accounts import join_local_services
from portal.commands.databases import run_in_database
from portal.errors import NotFound

if TYPE_CHECKING:
    from portal.exchange.previews import Preview
    from portal.webhooks.filters import EventFilter
    from portal.webhooks.queries import EventRow

CONNECTIONS = 8
"""Several objects are read at once, each under a lock of its own."""
INDENT = " " * 4
STATES = ("received", "processing", "processed", "ignored", "failed", "rejected")
DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.group()
def webhooks() -> None:
    """The events that providers sent."""


@webhooks.command("list")
@click.option("--status", type=click.Choice(STATES), help="Those that stand so.")
@click.option("--type", "kind", default="", help="Those of this type.")
@click.option("--object", "searched", default="", help="Those of this object, event id or invoice number.")
@click.option("--most", type=click.IntRange(1, 500), default=25, show_default=True, help="How many.")
def list_events(status: str | None, kind: str, searched: str, most: int) -> None:
    """The newest events: number, time, type, object, state."""
    rows = run_in_database(lambda: _rows(_filter(status or "", kind, None, searched), most))
    for row in rows:
        _say_event(row)
    if not rows:
        click.echo("No event matches.")


@webhooks.command()
@click.option("--event", "event", default="", help="One event, by its number or the provider's id.")
@click.option("--failed", is_flag=True, help="All failed events.")
@click.option("--type", "kind", default="", help="With --failed: those of this type.")
@click.option("--since", type=DAY, help="With --failed: those received on this day or later (UTC).")
@click.option("--object", "searched", default="", help="All of this object's id, or of an invoice number.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and end.")
@click.option("--yes", is_flag=True, help="Do not ask before it is done.")
def replay(  # noqa: PLR0913 - one for each option
    *, event: str, failed: bool, kind: str, since: datetime | None, searched: str, dry_run: bool, yes: bool
) -> None:
    """Have events handled again; shows first what that would change. At most 500 at a time."""
    if sum(map(bool, (event, failed, searched))) != 1:
        raise click.UsageError("Give one of --event, --failed and --object.")
    if (kind or since) and not failed:
        raise click.UsageError("--type and --since go with --failed.")
    wanted = _filter("failed" if failed else "", kind, since, event or searched)
    join_local_services()
    ids = run_in_database(lambda: find_and_show(wanted, event), connections=CONNECTIONS)
    if dry_run or not (yes or click.confirm(f"Handle {_count(ids)} again?")):
        return
    run_in_database(lambda: put_back(ids))


async def find_and_show(wanted: EventFilter, event: str = "") -> list[int]:
    """Say what handling the events again would change; returns their numbers.

    Raises:
        NotFound: there are none.
    """
    ids = await _ids(wanted, event)
    _say_previews(await _previews(ids))
    return ids


async def put_back(ids: Sequence[int]) -> None:
    """Have them handled again, and say which ones cannot be."""
    from portal.audit.services import Actor
    from portal.exchange.replays import replay_many

    started = await replay_many(ids, actor=Actor("system", "", "Command line"))
    for event_id, why in started.refused.items():
        click.echo(f"{event_id}: {why}")
    click.echo(f"{started.accepted} of {_count(ids)} put back: the worker handles them now.")


def _filter(status: str, kind: str, since: datetime | None, searched: str) -> EventFilter:
    from portal.webhooks.filters import EventFilter, EventState

    state = EventState("parked" if status == "failed" else status) if status else None
    return EventFilter(state, kind, since=since.date() if since else None, search=searched)


async def _rows(wanted: EventFilter, most: int) -> tuple[EventRow, ...]:
    from portal.web.keysets import START
    from portal.webhooks.queries import list_events as newest

    return (await newest(wanted, START, size=most)).rows


async def _ids(wanted: EventFilter, event: str) -> list[int]:
    from portal.exchange.replays import MOST_AT_ONCE
    from portal.webhooks.queries import find_event, matching_ids

    if event.isascii() and event.isdigit():
        return [(await find_event(int(event))).id]
    found = await matching_ids(wanted, most=MOST_AT_ONCE)
    if not found:
        raise NotFound("No event matches.", hint="See: portal webhooks list")
    if len(found) > MOST_AT_ONCE:
        click.echo(f"More than {MOST_AT_ONCE} match; these are the newest {MOST_AT_ONCE}.")
    return found[-MOST_AT_ONCE:]


async def _previews(ids: Sequence[int]) -> list[Preview]:
    from portal.contract.loading import installed_plugins
    from portal.exchange.previews import preview_many

    try:
        return await preview_many(ids)
    finally:
        for entry in installed_plugins():
            if entry.plugin:
                await entry.plugin.aclose()


def _say_event(row: EventRow) -> None:
    about = f"{row.object_name} ({row.object_id})" if row.object_name else row.object_id
    click.echo(f"{row.id}  {row.received_at:%Y-%m-%d %H:%M:%S}  {row.mode}  {row.type}  {about}")
    words = row.error_words or row.outcome
    click.echo(f"{INDENT}{row.state.label}{f': {words}' if words else ''}")


def _say_previews(previews: Sequence[Preview]) -> None:
    from portal.exchange.summaries import summary_of_previews

    found = summary_of_previews(previews)
    for one in found.changing:
        click.echo(f"{one.words}  ({_count(one.event_ids)})")
        for change in one.changes:
            click.echo(
                f"{INDENT}{change.what}, {change.field}: {change.before or 'nothing'}"
                f" -> {change.after or 'nothing'}"
            )
    for one in found.failing:
        click.echo(f"{click.style('cannot be told', fg='red')}: {one.words}  ({_count(one.event_ids)})")
    click.echo(
        f"{found.would_change} would change something, {found.would_not} would change nothing, "
        f"{found.cannot} cannot be told."
    )


def _count(ids: Sequence[int]) -> str:
    return f"{len(ids)} event{'' if len(ids) == 1 else 's'}"
