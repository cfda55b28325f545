"""Whether the publishable and the secret key open the same account, proved with an intent of no effect."""

from __future__ import annotations

import asyncio
import contextlib

from plugins.stripe.checks.words import dashboard_url
from plugins.stripe.domain.codes import Code
from plugins.stripe.gateway import accounts
from plugins.stripe.gateway.client import PermissionMissing
from plugins.stripe.gateway.patience import patiently
from portal.sdk import AccountAuthFailed, CheckContext, CheckResult, CheckStatus, ProviderError

END_SECONDS = 2.0
UNPROVED = "Whether the publishable key belongs to the same account is not proved"


async def doubt_of_pair(context: CheckContext) -> CheckResult | None:
    """Why the two keys are not proved to belong together; None when they are, or the secret key is refused.

    The proof makes a setup intent, so it is left out where nobody waits for it.
    """
    if not context.thorough:
        return None
    try:
        return await _prove(context)
    except PermissionMissing:
        return _unproved("Allow Setup Intents: Write for this key, or compare the account in Stripe.")
    except AccountAuthFailed:
        return None
    except ProviderError as error:
        return _unproved("Check again in a moment.", because=error.message)


async def _prove(context: CheckContext) -> CheckResult | None:
    key, settings = context.credentials["secret_key"], context.settings
    proof = await patiently(lambda: accounts.start_proof(key, settings))
    try:
        other = context.credentials["publishable_key"]
        belongs = await patiently(lambda: accounts.opens_proof(other, settings, proof))
    except AccountAuthFailed:
        return _wrong_partner(
            context, "Stripe refused the publishable key.", code=Code.PUBLISHABLE_KEY_REFUSED
        )
    finally:
        # What is left open after all has no effect either: nobody can confirm it without its secret.
        with contextlib.suppress(ProviderError, TimeoutError):
            async with asyncio.timeout(END_SECONDS):
                await patiently(lambda: accounts.end_proof(key, settings, proof))
    if belongs:
        return None
    message = "The publishable key belongs to another Stripe account than the secret key."
    return _wrong_partner(context, message, code=Code.KEYS_OF_TWO_ACCOUNTS)


def _unproved(fix: str, *, because: str = "") -> CheckResult:
    message = f"{UNPROVED}: {because}" if because else f"{UNPROVED}."
    return CheckResult(CheckStatus.UNPROVED, message, fix=fix, tag="Unproved", code=Code.PAIR_UNPROVED)


def _wrong_partner(context: CheckContext, message: str, *, code: Code) -> CheckResult:
    return CheckResult(
        CheckStatus.FAILED,
        message,
        fix="Copy both keys from the same API keys page.",
        fix_url=dashboard_url(context, "apikeys"),
        fix_label="API keys in Stripe",
        code=code,
    )
