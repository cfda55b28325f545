"""Checking a saved connection again, with the credentials it has, and what follows from the answer."""

from __future__ import annotations

import json
import logging

from portal.accounts.check_runs import fingerprint_of, last_run, remember_run, subject_of_account
from portal.accounts.endpoints import endpoint_url
from portal.accounts.services import (
    AccountDisconnected,
    credential_place,
    instance_id,
    load_account,
    load_summary,
    mark_broken,
    mark_needs_attention,
    mark_ready,
    still_saved,
    time_zone,
)
from portal.accounts.tables import ConnectedAccount
from portal.accounts.validations import Outcome, run_to_end
from portal.contract.checks import CheckContext
from portal.contract.errors import AccountAuthFailed
from portal.contract.loading import plugin_by_id
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.database.transaction import transaction
from portal.errors import NotFound, PortalError
from portal.security.sealing import open_sealed
from portal.settings import current_settings

logger = logging.getLogger("portal.accounts")


async def saved_endpoint(account_id: int) -> Secret:
    """The token of the connection's webhook address, for its own page."""
    rows = await ConnectedAccount.raw(
        "SELECT mode, sealed_webhook_token FROM connected_account WHERE id = {}", account_id
    )
    return open_sealed(
        rows[0]["sealed_webhook_token"],
        context=credential_place(account_id, rows[0]["mode"], "webhook_token"),
    )


async def saved_endpoint_url(account_id: int, plugin: Plugin) -> str:
    """The address that the provider sends this connection's events to."""
    token = await saved_endpoint(account_id)
    return endpoint_url(current_settings().base_url, plugin.manifest.id, token)


async def saved_context(account_id: int, plugin: Plugin, *, thorough: bool = True) -> CheckContext:
    """What the checks of a saved connection look at; an event that arrived is a fact for them."""
    account, summary = await load_account(account_id), await load_summary(account_id)
    previous = plugin.webhook_secrets(account.previous)
    return CheckContext(
        credentials=account.credentials,
        endpoint_url=await saved_endpoint_url(account_id, plugin),
        settings=current_settings(),
        instance=await instance_id(),
        time_zone=await time_zone(),
        account_id=account_id,
        thorough=thorough,
        other_secrets={"the previous secret": previous[0]} if previous else {},
        # Not when the last event came: it may have been signed with a secret that was replaced since.
        facts={"event_arrived_at": summary.secret_used_at, "state": summary.state},
    )


async def check_account(account_id: int, *, thorough: bool = True) -> Outcome:
    """Run every check of a saved connection and note what follows.

    Raises:
        NotFound: there is no such connection, or its plugin is not loaded.
        AccountDisconnected: it was ended.
    """
    summary = await load_summary(account_id)
    plugin = plugin_by_id(summary.plugin)
    if plugin is None:
        raise NotFound(f"The plugin {summary.plugin} is not loaded.", hint="Add it to PORTAL_PLUGINS.")
    context = await saved_context(account_id, plugin, thorough=thorough)
    outcome = await run_to_end(plugin.checks, context, provider=plugin.manifest.title)
    await note_outcome(account_id, plugin, context, outcome)
    return outcome


async def note_outcome(account_id: int, plugin: Plugin, context: CheckContext, outcome: Outcome) -> None:
    """Keep what the checks of a saved connection found, and let its health and its features follow.

    What was found with credentials that were replaced meanwhile, or erased, says nothing about it any more.
    Where nobody answered, what was known before stands.
    """
    before = await last_run(subject_of_account(account_id))
    outcome = outcome.after(before.results if before else {})
    async with transaction() as tx:
        if not await still_saved(tx.connection, account_id, context.credentials):
            return
        subject, fingerprint = subject_of_account(account_id), fingerprint_of(context.credentials)
        await remember_run(subject, fingerprint, outcome.results, held=tx.connection)
        await tx.connection.execute(
            "UPDATE connected_account SET features_off = $2::jsonb WHERE id = $1",
            account_id,
            json.dumps(outcome.features_off),
        )
        await _mark(account_id, plugin, outcome, seen=str(context.facts.get("state", "")))


async def _mark(account_id: int, plugin: Plugin, outcome: Outcome, *, seen: str) -> None:
    problems = [
        f"{check.title}: {outcome.results[check.id].message}"
        for check in plugin.checks
        if check.id in outcome.failed and not outcome.results[check.id].unanswered
    ]
    if problems:
        await mark_needs_attention(account_id, problems[0])
    elif not outcome.failed:
        await mark_ready(account_id, seen=seen)


async def verify_account(account_id: int) -> None:
    """Ask the provider whether it takes the key: a refused one breaks the connection, a taken one mends it.

    What keeps the provider from answering says nothing about the key and changes nothing.
    """
    try:
        account = await load_account(account_id)
        plugin = plugin_by_id(account.plugin)
        if plugin is None:
            return
        await plugin.identify(account.credentials, current_settings())
    except AccountAuthFailed as refused:
        await mark_broken(account_id, refused.message, refused=account.credentials)
    except AccountDisconnected:
        return
    except PortalError as error:
        logger.info("connection %s could not be verified: %s", account_id, error.code)
    else:
        await note_verified(account_id)


async def note_verified(account_id: int) -> None:
    """The provider took the key just now; a connection that was broken works again."""
    async with transaction() as tx:
        was = await tx.connection.fetchval(
            """
            UPDATE connected_account SET verified_at = now() WHERE id = $1 AND state <> 'disconnected'
            RETURNING state
            """,
            account_id,
        )
    if was == "broken":
        await mark_ready(account_id)
