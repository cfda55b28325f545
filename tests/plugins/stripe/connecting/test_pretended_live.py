"""Live mode without Stripe: which keys may go to the sandbox, and what the sandbox button fills in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway import accounts
from plugins.stripe.gateway.client import api_base_for, client_for
from plugins.stripe.plugin import StripePlugin
from plugins.stripe.sandbox.keys import WORLDS, WorldKeys
from plugins.stripe.sandbox.testing import RunningSandbox, running_sandbox
from plugins.stripe.services import connections
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.errors import ConfigurationError
from portal.settings import Settings
from tests.plugins.stripe.connecting.conftest import ENDPOINT

PRETENDED = [world.secret_key for world in WORLDS if world.livemode]
REAL_LOOKING = [
    "sk_live_51QaSandboxAccountAbCdEfGh0123456789",
    "sk_live_51SandboxAccountAbCdEfGh0123456789",
    "rk_live_51SandboxAccountC_secret",
    "rkcs_live_51QaXyz0123456789",
    "sk_test_51SandboxAccountA_sk_live_51QaXyz",
    "sk_live_51QaXyz0123_sk_live_51SandboxAccountA_secret",
]


@pytest.fixture(scope="module")
def shared_sandbox() -> Iterator[RunningSandbox]:
    """A sandbox whose live mode can deliver to this machine."""
    with running_sandbox(arguments=("--live-on-loopback",)) as running:
        yield running


def world_of(mode: Mode) -> WorldKeys:
    return next(world for world in WORLDS if world.livemode is (mode is Mode.LIVE))


@pytest.mark.parametrize("key", PRETENDED)
async def test_a_pretended_live_key_goes_to_the_sandbox(local: Settings, key: str) -> None:
    assert await accounts.read_livemode(Secret(key), local) is True


@pytest.mark.parametrize("key", REAL_LOOKING)
async def test_no_other_live_key_goes_to_the_sandbox(local: Settings, key: str) -> None:
    for settings in (local, beside_portal(local)):
        with pytest.raises(ConfigurationError, match="A live key was given") as refused:
            client_for(Secret(key), settings)
        assert key not in str(refused.value) + refused.value.hint


def beside_portal(local: Settings) -> Settings:
    return replace(local, plugin_variables={**local.plugin_variables, "stripe_sandbox": "on"})


@pytest.mark.parametrize("key", [*PRETENDED, *(world.restricted_key for world in WORLDS)])
async def test_no_key_of_the_sandbox_follows_an_address_elsewhere(local: Settings, key: str) -> None:
    for base in ("https://sandbox.example.com", "http://127.0.0.1.example.com:8001"):
        elsewhere = replace(local, plugin_variables={"stripe_api_base": base})
        with pytest.raises(ConfigurationError, match="points away from this machine"):
            client_for(Secret(key), elsewhere)


@pytest.mark.parametrize("key", PRETENDED)
async def test_in_production_no_pretended_live_key_is_taken_for_money(local: Settings, key: str) -> None:
    for settings in (local, beside_portal(local)):
        with pytest.raises(ConfigurationError, match="pretended"):
            client_for(Secret(key), replace(settings, env="production"))


def test_beside_the_portal_only_real_test_keys_leave_for_stripe(local: Settings) -> None:
    beside = beside_portal(local)
    base = local.plugin_option("stripe", "api_base")
    kept = [*PRETENDED, *(world.secret_key for world in WORLDS), "sk_live_51QaXyz0123456789"]
    assert {api_base_for(Secret(key), beside) for key in kept} == {base}
    assert api_base_for(Secret("sk_test_51QaXyz0123456789"), beside) is None


def addresses(sandbox: RunningSandbox, mode: Mode) -> list[str]:
    """Where the endpoints of a mode deliver to."""
    key = world_of(mode).secret_key
    services = stripe_sdk.StripeClient(key, base_addresses={"api": sandbox.url}).v1
    return [endpoint.url for endpoint in services.webhook_endpoints.list().data]


@pytest.mark.parametrize("mode", list(Mode))
async def test_the_sandbox_button_fills_in_the_keys_of_the_mode(
    local: Settings, sandbox: RunningSandbox, mode: Mode
) -> None:
    await connections.sandbox_credentials(ENDPOINT, local, mode)
    found = await connections.sandbox_credentials(ENDPOINT, local, mode)
    world = world_of(mode)
    assert found is not None
    assert (found["publishable_key"], found["secret_key"]) == (world.publishable_key, world.secret_key)
    assert found["webhook_secret"].startswith("whsec_")
    assert addresses(sandbox, mode) == [ENDPOINT]
    assert [addresses(sandbox, other) for other in Mode if other is not mode] == [[]]
    identity = await connections.identify({k: Secret(v) for k, v in found.items()}, local)
    assert (identity.external_id, identity.mode) == (world.account, mode)


def test_the_sandbox_beside_the_portal_takes_live_endpoints_on_this_machine(settings: Settings) -> None:
    without = replace(settings, env="local", plugin_variables={})
    (service,) = StripePlugin().local_services(without)
    assert "--live-on-loopback" in service.argv
