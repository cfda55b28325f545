"""The account check: does the key work, may the account take payments, do both keys open the same account?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from plugins.stripe.checks.learning import account_of, both
from plugins.stripe.checks.pairs import doubt_of_pair
from plugins.stripe.checks.words import counted, dashboard_url, is_live, listed, on_or_off, unanswered
from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.requirements import describe_requirements
from plugins.stripe.gateway import accounts
from plugins.stripe.gateway.client import PermissionMissing
from plugins.stripe.gateway.patience import patiently
from plugins.stripe.services.connections import shorten
from portal.sdk import AccountAuthFailed, CheckContext, CheckItem, CheckResult, CheckStatus, ProviderError

REASONS = {
    "action_required.requested_capabilities": "Stripe waits for details of a payment method",
    "listed": "Stripe is checking a sanctions list",
    "platform_paused": "the platform paused it",
    "rejected.fraud": "Stripe closed it because of suspected fraud",
    "rejected.incomplete_verification": "Stripe closed it because details were not verified in time",
    "rejected.listed": "Stripe closed it because of a sanctions list",
    "rejected.other": "Stripe closed it",
    "rejected.terms_of_service": "Stripe closed it because of its terms",
    "requirements.past_due": "Stripe waits for details that are past due",
    "requirements.pending_verification": "Stripe is verifying the details",
    "under_review": "Stripe is reviewing the account",
}
CAPABILITIES = {
    "card_payments": "Card payments",
    "link_payments": "Link payments",
    "us_bank_account_ach_payments": "ACH payments",
    "transfers": "Transfers",
}
PARTS = ("Charges", "Payouts", *CAPABILITIES.values())
SHOWN_DETAILS = 6


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the account's own record leads to."""

    status: CheckStatus
    message: str
    fix: str = ""
    tag: str = ""
    code: str = ""
    steps: tuple[str, ...] = ()
    items: tuple[CheckItem, ...] = ()
    shown: Mapping[str, str] = field(default_factory=dict)


async def check_account(context: CheckContext) -> CheckResult:
    """Read the account and prove side by side that both keys open it."""
    standing, doubt = await both(_standing(context), doubt_of_pair(context))
    return _combined(context, standing, doubt)


async def _standing(context: CheckContext) -> _Standing | ProviderError:
    try:
        account = await account_of(context)
    except accounts.AccountHidden:
        return await _hidden(context)
    except ProviderError as error:
        return error
    return replace(_judge(account, context), items=_chips(account), shown=_shown(account))


async def _hidden(context: CheckContext) -> _Standing | ProviderError:
    """A restricted key without the right to read the account may be perfectly good."""
    try:
        key, settings = context.credentials["secret_key"], context.settings
        live = await patiently(lambda: accounts.read_livemode(key, settings))
    except PermissionMissing:
        # Stripe knows the key: it refuses an unknown one with 401, before it looks at rights.
        works = "The key works"
    except ProviderError as error:
        return error
    else:
        works = f"The key works, in {'live' if live else 'test'} mode"
    return _Standing(
        CheckStatus.UNPROVED,
        f"{works}. It may not read the account, so its name and status are unknown.",
        "Allow Accounts: Read for this key, or look in Stripe whether the account may take payments.",
        "Status unknown",
        Code.ACCOUNT_HIDDEN,
        shown=dict.fromkeys(("Account", "Country", "Charges", "Payouts", "Still required"), "unknown"),
    )


