"""Connecting a Stripe account: the form's fields, who the keys belong to, and what ends with it."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import Mapping, Sequence

from plugins.stripe.domain import keys
from plugins.stripe.domain.endpoints import RepairId
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway import accounts, endpoints, subscriptions
from plugins.stripe.gateway.client import PermissionMissing
from plugins.stripe.rights import ENDPOINT_FEATURE, SUBSCRIPTIONS_FEATURE
from portal.sdk import (
    Account,
    AccountIdentity,
    CredentialField,
    Effect,
    FieldFeedback,
    Mode,
    ProviderError,
    ProviderUnavailable,
    Repair,
    Secret,
    Settings,
    current_settings,
)

SANDBOX_SECONDS = 15.0
EFFECT_SECONDS = 5.0
ACCOUNT_IN_KEY = re.compile(r"[psr]k_(?:test|live)_5(1[A-Za-z0-9]{15})")
"""Keys of today begin with `5` and the account's id. A hint, for keys that may not read the account."""

FIELDS = (
    CredentialField(
        "publishable_key",
        "Publishable key",
        "Starts with `pk_test_` or `pk_live_`. It is safe to show in a browser.",
    ),
    CredentialField(
        "secret_key",
        "Secret key or restricted key",
        "Starts with `sk_` or `rk_`. We encrypt it and never show it again.",
        secret=True,
    ),
    CredentialField(
        "webhook_secret",
        "Webhook signing secret",
        "Starts with `whsec_`.",
        secret=True,
        webhook=True,
        offer=Repair(RepairId.CREATE_ENDPOINT, "Create the endpoint for me"),
    ),
)


class AccountUnknown(ProviderError):
    """The key works, but nothing tells which account it opens."""

    code = "STRIPE_ACCOUNT_UNKNOWN"


def check_field(name: str, values: Mapping[str, Secret], *, edited: bool) -> FieldFeedback:
    """Feedback on one field; `edited`: the person left it."""
    verdict = keys.judge(name, _plain(values), finished=edited)
    return FieldFeedback(verdict.tone, verdict.message)


def describe_mode(values: Mapping[str, Secret]) -> FieldFeedback | None:
    """The pill beside the form's title: which mode the keys open."""
    match keys.shared_mode(_plain(values)):
        case "test":
            return FieldFeedback("warn", "Test keys")
        case "live":
            return FieldFeedback("ok", "Live keys")
        case "mixed":
            return FieldFeedback("bad", "Mixed keys")
    return None


def mask(name: str, value: Secret) -> str:
    """`rk_test_…x7Qd`; the publishable key in full."""
    text = value.reveal()
    if name == "publishable_key":
        return text
    start = re.match(r"(?:[psr]k_(?:test|live)_|whsec_)", text)
    return f"{start[0] if start else ''}…{value.tail}"


async def identify(credentials: Mapping[str, Secret], settings: Settings) -> AccountIdentity:
    """The account behind the keys; a restricted key that may not read it is told by Stripe's refusal.

    Raises:
        AccountUnknown: no way led to the account's id.
    """
    key = credentials["secret_key"]
    try:
        found = await accounts.read_account(key, settings)
    except accounts.AccountHidden as hidden:
        mode = Mode.LIVE if await _moves_money(key, settings) else Mode.TEST
        external_id = hidden.account_id or _account_in(key)
        if external_id is None:
            raise AccountUnknown(
                "The key works, but Stripe does not say which account it belongs to.",
                hint="Allow the key to read the account (Accounts: Read), or use the secret key.",
            ) from None
        return AccountIdentity(external_id, f"Stripe account {shorten(external_id)}", mode)
    mode = Mode.LIVE if keys.mode_of(key.reveal()) == "live" else Mode.TEST
    return AccountIdentity(found.id, found.title, mode)


async def disconnect_effects(account: Account) -> Sequence[Effect]:
    """What goes on in Stripe after a disconnect, as far as Stripe tells within a few seconds."""
    stays = (
        "The webhook endpoint in Stripe stays there, unless you tick the box."
        if account.can(ENDPOINT_FEATURE)
        else "The webhook endpoint in Stripe stays there. Delete it in Stripe if you do not come back."
    )
    return [Effect(text) for text in (await _what_keeps_charging(account), stays) if text]


async def _what_keeps_charging(account: Account) -> str:
    """The subscriptions that Stripe goes on charging, as a sentence; empty: there are none."""
    unknown = "Subscriptions keep charging in Stripe, as nothing is cancelled there."
    if not account.can(SUBSCRIPTIONS_FEATURE):
        return unknown
    try:
        async with asyncio.timeout(EFFECT_SECONDS):
            counts = await subscriptions.count_running(account.credentials["secret_key"], current_settings())
    except (ProviderError, TimeoutError):
        return unknown
    named = [f"{_count(number)} {status.replace('_', ' ')}" for status, number in counts.items() if number]
    if not named:
        return ""
    verb = "subscription keeps" if sum(counts.values()) == 1 else "subscriptions keep"
    return f"{_listed(named)} {verb} charging in Stripe, as nothing is cancelled there."


async def _moves_money(key: Secret, settings: Settings) -> bool:
    """Whether the key is live: the balance proves it, and a key that may not read it says so itself."""
    try:
        return await accounts.read_livemode(key, settings)
    except PermissionMissing:
        return keys.mode_of(key.reveal()) == "live"


async def sandbox_credentials(
    endpoint_url: str, settings: Settings, mode: Mode = Mode.TEST
) -> Mapping[str, str] | None:
    """Keys of the local sandbox and the secret of a fresh endpoint in it; None when no sandbox is on."""
    if not settings.local or not settings.plugin_option("stripe", "api_base"):
        return None
    world = await _ready_made_keys(mode)
    key = Secret(world["secret_key"])
    for old in await endpoints.list_endpoints(key, settings):
        if old.url == endpoint_url:
            await endpoints.delete_endpoint(key, settings, old.id)
    made = await endpoints.create_endpoint(key, settings, url=endpoint_url, events=ENDPOINT_EVENTS)
    return {
        "publishable_key": world["publishable_key"],
        "secret_key": world["secret_key"],
        "webhook_secret": made.secret.reveal() if made.secret else "",
    }


def shorten(external_id: str) -> str:
    """`acct_1Qa7…m20p`: enough for people to recognise it."""
    return external_id if len(external_id) <= 14 else f"{external_id[:9]}…{external_id[-4:]}"


async def _ready_made_keys(mode: Mode) -> dict[str, str]:
    """Account A's keys of this mode, asked of the sandbox as a program: nothing of it is imported here."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "plugins.stripe.sandbox", "--keys", stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SANDBOX_SECONDS):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        raise ProviderUnavailable("The sandbox did not tell its keys in time.") from None
    live = mode is Mode.LIVE
    return next(dict(world) for world in json.loads(output) if world["livemode"] is live)


def _account_in(key: Secret) -> str | None:
    found = ACCOUNT_IN_KEY.match(key.reveal())
    return f"acct_{found[1]}" if found else None


def _count(number: int) -> str:
    most = subscriptions.MOST_COUNTED
    return f"{most} or more" if number >= most else str(number)


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def _plain(values: Mapping[str, Secret]) -> dict[str, str]:
    return {name: value.reveal() for name, value in values.items()}
