"""The payment methods check: what customers will be offered, and whether wallets may appear."""

from __future__ import annotations

from dataclasses import dataclass

from plugins.stripe.checks.learning import account_of, both, may
from plugins.stripe.checks.words import answers_in_words, dashboard_url, is_live, listed, on_or_off
from plugins.stripe.domain.addresses import is_public
from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.endpoints import RepairId
from plugins.stripe.gateway import methods
from plugins.stripe.gateway.accounts import AccountHidden
from plugins.stripe.gateway.client import PermissionMissing
from plugins.stripe.gateway.methods import METHODS, WALLETS
from plugins.stripe.gateway.patience import patiently
from plugins.stripe.rights import DOMAIN_FEATURE, WALLETS_FEATURE
from portal.sdk import CheckContext, CheckItem, CheckResult, CheckStatus, Repair

CAPABILITIES = {
    "card_payments": "Cards",
    "link_payments": "Link",
    "us_bank_account_ach_payments": "ACH Direct Debit",
}
BOTH_WALLETS = tuple(WALLETS.values())


@dataclass(frozen=True, slots=True)
class _Domain:
    """Whether wallets may appear on the portal's own domain, and what to do about it."""

    state: str
    """For comparing: `registered`."""
    off: tuple[str, ...] = BOTH_WALLETS
    status: CheckStatus = CheckStatus.WARNING
    why: str = ""
    fix: str = ""
    tag: str = ""
    code: str = ""
    repairs: tuple[Repair, ...] = ()

    @property
    def features_off(self) -> dict[str, str]:
        """Where no wallet can appear, pay pages do not ask for any."""
        hidden = set(self.off) >= set(BOTH_WALLETS)
        return {WALLETS_FEATURE: self.why or self.fix} if hidden else {}


@answers_in_words
async def check_methods(context: CheckContext) -> CheckResult:
    """What the account offers, and whether wallets may appear on the portal's own domain."""
    offer, domain = await both(_offer(context), _domain(context))
    if offer is None:
        return _unknown(context, domain)
    if not offer["Cards"]:
        return _without_cards(context, offer, domain)
    on = [name for name, active in offer.items() if active and name not in domain.off]
    off = [name for name, active in offer.items() if not active]
    message = f"{listed(on)} {_are(on)} on."
    if off:
        message += f" {listed(off)} {_are(off)} off."
    return CheckResult(
        domain.status,
        f"{message} {domain.why}".strip(),
        fix=domain.fix,
        fix_url=dashboard_url(context, "settings/payment_method_domains") if domain.fix else "",
        fix_label="Payment method domains in Stripe" if domain.fix else "",
        tag=domain.tag,
        code=domain.code,
        items=_chips(offer, domain),
        repairs=domain.repairs,
        shown=_shown(offer, domain),
        features_off=domain.features_off,
    )


async def _offer(context: CheckContext) -> dict[str, bool] | None:
    """Method -> whether the account offers it, in the order of the page; None: the key may not tell."""
    try:
        account = await account_of(context)
    except AccountHidden:
        try:
            key, settings = context.credentials["secret_key"], context.settings
            return await patiently(lambda: methods.read_methods(key, settings))
        except PermissionMissing:
            return None
    active = {title for name, title in CAPABILITIES.items() if account.capabilities.get(name) == "active"}
    # Wallets carry cards, so they are on where cards are, and only their domain can hide them.
    active |= set(BOTH_WALLETS) if "Cards" in active else set()
    return {title: title in active for title in METHODS.values()}


