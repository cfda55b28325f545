"""Mending something at the provider from a check's row, for a form or for a saved connection."""

from __future__ import annotations

import asyncio

from portal.accounts.attempts import Attempt
from portal.accounts.endpoints import keep_for_form
from portal.accounts.rotations import replace_credentials, require_no_overlap
from portal.audit.services import Actor, record
from portal.contract.checks import CheckContext
from portal.contract.errors import ProviderUnavailable
from portal.contract.facts import Mode
from portal.contract.plugin import Plugin, Repaired
from portal.database.transaction import transaction

REPAIR_SECONDS = 20.0


async def repair_for_form(attempt: Attempt, name: str, *, actor: Actor) -> Repaired:
    """Mend something with keys that are not saved yet. What it brought is sealed at once, for these alone.

    Raises:
        ProviderError: it could not be done, with what to do.
    """
    done = await _mend(attempt.plugin, name, attempt.context)
    if done.credentials:
        await keep_for_form(attempt.plugin.manifest.id, attempt.made_for, done.credentials)
    await _note(attempt.plugin, done, actor, subject=("plugin", attempt.plugin.manifest.id), mode=None)
    return done


async def repair_account(
    plugin: Plugin, context: CheckContext, name: str, *, mode: Mode, actor: Actor
) -> Repaired:
    """Mend something for a saved connection; a new signing secret joins the old one.

    Raises:
        ProviderError: it could not be done, with what to do.
        OverlapOpen: it may bring a third signing secret. It is refused before anything is done.
    """
    assert context.account_id is not None  # noqa: S101 - a saved connection has one
    if name in plugin.secret_repairs:
        await require_no_overlap(context.account_id)
    done = await _mend(plugin, name, context)
    if done.credentials:
        await replace_credentials(context.account_id, plugin, done.credentials, actor=actor)
    await _note(plugin, done, actor, subject=("connected_account", str(context.account_id)), mode=mode)
    return done


async def _mend(plugin: Plugin, name: str, context: CheckContext) -> Repaired:
    try:
        async with asyncio.timeout(REPAIR_SECONDS):
            return await plugin.repair(name, context)
    except TimeoutError:
        raise ProviderUnavailable(
            f"{plugin.manifest.title} did not answer in {REPAIR_SECONDS:g} seconds.",
            hint="Press it again: what was begun is found and finished.",
        ) from None


async def _note(
    plugin: Plugin, done: Repaired, actor: Actor, *, subject: tuple[str, str], mode: Mode | None
) -> None:
    async with transaction() as tx:
        await record(
            tx.connection,
            actor=actor,
            action="account.repaired",
            words=f"{plugin.manifest.title}: {done.message}",
            subject=subject,
            mode=mode.value if mode else None,
        )
