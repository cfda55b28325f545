"""Calls about the account and its keys, for the connect form. Dataclasses out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

import stripe as stripe_sdk

from plugins.stripe.gateway.client import (
    CallRefused,
    ObjectMissing,
    PermissionMissing,
    client_for,
    right_in,
    translated_errors,
)
from portal.sdk import Secret, Settings

ACCOUNT_IN_MESSAGE = re.compile(r"account '(acct_[A-Za-z0-9]+)'")


class AccountHidden(PermissionMissing):
    """The key may not read the account. `account_id` is known when the refusal named it."""

    def __init__(self, account_id: str | None, *, right: str = "") -> None:
        super().__init__("The key may not read the account.", right=right)
        self.account_id = account_id


@dataclass(frozen=True, slots=True)
class StripeAccount:
    """What the account says about itself."""

    id: str
    title: str
    country: str
    charges_enabled: bool
    payouts_enabled: bool
    disabled_reason: str
    due: tuple[str, ...]
    """Requirements that are due now or past due, as Stripe names them."""
    deadline: datetime | None = None
    """When Stripe restricts the account unless they are met."""
    capabilities: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proof:
    """A setup intent made only to see whether two keys open the same account."""

    intent: str
    client_secret: Secret


async def read_account(key: Secret, settings: Settings) -> StripeAccount:
    """The account that the key belongs to.

    Raises:
        AccountHidden: the key works but may not read it.
    """
    services = client_for(key, settings).v1
    with translated_errors():
        try:
            found = await services.accounts.retrieve_current_async()
        except stripe_sdk.PermissionError as error:
            message = str(getattr(error.error, "message", ""))
            named = ACCOUNT_IN_MESSAGE.search(message)
            raise AccountHidden(named[1] if named else None, right=right_in(message)) from None
    return _account(found)


async def read_livemode(key: Secret, settings: Settings) -> bool:
    """Whether the key moves real money; proves that the key works where the account is hidden."""
    with translated_errors():
        return bool((await client_for(key, settings).v1.balance.retrieve_async()).livemode)


async def start_proof(key: Secret, settings: Settings) -> Proof:
    """Make a setup intent that is never confirmed."""
    with translated_errors(write=True):
        made = await client_for(key, settings).v1.setup_intents.create_async({"usage": "off_session"})
    return Proof(made.id, Secret(made.client_secret or ""))


async def opens_proof(publishable_key: Secret, settings: Settings, proof: Proof) -> bool:
    """Whether the publishable key sees the setup intent: then both keys open the same account and mode."""
    services = client_for(publishable_key, settings).v1
    try:
        with translated_errors():
            await services.setup_intents.retrieve_async(
                proof.intent, {"client_secret": proof.client_secret.reveal()}
            )
    except (ObjectMissing, CallRefused):
        return False
    return True


async def end_proof(key: Secret, settings: Settings, proof: Proof) -> None:
    """Cancel the setup intent."""
    with translated_errors():
        await client_for(key, settings).v1.setup_intents.cancel_async(proof.intent)


def _account(found: stripe_sdk.Account) -> StripeAccount:
    raw = found.to_dict(for_json=True)
    profile, shown = raw.get("business_profile") or {}, (raw.get("settings") or {}).get("dashboard") or {}
    requirements = raw.get("requirements") or {}
    due = [*(requirements.get("past_due") or []), *(requirements.get("currently_due") or [])]
    deadline = requirements.get("current_deadline")
    return StripeAccount(
        id=found.id,
        title=shown.get("display_name") or profile.get("name") or raw.get("email") or found.id,
        country=raw.get("country") or "",
        charges_enabled=bool(raw.get("charges_enabled")),
        payouts_enabled=bool(raw.get("payouts_enabled")),
        disabled_reason=requirements.get("disabled_reason") or "",
        due=tuple(dict.fromkeys(due)),
        deadline=datetime.fromtimestamp(deadline, UTC) if deadline else None,
        capabilities=dict(raw.get("capabilities") or {}),
    )
