"""`portal accounts list` and `portal accounts check`: the same checks and the same words as on the pages."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import httpx

from portal.commands.databases import run_in_database
from portal.errors import NotFound, PortalError
from portal.settings import adopt, current_settings

if TYPE_CHECKING:
    from portal.accounts.services import AccountSummary
    from portal.accounts.validations import Outcome
    from portal.contract.checks import CheckResult
    from portal.contract.plugin import Plugin

LOOKS = {
    "passed": ("green", "passed"),
    "warning": ("yellow", "needs attention"),
    "unproved": ("yellow", "unproved"),
    "failed": ("red", "failed"),
    "skipped": (None, "not checked"),
}
INDENT = " " * 6
SERVICE_SECONDS = 2.0


@click.group()
def accounts() -> None:
    """Connections to providers."""


@accounts.command("list")
def list_accounts() -> None:
    """Every connection: number, provider, mode, account, state."""
    for account in run_in_database(_connected):
        _say_account(account)


@accounts.command()
@click.argument("number", type=int, required=False)
@click.option("--quick", is_flag=True, help="Make nothing at the provider; a recent event proves the secret.")
def check(number: int | None, *, quick: bool) -> None:
    """Check one connection, or all; exits with 1 when a check failed."""

    async def run() -> bool:
        return await _check_all(number, quick=quick)

    join_local_services()
    sys.exit(run_in_database(run))


def join_local_services() -> None:
    """Ask where the running portal asks: `portal run` points its parts at a sandbox, if there is one."""
    from portal.supervision.parts import local_services

    for service in local_services(current_settings()):
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(service.ready_url, timeout=SERVICE_SECONDS).raise_for_status()
            adopt(service.environ)


async def _connected() -> Sequence[AccountSummary]:
    from portal.accounts.services import connected_accounts

    found = await connected_accounts()
    if not found:
        click.echo("Nothing is connected.")
    return found


async def _check_all(number: int | None, *, quick: bool) -> bool:
    """Whether any check of any connection failed."""
    from portal.accounts.rechecks import check_account
    from portal.contract.loading import plugin_by_id

    wanted = [account for account in await _connected() if number in (None, account.id)]
    if number is not None and not wanted:
        raise NotFound(f"There is no connection {number}.", hint="See: portal accounts list")
    failed = False
    for account in wanted:
        _say_account(account)
        try:
            outcome = await check_account(account.id, thorough=not quick)
        except PortalError as error:
            click.echo(f"{INDENT}{click.style('failed', fg='red')} {error.message} {error.hint}")
            failed = True
            continue
        plugin = plugin_by_id(account.plugin)
        assert plugin is not None  # noqa: S101 - it was just checked with it
        _say_outcome(plugin, outcome)
        failed = failed or bool(outcome.failed)
        await plugin.aclose()
    return failed


def _say_account(account: AccountSummary) -> None:
    reason = f" ({account.health_reason})" if account.health_reason else ""
    state = account.state.replace("_", " ")
    click.echo(f"{account.id:>4}  {account.plugin}  {account.mode}  {account.title}  {account.external_id}")
    click.echo(f"{INDENT}{state}{reason}")


def _say_outcome(plugin: Plugin, outcome: Outcome) -> None:
    from portal.accounts.views import headline_of

    for one in plugin.checks:
        _say_result(one.title, outcome.results[one.id])
    tone, headline = headline_of(outcome.results)
    colour = {"ok": "green", "warn": "yellow", "bad": "red"}[tone]
    click.echo(f"{INDENT}{click.style(headline, fg=colour)}\n")


def _say_result(title: str, result: CheckResult) -> None:
    from portal.contract.help_pages import help_href

    colour, word = LOOKS[result.status.value]
    tag = f" [{result.tag}]" if result.tag else ""
    click.echo(f"{INDENT}{click.style(f'{word:<15}', fg=colour)} {title}{tag}: {result.message}")
    more = [result.fix, *(f"{number}. {step}" for number, step in enumerate(result.steps, 1)), result.fix_url]
    if result.code and (page := help_href(result.code)):
        more.append(f"Help: {current_settings().base_url}{page}")
    for line in filter(None, more):
        click.echo(f"{INDENT}{'':16}{line}")
