"""The account check: who it is, what it may, what Stripe still wants, whether the keys belong together."""

from __future__ import annotations

from dataclasses import replace

import pytest
import stripe as stripe_sdk

from plugins.stripe.domain.codes import Code
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.contract.checks import CheckStatus
from tests.plugins.stripe.connecting.asking import OTHER, chips, restricted, run
from tests.plugins.stripe.connecting.conftest import ContextOf

PROVED_NOT = "Whether the publishable key belongs to the same account is not proved"


async def test_a_good_account_is_named(context_of: ContextOf) -> None:
    found = await run("account", context_of())
    assert (found.status, found.code) == (CheckStatus.PASSED, "")
    assert found.message == "Sandbox Account A, acct_1San…untA, US. Can accept charges and payouts."
    assert found.shown == {
        "Account": "Sandbox Account A",
        "Country": "US",
        "Charges": "on",
        "Payouts": "on",
        "Still required": "nothing",
    }
    assert chips(found, CheckStatus.PASSED) == [
        "Charges",
        "Payouts",
        "Card payments",
        "Link payments",
        "ACH payments",
        "Transfers",
    ]


async def test_the_proof_leaves_no_open_setup_intent(
    context_of: ContextOf, stripe: stripe_sdk.V1Services
) -> None:
    await run("account", context_of())
    assert [intent.status for intent in stripe.setup_intents.list().data] == ["canceled"]


async def test_nothing_is_made_at_stripe_when_nobody_waits(
    context_of: ContextOf, stripe: stripe_sdk.V1Services
) -> None:
    context = context_of()
    context.thorough = False
    assert (await run("account", context)).status is CheckStatus.PASSED
    assert stripe.setup_intents.list().data == []


async def test_a_publishable_key_of_another_account_is_told(context_of: ContextOf) -> None:
    found = await run("account", context_of(publishable_key=OTHER.publishable_key))
    assert (found.status, found.code) == (CheckStatus.FAILED, Code.KEYS_OF_TWO_ACCOUNTS)
    assert found.message == "The publishable key belongs to another Stripe account than the secret key."
    assert found.fix_url == "https://dashboard.stripe.com/test/apikeys"


async def test_an_unknown_publishable_key_is_told(context_of: ContextOf) -> None:
    found = await run("account", context_of(publishable_key="pk_test_51Nobody1234567890abcdef"))
    assert (found.status, found.message) == (CheckStatus.FAILED, "Stripe refused the publishable key.")
    assert found.code == Code.PUBLISHABLE_KEY_REFUSED


async def test_a_key_that_may_not_read_the_account_is_not_called_invalid(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await run("account", context_of(secret_key=sandbox.keys.restricted_key))
    assert (found.status, found.code) == (CheckStatus.UNPROVED, Code.ACCOUNT_HIDDEN)
    assert found.message.startswith("The key works, in test mode. It may not read the account")
    assert set(found.shown.values()) == {"unknown"}


async def test_a_key_that_may_not_read_the_balance_either_still_works(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    key = restricted(sandbox, "rak_accounts_kyc_basic", "rak_balance")
    found = await run("account", context_of(secret_key=key))
    assert found.status is CheckStatus.UNPROVED
    assert found.message.startswith("The key works. It may not read the account")


async def test_what_stripe_still_needs_is_told_in_words_with_its_deadline(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    due = ["external_account", "tos_acceptance.date", "tos_acceptance.ip", "person_1NxAbc.dob.day"]
    requirements = {
        "currently_due": due,
        "past_due": ["external_account"],
        "disabled_reason": None,
        "current_deadline": 1796256000,
    }
    sandbox.control("POST", "/account", {"requirements": requirements})
    found = await run("account", context_of())
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.DETAILS_DUE)
    assert found.fix == (
        "Stripe still needs 3 details by 3 Dec 2026: a bank account for payouts, agreement to Stripe's terms "
        "and a person's date of birth."
    )
    there = await run("account", replace(context_of(), time_zone="America/New_York"))
    assert "by 2 Dec 2026: " in there.fix
    assert found.steps[0] == "Give Stripe a bank account for payouts."
    assert found.shown["Still required"].startswith("a bank account for payouts, ")


async def test_charges_that_are_off_warn_in_test_mode_with_the_reason(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    changes = {"charges_enabled": False, "requirements": {"disabled_reason": "under_review"}}
    sandbox.control("POST", "/account", changes)
    found = await run("account", context_of())
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.CHARGES_OFF)
    assert "Charges are off: Stripe is reviewing the account." in found.message
    assert chips(found, CheckStatus.WARNING) == ["Charges"]
    assert found.shown["Charges"] == "off"


async def test_payouts_that_are_off_are_told(sandbox: RunningSandbox, context_of: ContextOf) -> None:
    sandbox.control("POST", "/account", {"payouts_enabled": False})
    found = await run("account", context_of())
    assert (found.status, found.code, found.tag) == (CheckStatus.WARNING, Code.PAYOUTS_OFF, "Payouts off")
    assert found.message.endswith("Can accept charges. Payouts are off.")
    assert found.fix == "Add a bank account for payouts in Stripe."


async def test_without_setup_intents_the_account_is_named_and_the_proof_is_missing(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    found = await run("account", context_of(secret_key=restricted(sandbox, "rak_setup_intent")))
    assert (found.status, found.code) == (CheckStatus.UNPROVED, Code.PAIR_UNPROVED)
    assert found.message.startswith("Sandbox Account A, acct_1San…untA, US.")
    assert found.message.endswith(f"{PROVED_NOT}.")
    assert found.shown["Charges"] == "on"


@pytest.mark.parametrize("call", ["POST /v1/setup_intents", "GET /v1/setup_intents/*"])
async def test_a_proof_that_stripe_does_not_answer_is_not_taken_for_one(
    sandbox: RunningSandbox, context_of: ContextOf, call: str
) -> None:
    sandbox.add_fault(match=call, status=500, times=None)
    found = await run("account", context_of())
    assert (found.status, found.code) == (CheckStatus.UNPROVED, Code.PAIR_UNPROVED)
    assert f"{PROVED_NOT}: Stripe answered 500" in found.message
