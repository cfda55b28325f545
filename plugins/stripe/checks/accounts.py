"""The account check: does the key work, may the account take payments, do both keys open the same account?"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

from plugins.stripe.checks.words import counted, dashboard_url
from plugins.stripe.domain import keys
from plugins.stripe.gateway import accounts
from plugins.stripe.gateway.client import PermissionMissing
from plugins.stripe.services.connections import shorten
from portal.sdk import AccountAuthFailed, CheckContext, CheckResult, CheckStatus, ProviderError

REASONS = {
    "requirements.past_due": "Stripe waits for details that are past due",
    "requirements.pending_verification": "Stripe is verifying the details",
    "under_review": "Stripe is reviewing the account",
    "listed": "Stripe is checking a sanctions list",
    "platform_paused": "the platform paused it",
    "action_required.requested_capabilities": "Stripe waits for details of a payment method",
}


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the account's own record leads to."""

    status: CheckStatus
    message: str
    fix: str = ""
    tag: str = ""


async def check_account(context: CheckContext) -> CheckResult:
    """Read the account and prove side by side that both keys open it."""
    async with asyncio.TaskGroup() as group:
        standing = group.create_task(_standing(context))
        doubt = group.create_task(_doubt_of_pair(context))
    return _combined(context, standing.result(), doubt.result())


async def _standing(context: CheckContext) -> _Standing | ProviderError:
    key, settings = context.credentials["secret_key"], context.settings
    try:
        account = await accounts.read_account(key, settings)
        context.facts["account"] = account
        return _judge(account, live=keys.mode_of(key.reveal()) == "live")
    except accounts.AccountHidden:
        return await _hidden(context)
    except ProviderError as error:
        return error


async def _hidden(context: CheckContext) -> _Standing | ProviderError:
    """A restricted key without the right to read the account may be perfectly good."""
    try:
        live = await accounts.read_livemode(context.credentials["secret_key"], context.settings)
    except PermissionMissing:
        mode = "unknown"
    except ProviderError as error:
        return error
    else:
        mode = "live" if live else "test"
    works = "The key works" if mode == "unknown" else f"The key works, in {mode} mode"
    return _Standing(
        CheckStatus.UNPROVED,
        f"{works}. It may not read the account, so its name and status are unknown.",
        "Allow Accounts: Read for this key, or look in Stripe whether the account may take payments.",
        "Status unknown",
    )


def _judge(account: accounts.StripeAccount, *, live: bool) -> _Standing:
    who = ", ".join(part for part in (account.title, shorten(account.id), account.country) if part)
    if account.charges_enabled and account.payouts_enabled and not account.due:
        return _Standing(CheckStatus.PASSED, f"{who}. Can accept charges and payouts.")
    if not account.charges_enabled:
        why = REASONS.get(account.disabled_reason, "Stripe does not say why")
        return _Standing(
            CheckStatus.FAILED if live else CheckStatus.WARNING,
            f"{who}. Charges are off: {why}.",
            _to_do(account) or "Finish the account's set-up in Stripe.",
            "Charges off",
        )
    off = "" if account.payouts_enabled else " Payouts are off."
    return _Standing(CheckStatus.WARNING, f"{who}. Can accept charges.{off}", _to_do(account), "Details due")


def _to_do(account: accounts.StripeAccount) -> str:
    if not account.due:
        return ""
    shown = ", ".join(name.replace("_", " ").replace(".", ": ") for name in account.due[:4])
    more = f" and {len(account.due) - 4} more" if len(account.due) > 4 else ""
    return f"Stripe still needs {counted(len(account.due), 'detail')}: {shown}{more}."


async def _doubt_of_pair(context: CheckContext) -> CheckResult | None:
    """Why the two keys are not proved to belong together; None when they are, or the key works not at all."""
    key, settings = context.credentials["secret_key"], context.settings
    try:
        proof = await accounts.start_proof(key, settings)
    except PermissionMissing:
        return CheckResult(
            CheckStatus.UNPROVED,
            "Whether the publishable key belongs to the same account is not proved.",
            fix="Allow Setup Intents: Write for this key, or compare the account in Stripe.",
        )
    except ProviderError:
        return None
    try:
        belongs = await accounts.opens_proof(context.credentials["publishable_key"], settings, proof)
    except AccountAuthFailed:
        return _wrong_partner(context, "Stripe refused the publishable key.")
    finally:
        with contextlib.suppress(ProviderError):
            await accounts.end_proof(key, settings, proof)
    if belongs:
        return None
    return _wrong_partner(
        context, "The publishable key belongs to another Stripe account than the secret key."
    )


def _wrong_partner(context: CheckContext, message: str) -> CheckResult:
    return CheckResult(
        CheckStatus.FAILED,
        message,
        fix="Copy both keys from the same API keys page.",
        fix_url=dashboard_url(context, "apikeys"),
        fix_label="API keys in Stripe",
        code="STRIPE_KEYS_OF_TWO_ACCOUNTS",
    )


def _combined(
    context: CheckContext, standing: _Standing | ProviderError, doubt: CheckResult | None
) -> CheckResult:
    if isinstance(standing, AccountAuthFailed):
        return CheckResult(
            CheckStatus.FAILED,
            standing.message,
            fix="Copy the key again, or create a new one.",
            fix_url=dashboard_url(context, "apikeys"),
            fix_label="API keys in Stripe",
            code="STRIPE_KEY_REFUSED",
        )
    if isinstance(standing, ProviderError):
        raise standing
    if doubt is not None and (doubt.status is CheckStatus.FAILED or standing.status is CheckStatus.PASSED):
        return doubt
    message = f"{standing.message} {doubt.message}" if doubt else standing.message
    needs_fix = bool(standing.fix)
    return CheckResult(
        standing.status,
        message,
        fix=standing.fix,
        fix_url=dashboard_url(context, "settings/account") if needs_fix else "",
        fix_label="Account settings in Stripe" if needs_fix else "",
        tag=standing.tag,
    )
