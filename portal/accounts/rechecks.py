"""Checking a saved connection again, with the credentials it has."""

from __future__ import annotations

from portal.accounts.endpoints import endpoint_url
from portal.accounts.services import credential_place, load_account, load_summary
from portal.accounts.tables import ConnectedAccount
from portal.contract.checks import CheckContext
from portal.contract.plugin import Plugin
from portal.contract.secrets import Secret
from portal.security.sealing import open_sealed
from portal.settings import current_settings


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


async def saved_context(account_id: int, plugin: Plugin) -> CheckContext:
    """What the checks of a saved connection look at; an event that arrived is a fact for them."""
    account, summary = await load_account(account_id), await load_summary(account_id)
    return CheckContext(
        credentials=account.credentials,
        endpoint_url=await saved_endpoint_url(account_id, plugin),
        settings=current_settings(),
        facts={"event_arrived_at": summary.last_event_at},
    )
