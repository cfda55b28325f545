"""Saved methods on pay pages: off until an admin wants them, shown as payers agreed, never in the way."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import stripe as stripe_sdk

from plugins.stripe.plugin import StripePlugin
from plugins.stripe.sandbox.testing import RunningSandbox
from plugins.stripe.services.payments import OFFER_SAVED, start_payment
from portal.accounts.options import change_options, options_of
from portal.accounts.services import load_account
from portal.audit.services import SYSTEM
from portal.contract.secrets import Secret
from portal.invoices.payable import payable_invoice
from portal.security.sealing import seal
from portal.settings import current_settings
from tests.builders import Connected
from tests.plugins.stripe.connecting.asking import restricted
from tests.plugins.stripe.services.stories import intent_of, published_invoice, value

SESSIONS = "POST /v1/customer_sessions"


async def start(account: Connected, invoice_id: int) -> dict[str, str]:
    """What the browser gets."""
    begun = await start_payment(
        await load_account(account.id), await payable_invoice(invoice_id), current_settings()
    )
    return dict(begun.data)


async def switch_on(account: Connected) -> None:
    await change_options(account.id, StripePlugin(), {OFFER_SAVED.name: True}, actor=SYSTEM)


def offered(sandbox: RunningSandbox, session: str) -> Any:
    """What the Payment Element shows with this session."""
    return httpx.get(f"{sandbox.url}/_sandbox/customer_sessions/{session}", timeout=10).json()


async def test_nothing_is_saved_or_shown_until_an_admin_wants_it(
    account: Connected, sandbox: RunningSandbox
) -> None:
    invoice_id, _ = await published_invoice()
    assert "customer_session" not in await start(account, invoice_id)
    assert sandbox.calls().get(SESSIONS, 0) == 0


async def test_only_what_the_payer_agreed_to_see_again_is_shown_and_nothing_can_be_removed(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    invoice_id, external_id = await published_invoice()
    await switch_on(account)
    customer = str(stripe.invoices.retrieve(external_id).customer)
    agreed = stripe.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    stripe.payment_methods.update(agreed, {"allow_redisplay": "always"})
    stripe.payment_methods.attach("pm_card_mastercard", {"customer": customer})
    begun = await start(account, invoice_id)
    assert begun["client_secret"].startswith(intent_of(stripe, external_id))
    assert offered(sandbox, begun["customer_session"]) == {
        "methods": [{"id": agreed, "brand": "visa", "last4": "4242"}],
        "save": True,
    }
    told = json.dumps(sandbox.control("GET", "/customer_sessions"))
    assert '"payment_method_remove": "disabled"' in told


async def test_another_customers_methods_are_not_shown(
    account: Connected, sandbox: RunningSandbox, stripe: stripe_sdk.V1Services
) -> None:
    first, _ = await published_invoice()
    _, external_id = await published_invoice()
    await switch_on(account)
    customer = str(stripe.invoices.retrieve(external_id).customer)
    method = stripe.payment_methods.attach("pm_card_visa", {"customer": customer}).id
    stripe.payment_methods.update(method, {"allow_redisplay": "always"})
    assert offered(sandbox, (await start(account, first))["customer_session"])["methods"] == []


async def test_a_key_without_the_right_takes_payments_all_the_same(
    account: Connected, sandbox: RunningSandbox
) -> None:
    invoice_id, _ = await published_invoice()
    await switch_on(account)
    key = restricted(sandbox, "rak_customer_session")
    place = ("connected_account", str(account.id), account.mode.value, "secret_key")
    sealed = json.dumps({"secret_key": seal(Secret(key), context=place)})
    await value(
        "UPDATE connected_account SET sealed_credentials = sealed_credentials || $2::jsonb WHERE id = $1",
        account.id,
        sealed,
    )
    assert set(await start(account, invoice_id)) == {"publishable_key", "client_secret"}
    assert sandbox.calls()[SESSIONS] == 1


async def test_switching_it_is_logged_once_and_leaves_other_options_alone(account: Connected) -> None:
    plugin = StripePlugin()
    await value("UPDATE connected_account SET options = '{\"both_deliver\": true}' WHERE id = $1", account.id)
    await switch_on(account)
    await switch_on(account)
    offered = await options_of(account.id, plugin)
    assert offered == {option.name: option is OFFER_SAVED for option in plugin.options}
    assert await value("SELECT options->>'both_deliver' FROM connected_account") == "true"
    assert await value("SELECT count(*) FROM audit_entry WHERE action = 'account.options_changed'") == 1


@pytest.mark.parametrize("fault", [500, 429])
async def test_stripe_that_fails_at_it_does_not_stop_the_payment(
    account: Connected, sandbox: RunningSandbox, fault: int
) -> None:
    invoice_id, _ = await published_invoice()
    await switch_on(account)
    sandbox.control("POST", "/faults", {"match": SESSIONS, "status": fault, "times": 5})
    begun = await start(account, invoice_id)
    assert set(begun) == {"publishable_key", "client_secret"}