def _judge(account: accounts.StripeAccount, context: CheckContext) -> _Standing:
    who = ", ".join(part for part in (account.title, shorten(account.id), account.country) if part)
    if account.charges_enabled and account.payouts_enabled and not account.due:
        return _Standing(CheckStatus.PASSED, f"{who}. Can accept charges and payouts.")
    fix, steps = _to_do(account, ZoneInfo(context.time_zone))
    if not account.charges_enabled:
        why = REASONS.get(account.disabled_reason, "Stripe does not say why")
        status = CheckStatus.FAILED if is_live(context) else CheckStatus.WARNING
        fix = fix or "Finish the account's set-up in Stripe."
        message = f"{who}. Charges are off: {why}."
        return _Standing(status, message, fix, "Charges off", Code.CHARGES_OFF, steps)
    if not account.payouts_enabled:
        message = f"{who}. Can accept charges. Payouts are off."
        fix = fix or "Add a bank account for payouts in Stripe."
        return _Standing(CheckStatus.WARNING, message, fix, "Payouts off", Code.PAYOUTS_OFF, steps)
    message = f"{who}. Can accept charges and payouts."
    return _Standing(CheckStatus.WARNING, message, fix, "Details due", Code.DETAILS_DUE, steps)


def _to_do(account: accounts.StripeAccount, zone: ZoneInfo) -> tuple[str, tuple[str, ...]]:
    """What Stripe still needs, as a sentence, and as one step each."""
    words = describe_requirements(account.due)
    if not words:
        return "", ()
    by = f" by {account.deadline.astimezone(zone):%-d %b %Y}" if account.deadline else ""
    shown, more = words[:SHOWN_DETAILS], len(words) - SHOWN_DETAILS
    named = listed([*shown, f"{more} more"] if more > 0 else shown)
    fix = f"Stripe still needs {counted(len(words), 'detail')}{by}: {named}."
    return fix, tuple(f"Give Stripe {word}." for word in words)


def _chips(account: accounts.StripeAccount) -> tuple[CheckItem, ...]:
    states = {"Charges": account.charges_enabled, "Payouts": account.payouts_enabled}
    chips = [_chip(label, "on" if on else "off", good=on) for label, on in states.items()]
    for name, label in CAPABILITIES.items():
        if state := account.capabilities.get(name):
            chips.append(_chip(label, state, good=state == "active"))
    return tuple(chips)


def _chip(label: str, state: str, *, good: bool) -> CheckItem:
    return CheckItem(label, CheckStatus.PASSED if good else CheckStatus.WARNING, state)


def _shown(account: accounts.StripeAccount) -> dict[str, str]:
    return {
        "Account": account.title,
        "Country": account.country,
        "Charges": on_or_off(account.charges_enabled),
        "Payouts": on_or_off(account.payouts_enabled),
        "Still required": ", ".join(describe_requirements(account.due)) or "nothing",
    }


def _combined(
    context: CheckContext, standing: _Standing | ProviderError, doubt: CheckResult | None
) -> CheckResult:
    if isinstance(standing, AccountAuthFailed):
        return _refused(context, standing)
    if isinstance(standing, ProviderError):
        return unanswered(standing)
    if doubt is not None and doubt.status is CheckStatus.FAILED:
        return replace(doubt, items=standing.items, shown=standing.shown)
    found = _told(context, standing)
    if doubt is None:
        return found
    message = f"{standing.message} {doubt.message}"
    if standing.status is CheckStatus.PASSED:
        return replace(doubt, message=message, items=standing.items, shown=standing.shown)
    return replace(found, message=message, fix=f"{found.fix} {doubt.fix}".strip())


def _told(context: CheckContext, standing: _Standing) -> CheckResult:
    needs_fix = bool(standing.fix)
    return CheckResult(
        standing.status,
        standing.message,
        fix=standing.fix,
        steps=standing.steps,
        fix_url=dashboard_url(context, "settings/account") if needs_fix else "",
        fix_label="Account settings in Stripe" if needs_fix else "",
        tag=standing.tag,
        code=standing.code,
        items=standing.items,
        shown=standing.shown,
    )


def _refused(context: CheckContext, error: AccountAuthFailed) -> CheckResult:
    return CheckResult(
        CheckStatus.FAILED,
        error.message,
        fix="Copy the key again, or create a new one.",
        fix_url=dashboard_url(context, "apikeys"),
        fix_label="API keys in Stripe",
        code=Code.KEY_REFUSED,
    )
