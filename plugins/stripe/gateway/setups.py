"""Setup intents: a customer agrees to a payment method for later. And Stripe's own pages for the same."""

from __future__ import annotations

from typing import Any

from stripe.params import SetupIntentCreateParams

from plugins.stripe.gateway.client import translated_errors
from plugins.stripe.gateway.raw import Raw, raw_page
from plugins.stripe.gateway.spending import account_client
from portal.sdk import Account, Settings

EXPAND = ["data.latest_attempt"]


async def create_setup(
    account: Account, settings: Settings, *, customer: str, metadata: dict[str, str]
) -> str:
    """The client secret of a new one. It is for the browser alone: never stored, never logged."""
    fields: SetupIntentCreateParams = {
        "customer": customer,
        "usage": "off_session",
        "metadata": metadata,
        "automatic_payment_methods": {"enabled": True},
    }
    with translated_errors():
        made = await account_client(account, settings).v1.setup_intents.create_async(fields)
    return str(made.client_secret)


async def setups_of(account: Account, settings: Settings, **of: str) -> list[Raw]:
    """The newest ones of a `customer` or a `payment_method`, each with its last attempt."""
    wanted: dict[str, Any] = {**of, "expand": EXPAND}
    page = await raw_page(account, settings, service="setup_intents", params=wanted)
    found: list[Raw] = page["data"]
    return found


async def open_customer_portal(
    account: Account, settings: Settings, *, customer: str, return_url: str
) -> str:
    """The address of Stripe's customer portal for one visit. Refused until it was set up in the account."""
    portal = account_client(account, settings).v1.billing_portal
    with translated_errors():
        made = await portal.sessions.create_async({"customer": customer, "return_url": return_url})
    return str(made.url)