async def _domain(context: CheckContext) -> _Domain:
    host, settings = context.settings.public_host, context.settings
    if not is_public(host):
        why = f"Apple Pay and Google Pay need a public address; {host} is none."
        return _Domain("not public", status=CheckStatus.PASSED, why=why)
    if not settings.base_url.startswith("https://"):
        why = "Apple Pay and Google Pay need an address that begins with https."
        return _Domain("not https", status=CheckStatus.PASSED, why=why)
    try:
        key = context.credentials["secret_key"]
        found = await patiently(lambda: methods.find_domain(key, settings, host))
    except PermissionMissing:
        return _Domain(
            "unknown",
            status=CheckStatus.UNPROVED,
            why="Whether Apple Pay and Google Pay appear is not known.",
            fix=f"Allow Payment Method Domains: Write for this key, or look in Stripe for {host}.",
            code=Code.DOMAIN_UNKNOWN,
        )
    if found is not None and found.enabled and not found.troubles:
        return _Domain(f"{host} registered", off=(), status=CheckStatus.PASSED)
    repairable = await may(context, DOMAIN_FEATURE)
    return _hidden_wallets(host, found, repairable=repairable)


def _hidden_wallets(host: str, found: methods.WalletDomain | None, *, repairable: bool) -> _Domain:
    if found is None or not found.enabled:
        how = "register" if found is None else "switch on"
        return _Domain(
            "not registered" if found is None else f"{host} switched off",
            fix=f"Apple Pay and Google Pay will not appear: {how} {host} as a payment method domain.",
            tag="Wallets off",
            code=Code.DOMAIN_NOT_REGISTERED,
            repairs=(Repair(RepairId.REGISTER_DOMAIN, "Register it for me"),) if repairable else (),
        )
    reasons = " ".join(f"{wallet}: {_sentence(reason)}" for wallet, reason in found.troubles.items())
    return _Domain(
        f"{host} not accepted",
        off=tuple(found.troubles),
        fix=f"{listed(tuple(found.troubles))} will not appear. Stripe says of {host}: {reasons}",
        tag="Wallets off",
        code=Code.DOMAIN_INACTIVE,
        repairs=(Repair(RepairId.REGISTER_DOMAIN, "Let Stripe look again"),) if repairable else (),
    )


def _chips(offer: dict[str, bool], domain: _Domain) -> tuple[CheckItem, ...]:
    return tuple(_chip(name, active=active, domain=domain) for name, active in offer.items())


def _chip(name: str, *, active: bool, domain: _Domain) -> CheckItem:
    if not active:
        return CheckItem(name, CheckStatus.WARNING, "off in Stripe")
    if name not in domain.off:
        return CheckItem(name, CheckStatus.PASSED, "on")
    status = CheckStatus.SKIPPED if domain.status is CheckStatus.PASSED else domain.status
    return CheckItem(name, status, f"Domain: {domain.state}")


def _shown(offer: dict[str, bool], domain: _Domain) -> dict[str, str]:
    states = {name: on_or_off(active and name not in domain.off) for name, active in offer.items()}
    return states | {"Wallet domain": domain.state}


def _unknown(context: CheckContext, domain: _Domain) -> CheckResult:
    return CheckResult(
        CheckStatus.SKIPPED,
        "Not checked because the key may read neither the account nor its payment methods.",
        fix="Allow Payment Method Configurations: Read for this key, or look in Stripe what is on.",
        fix_url=dashboard_url(context, "settings/payment_methods"),
        fix_label="Payment methods in Stripe",
        code=Code.METHODS_HIDDEN,
        shown=dict.fromkeys(METHODS.values(), "unknown"),
        features_off=domain.features_off,
    )


def _without_cards(context: CheckContext, offer: dict[str, bool], domain: _Domain) -> CheckResult:
    return CheckResult(
        CheckStatus.FAILED if is_live(context) else CheckStatus.WARNING,
        "Card payments are off, so most customers could not pay.",
        fix="Switch cards on under Payment methods.",
        fix_url=dashboard_url(context, "settings/payment_methods"),
        fix_label="Payment methods in Stripe",
        tag="Cards off",
        code=Code.CARDS_OFF,
        items=_chips(offer, domain),
        shown=_shown(offer, domain),
        features_off=domain.features_off,
    )


def _are(names: list[str]) -> str:
    return "are" if len(names) > 1 or names == ["Cards"] else "is"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
