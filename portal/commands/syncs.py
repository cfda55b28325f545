"""`portal sync run` and `portal sync status`: the same runs as on the page of a connection."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from portal.commands.databases import run_in_database
from portal.errors import NotFound

if TYPE_CHECKING:
    from portal.accounts.services import AccountSummary
    from portal.contract.plugin import Plugin
    from portal.exchange.progress import RunProgress

RANGES = ("30d", "12m", "all")
LOOK_SECONDS = 1.0
BAR = 24


@click.group()
def sync() -> None:
    """Read everything again from a provider, compare, and see how far that is."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say."""

    account: int | None = None
    range_name: str = "30d"
    kinds: str = ""
    compare: bool = False
    wait: bool = False

    @property
    def kind_ids(self) -> tuple[str, ...]:
        """The kinds, one by one."""
        return tuple(kind for kind in self.kinds.replace(" ", "").split(",") if kind)


@sync.command()
@click.option("--account", type=int, help="Number of the connection; needed when there are several.")
@click.option("--range", "range_name", type=click.Choice(RANGES), default="30d", help="How far back.")
@click.option("--kinds", default="", help="Only these, such as customers,invoices.")
@click.option("--compare", is_flag=True, help="Change nothing: report what differs.")
@click.option("--wait", is_flag=True, help="Stay until it has ended; exits with 1 when it failed.")
def run(**options: Any) -> None:
    """Start a run; the worker does it. One runs at a time for each connection."""
    sys.exit(0 if run_in_database(lambda: start_and_watch(Wanted(**options))) else 1)


@sync.command()
@click.option("--account", type=int, help="Number of the connection; all of them without.")
def status(account: int | None) -> None:
    """The last runs of each connection, newest first."""
    run_in_database(lambda: say_runs(account))


async def start_and_watch(wanted: Wanted) -> bool:
    """Start it, and stay if that is wanted; False when it failed."""
    run_id, plugin = await _start(await _account(wanted.account), wanted)
    return await _watch(run_id, plugin) if wanted.wait else True


async def _start(account: AccountSummary, wanted: Wanted) -> tuple[int, Plugin]:
    from portal.audit.services import Actor
    from portal.exchange.runs import Purpose, RunOrder, range_start, start_run

    plugin = _plugin(account)
    kinds = wanted.kind_ids
    unknown = set(kinds) - {kind.id for kind in plugin.listed_kinds}
    if unknown:
        known = ", ".join(kind.id for kind in plugin.listed_kinds)
        raise NotFound(f"There is no kind {', '.join(sorted(unknown))}.", hint=f"There are: {known}")
    purpose = Purpose.COMPARISON if wanted.compare else Purpose.RESYNC
    order = RunOrder(account.id, plugin, purpose, kinds, range_start(wanted.range_name))
    started = await start_run(order, actor=Actor("system", "", "the command line"))
    words = "Started run" if started.fresh else "Already under way: run"
    click.echo(f"{words} {started.run_id} of {account.title} ({account.mode} mode).")
    return started.run_id, plugin


async def _watch(run_id: int, plugin: Plugin) -> bool:
    """Say how far it is until it has ended; whether it went well."""
    from portal.exchange.progress import run_progress

    line = ""
    while True:
        found = await run_progress(run_id, plugin)
        assert found is not None  # noqa: S101 - it was just started, and runs are never deleted
        if not found.under_way:
            click.echo("\r" + " " * len(line) + "\r", nl=False)
            _say_run(found)
            return found.state == "done"
        line = _line(found).ljust(len(line))
        if sys.stdout.isatty():
            click.echo("\r" + line, nl=False)
        await asyncio.sleep(LOOK_SECONDS)


def _line(run: RunProgress) -> str:
    full = BAR * run.percent // 100
    rate = f", {run.rate:,.0f} a second" if run.rate else ""
    trouble = f" {run.error}" if run.error else ""
    return f"[{'#' * full}{'.' * (BAR - full)}] {run.percent:>3}% {run.words}{rate}{trouble}"


async def say_runs(number: int | None = None) -> None:
    """The last runs of one connection, or of all."""
    from portal.accounts.services import connected_accounts
    from portal.exchange.progress import runs_of

    for account in await connected_accounts():
        if number not in (None, account.id):
            continue
        click.echo(f"{account.id:>4}  {account.plugin}  {account.mode}  {account.title}")
        for run in await runs_of(account.id, _plugin(account)):
            _say_run(run)


def _say_run(run: RunProgress) -> None:
    counts = run.counts
    colour = {"done": "green", "failed": "red", "running": "blue"}.get(run.state)
    click.echo(
        f"{run.id:>8}  {click.style(f'{run.state:<8}', fg=colour)} {run.title}, "
        f"{run.created_at:%Y-%m-%d %H:%M} UTC: {counts.created:,} created, {counts.updated:,} updated, "
        f"{counts.unchanged:,} unchanged, {counts.differing:,} differing"
    )
    for kind in run.kinds:
        if kind.left_out:
            click.echo(f"{'':10}{kind.title} were left out. {kind.left_out}")
    if run.error:
        click.echo(f"{'':10}{run.error}")


async def _account(number: int | None) -> AccountSummary:
    from portal.accounts.services import connected_accounts

    found = [one for one in await connected_accounts() if number in (None, one.id)]
    if len(found) != 1:
        hint = "See: portal accounts list"
        if not found:
            raise NotFound("There is no such connection.", hint=hint)
        raise NotFound("There are several connections: name one with --account.", hint=hint)
    return found[0]


def _plugin(account: AccountSummary) -> Plugin:
    from portal.contract.loading import plugin_by_id

    plugin = plugin_by_id(account.plugin)
    if plugin is None:
        raise NotFound(f"The plugin {account.plugin} is not loaded.")
    return plugin
