"""The list of checks, the one that asks nobody, and what holds for all of them."""

from __future__ import annotations

import pytest

from plugins.stripe.checks import CHECKS
from plugins.stripe.domain.codes import Code
from plugins.stripe.sandbox.testing import RunningSandbox
from portal.accounts.validations import run_to_end
from portal.contract.checks import CheckStatus
from portal.errors import ConfigurationError
from tests.plugins.stripe.connecting.asking import ALONE, LIVE, restricted, run
from tests.plugins.stripe.connecting.conftest import ContextOf


def test_the_checks_have_their_fixed_ids_and_titles() -> None:
    assert [(check.id, check.title) for check in CHECKS] == [
        ("key_format", "Key format"),
        ("account", "Account"),
        ("permissions", "Permissions"),
        ("payment_methods", "Payment methods"),
        ("webhook_endpoint", "Webhook endpoint"),
        ("signing_secret", "Signing secret"),
    ]


async def test_good_keys_pass_the_format(context_of: ContextOf) -> None:
    found = await run("key_format", context_of())
    assert found.status is CheckStatus.PASSED
    assert found.message == "All three values are well formed and belong to test mode."


async def test_the_format_names_every_bad_value(context_of: ContextOf) -> None:
    found = await run("key_format", context_of(secret_key=LIVE.secret_key, webhook_secret="we_1QaXyz"))
    assert (found.status, found.code) == (CheckStatus.FAILED, Code.KEY_FORMAT)
    assert "Secret key: This key is live but the publishable key is test." in found.message
    assert "Webhook signing secret: This is the endpoint ID." in found.message


async def test_an_unknown_kind_of_key_only_warns(context_of: ContextOf) -> None:
    found = await run("key_format", context_of(secret_key="rkcs_test_51SandboxAccountA_something"))
    assert (found.status, found.code) == (CheckStatus.WARNING, Code.KEY_UNFAMILIAR)


@pytest.mark.parametrize("state", ["revoke", "expire"])
async def test_a_refused_key_fails_the_account_and_skips_the_rest(
    sandbox: RunningSandbox, context_of: ContextOf, state: str
) -> None:
    key = restricted(sandbox)
    sandbox.control("POST", f"/keys/{state}", {"key": key})
    context = context_of(secret_key=key)
    refused = await run("account", context)
    why = {"revoke": "It may have been rolled or deleted.", "expire": "It has expired."}[state]
    assert (refused.status, refused.message) == (CheckStatus.FAILED, f"Stripe refused this key. {why}")
    assert refused.code == Code.KEY_REFUSED
    for name in ("permissions", "payment_methods", "webhook_endpoint"):
        found = await run(name, context)
        assert (found.status, found.message) == (
            CheckStatus.SKIPPED,
            "Not checked because the key was refused.",
        )
        assert found.code == Code.KEY_REFUSED


async def test_no_result_holds_a_key(sandbox: RunningSandbox, context_of: ContextOf) -> None:
    key = restricted(sandbox, "rak_invoice")
    context = context_of(secret_key=key)
    for check in ALONE:
        found = repr(await check.run(context))
        assert key not in found
        assert "whsec_of" not in found


@pytest.mark.parametrize("name", [check.id for check in ALONE if check.id != "key_format"])
async def test_a_live_key_never_goes_to_the_sandbox(context_of: ContextOf, name: str) -> None:
    real = "51QaXyzAbCdEfGhIj0123456789"
    context = context_of(secret_key=f"sk_live_{real}", publishable_key=f"pk_live_{real}")
    with pytest.raises(
        ConfigurationError, match="A live key was given while PORTAL_STRIPE_API_BASE points at a sandbox"
    ):
        await run(name, context)


async def test_a_whole_run_reads_the_account_and_the_endpoints_once(
    sandbox: RunningSandbox, context_of: ContextOf
) -> None:
    before = sandbox.calls()
    await run_to_end(ALONE, context_of(), provider="Stripe")
    made = {route: count - before.get(route, 0) for route, count in sandbox.calls().items()}
    assert made["GET /v1/account"] == 1
    # Once to know, and once more as the probe of the right.
    assert made["GET /v1/webhook_endpoints"] == 2
    assert made["POST /v1/webhook_endpoints/{webhook_endpoint}"] == 1
