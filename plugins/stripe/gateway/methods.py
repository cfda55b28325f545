"""Calls about what customers are offered: domains of wallets, and the account's choice of methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import stripe as stripe_sdk

from plugins.stripe.gateway.client import client_for, translated_errors
from portal.sdk import Secret, Settings

WALLETS = {"apple_pay": "Apple Pay", "google_pay": "Google Pay"}
METHODS = {"card": "Cards", **WALLETS, "link": "Link", "us_bank_account": "ACH Direct Debit"}


@dataclass(frozen=True, slots=True)
class WalletDomain:
    """A domain registered for wallets. `troubles`: wallet -> why Stripe keeps it off, in Stripe's words."""

    id: str
    enabled: bool
    troubles: Mapping[str, str]


async def find_domain(key: Secret, settings: Settings, host: str) -> WalletDomain | None:
    """The domain as Stripe knows it; None: it is not registered."""
    with translated_errors():
        found = await client_for(key, settings).v1.payment_method_domains.list_async({"domain_name": host})
    return _domain(found.data[0]) if found.data else None


async def register_domain(key: Secret, settings: Settings, host: str) -> WalletDomain:
    """Make sure that the domain is registered and on, and ask Stripe to look at it again where it is not."""
    services = client_for(key, settings).v1.payment_method_domains
    domain = await find_domain(key, settings, host)
    with translated_errors(write=True):
        if domain is None:
            return _domain(await services.create_async({"domain_name": host}))
        if not domain.enabled:
            domain = _domain(await services.update_async(domain.id, {"enabled": True}))
        if domain.troubles:
            domain = _domain(await services.validate_async(domain.id))
    return domain


async def read_methods(key: Secret, settings: Settings) -> dict[str, bool]:
    """Method -> whether the usual configuration offers it, for keys that may not read the account."""
    with translated_errors():
        found = await client_for(key, settings).v1.payment_method_configurations.list_async({"limit": 100})
    plain = [configuration.to_dict(for_json=True) for configuration in found.data]
    own = [one for one in plain if one.get("active") and not one.get("application")]
    usual = next((one for one in own if one.get("is_default")), {})
    return {title: bool((usual.get(name) or {}).get("available")) for name, title in METHODS.items()}


def _domain(found: stripe_sdk.PaymentMethodDomain) -> WalletDomain:
    raw = found.to_dict(for_json=True)
    troubles = {
        title: str((raw[name].get("status_details") or {}).get("error_message") or "Stripe does not say why.")
        for name, title in WALLETS.items()
        if raw[name]["status"] != "active"
    }
    return WalletDomain(found.id, bool(found.enabled), troubles)
