"""The payment methods check: what customers will be offered."""

from __future__ import annotations

from plugins.stripe.checks.words import dashboard_url, listed, skipped_when_refused
from plugins.stripe.domain import keys
from plugins.stripe.gateway import accounts
from plugins.stripe.gateway.client import PermissionMissing
from portal.sdk import LOOPBACK, CheckContext, CheckResult, CheckStatus

CAPABILITIES = {
    "card_payments": "Cards",
    "link_payments": "Link",
    "us_bank_account_ach_payments": "ACH Direct Debit",
}
WALLETS = ("Apple Pay", "Google Pay")


@skipped_when_refused
async def check_methods(context: CheckContext) -> CheckResult:
    """Capabilities of the account, and whether wallets may appear on the portal's own domain."""
    try:
        account = await accounts.read_account(context.credentials["secret_key"], context.settings)
    except accounts.AccountHidden:
        return CheckResult(
            CheckStatus.SKIPPED, "Not checked because the key may not read what the account offers."
        )
    on = [
        name for capability, name in CAPABILITIES.items() if account.capabilities.get(capability) == "active"
    ]
    off = [name for name in CAPABILITIES.values() if name not in on]
    if CAPABILITIES["card_payments"] in off:
        return _without_cards(context)
    wallets = await _wallets(context)
    return _offer(context, [*on, *(name for name, active in (wallets or {}).items() if active)], off, wallets)


async def _wallets(context: CheckContext) -> dict[str, bool] | None:
    """Wallets -> whether they may appear on our domain; None: it cannot be public, or is not to be told."""
    host = context.settings.public_host
    if host in LOOPBACK:
        return None
    try:
        found = await accounts.list_domains(context.credentials["secret_key"], context.settings, host)
    except PermissionMissing:
        return None
    return {name: found.get(name, False) for name in WALLETS}


def _offer(
    context: CheckContext, on: list[str], off: list[str], wallets: dict[str, bool] | None
) -> CheckResult:
    message = f"{listed(on)} {'are' if len(on) > 1 or on == ['Cards'] else 'is'} on."
    if off:
        message += f" {listed(off)} {'are' if len(off) > 1 else 'is'} off."
    host = context.settings.public_host
    if wallets is None:
        return CheckResult(
            CheckStatus.PASSED, f"{message} Apple Pay and Google Pay need a public address; {host} is none."
        )
    hidden = [name for name, active in wallets.items() if not active]
    if not hidden:
        return CheckResult(CheckStatus.PASSED, message)
    return CheckResult(
        CheckStatus.WARNING,
        message,
        fix=f"{listed(hidden)} will not appear: register {host} as a payment method domain.",
        fix_url=dashboard_url(context, "settings/payment_method_domains"),
        fix_label="Payment method domains in Stripe",
        tag="Wallets off",
        code="STRIPE_DOMAIN_NOT_REGISTERED",
    )


def _without_cards(context: CheckContext) -> CheckResult:
    live = keys.mode_of(context.credentials["secret_key"].reveal()) == "live"
    return CheckResult(
        CheckStatus.FAILED if live else CheckStatus.WARNING,
        "Card payments are off, so most customers could not pay.",
        fix="Switch cards on under Payment methods.",
        fix_url=dashboard_url(context, "settings/payment_methods"),
        fix_label="Payment methods in Stripe",
        tag="Cards off",
        code="STRIPE_CARDS_OFF",
    )
