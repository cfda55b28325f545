"""The payment methods check: what is offered, whether wallets may appear, and registering the domain."""

from __future__ import annotations

from dataclasses import replace

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.endpoints import RepairId
from plugins.stripe.plugin import StripePlugin
from plugins.stripe.rights import WALLETS_FEATURE
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.contract.checks import CheckContext, CheckStatus
from portal.contract.errors import ProviderError
from portal.settings import Settings
from tests.plugins.stripe.connecting.asking import chips, restricted, run
from tests.plugins.stripe.connecting.conftest import ContextOf

HOST = "portal.example.com"
ALL = ["Cards", "Apple Pay", "Google Pay", "Link", "ACH Direct Debit"]


@pytest.fixture
def public(local: Settings) -> Settings:
    return replace(local, base_url=f"https://{HOST}")


async def register(context: CheckContext) -> str:
    return (await StripePlugin().repair(RepairId.REGISTER_DOMAIN, context)).message


async def test_the_methods_are_told_and_wallets_need_a_public_address(context_of: ContextOf) -> None:
    found = await run("payment_methods", context_of())
    assert (found.status, found.code) == (CheckStatus.PASSED, "")
    assert found.message == (
        "Cards, Link and ACH Direct Debit are on. "
        "Apple Pay and Google Pay need a public address; 127.0.0.1 is none."
    )
    assert chips(found, CheckStatus.SKIPPED) == ["Apple Pay", "Google Pay"]
    assert found.repairs == ()
    assert found.shown["Wallet domain"] == "not public"
    assert list(found.features_off) == [WALLETS_FEATURE]


async def test_wallets_need_https(context_of: ContextOf, local: Settings) -> None:
    plain = replace(local, base_url=f"http://{HOST}")
    found = await run("payment_methods", context_of(settings=plain))
    assert found.message.endswith("Apple Pay and Google Pay need an address that begins with https.")


async def test_an_unregistered_domain_hides_the_wallets_until_it_is_registered(
    context_of: ContextOf, public: Settings, stripe: stripe_sdk.V1Services
) -> None:
    context = context_of(settings=public)
    found = await run("payment_methods", context)
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.DOMAIN_NOT_REGISTERED)
    assert found.fix == (
        f"Apple Pay and Google Pay will not appear: register {HOST} as a payment method domain."
    )
    assert [repair.id for repair in found.repairs] == [RepairId.REGISTER_DOMAIN]
    assert found.features_off == {WALLETS_FEATURE: found.fix}
    assert (
        await register(context)
        == await register(context)
        == f"Registered {HOST} for Apple Pay and Google Pay."
    )
    assert [domain.domain_name for domain in stripe.payment_method_domains.list().data] == [HOST]
    found = await run("payment_methods", context_of(settings=public))
    assert found.message == "Cards, Apple Pay, Google Pay, Link and ACH Direct Debit are on."
    assert (found.status, chips(found, CheckStatus.PASSED)) == (CheckStatus.PASSED, ALL)
    assert found.shown == dict.fromkeys(ALL, "on") | {"Wallet domain": f"{HOST} registered"}
    assert found.features_off == {}


async def test_a_domain_that_was_switched_off_is_switched_on_again(
    context_of: ContextOf, public: Settings, stripe: stripe_sdk.V1Services
) -> None:
    stripe.payment_method_domains.create({"domain_name": HOST, "enabled": False})
    found = await run("payment_methods", context_of(settings=public))
    assert found.fix.endswith(f"switch on {HOST} as a payment method domain.")
    await register(context_of(settings=public))
    assert (await run("payment_methods", context_of(settings=public))).status is CheckStatus.PASSED


async def test_a_domain_that_stripe_does_not_accept_is_told_in_stripes_words(
    sandbox: RunningSandbox, context_of: ContextOf, public: Settings
) -> None:
    ruling = {"domain_name": HOST, "method": "apple_pay", "error_message": "The file was not found"}
    sandbox.control("POST", "/payment_method_domains", ruling)
    with pytest.raises(ProviderError, match="Apple Pay: The file was not found"):
        await register(context_of(settings=public))
    found = await run("payment_methods", context_of(settings=public))
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.DOMAIN_INACTIVE)
    assert found.fix == (
        f"Apple Pay will not appear. Stripe says of {HOST}: Apple Pay: The file was not found."
    )
    assert (found.shown["Apple Pay"], found.shown["Google Pay"]) == ("off", "on")
    assert found.features_off == {}, "Google Pay may appear"
    assert [repair.label for repair in found.repairs] == ["Let Stripe look again"]


async def test_a_domain_that_stripe_did_not_accept_is_looked_at_again(
    sandbox: RunningSandbox, context_of: ContextOf, public: Settings
) -> None:
    ruling = {"domain_name": HOST, "error_message": "The file was not found.", "until_validated": True}
    sandbox.control("POST", "/payment_method_domains", ruling)
    with pytest.raises(ProviderError, match="does not show wallets there yet"):
        await register(context_of(settings=public))
    await register(context_of(settings=public))
    assert (await run("payment_methods", context_of(settings=public))).status is CheckStatus.PASSED


async def test_the_domain_is_not_offered_where_the_key_may_not_register_it(
    sandbox: RunningSandbox, context_of: ContextOf, public: Settings
) -> None:
    key = restricted(sandbox, "rak_payment_method_domain")
    found = await run("payment_methods", context_of(settings=public, secret_key=key))
    assert (found.status, found.code) == (CheckStatus.UNPROVED, Code.DOMAIN_UNKNOWN)
    assert found.message.endswith("Whether Apple Pay and Google Pay appear is not known.")
    assert (found.repairs, found.shown["Wallet domain"]) == ((), "unknown")
    assert list(found.features_off) == [WALLETS_FEATURE], "what is not known is not offered"


async def test_cards_that_are_off_are_told(sandbox: RunningSandbox, context_of: ContextOf) -> None:
    sandbox.control("POST", "/account", {"capabilities": {"card_payments": "inactive"}})
    found = await run("payment_methods", context_of())
    assert (found.status, found.tag, found.code) == (CheckStatus.WARNING, "Cards off", Code.CARDS_OFF)
    assert "Cards" in chips(found, CheckStatus.WARNING)


async def test_a_method_that_is_off_is_named(sandbox: RunningSandbox, context_of: ContextOf) -> None:
    sandbox.control("POST", "/account", {"capabilities": {"us_bank_account_ach_payments": "pending"}})
    found = await run("payment_methods", context_of())
    assert found.message.startswith("Cards and Link are on. ACH Direct Debit is off.")
    assert chips(found, CheckStatus.WARNING) == ["ACH Direct Debit"]


async def test_the_methods_are_known_where_the_account_is_hidden(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await run("payment_methods", context_of(secret_key=sandbox.keys.restricted_key))
    assert found.status is CheckStatus.PASSED
    assert found.message.startswith("Cards, Link and ACH Direct Debit are on.")


async def test_the_methods_are_skipped_when_nothing_may_be_read(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    key = restricted(sandbox, "rak_accounts_kyc_basic", "rak_payment_method_configuration")
    found = await run("payment_methods", context_of(secret_key=key))
    assert (found.status, found.code) == (CheckStatus.SKIPPED, Code.METHODS_HIDDEN)
    assert set(found.shown.values()) == {"unknown"}
