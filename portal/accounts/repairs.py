"""Mending something at the provider from a check's row, for a form or for a saved connection."""

from __future__ import annotations

from collections.abc import Mapping

from portal.accounts.attempts import Attempt
from portal.accounts.changes import ANY_FORM, answer_in_time, sole_change
from portal.accounts.endpoints import keep_for_form
from portal.accounts.overlaps import (
    require_no_overlap,
)
from portal.accounts.rechecks import saved_context
from portal.accounts.rotations import (
    open_new_endpoint,
    replace_credentials,
)
from portal.audit.services import Actor, record
from portal.contract.accounts import Repaired
from portal.contract.checks import CheckContext
from portal.contract.facts import Mode
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.database.transaction import transaction


async def repair_for_form(
    attempt: Attempt, name: str, *, typed: Mapping[str, Secret], actor: Actor
) -> Repaired:
    """Mend something with keys that are not saved yet. What it brought is sealed at once, for these alone.

    Args:
        attempt: the form's.
        name: of the repair.
        typed: the form's fields as they were sent.
        actor: who asked.

    Raises:
        BeingChanged: somebody presses the same just now.
        AddressTaken: the address of the form was given to a connection meanwhile.
        ProviderError: it could not be done, with what to do.
    """
    async with sole_change(ANY_FORM):
        done = await answer_in_time(attempt.plugin, attempt.plugin.repair(name, attempt.context))
        if done.credentials:
            await keep_for_form(
                attempt.plugin.manifest.id,
                attempt.made_for,
                done.credentials,
                typed=typed,
                address=attempt.context.endpoint_url,
            )
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
        done = await _renew_secret(plugin, context.account_id, name, actor=actor)
    else:
        done = await answer_in_time(plugin, plugin.repair(name, context))
    await _note(plugin, done, actor, subject=("connected_account", str(context.account_id)), mode=mode)
    return done


async def _renew_secret(plugin: Plugin, account_id: int, name: str, *, actor: Actor) -> Repaired:
    """A repair that may bring a new signing secret: stored before anything depends on it."""
    async with sole_change(account_id):
        await require_no_overlap(account_id)
        done = await answer_in_time(plugin, plugin.repair(name, await saved_context(account_id, plugin)))
        if done.credentials:
            await replace_credentials(account_id, plugin, done.credentials, actor=actor, both_deliver=True)
            await open_new_endpoint(account_id, plugin)
    return done


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
