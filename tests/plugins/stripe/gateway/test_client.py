"""Where a key is sent, and that it is never sent to the wrong place."""

from __future__ import annotations

from dataclasses import replace

import pytest
import stripe as stripe_sdk

from plugins.stripe.gateway.client import api_base_for, client_for, translated_errors
from portal.errors import ConfigurationError
from portal.sdk import OutcomeUnknown, ProviderError, ProviderUnavailable, Secret, Settings

BASE = "http://127.0.0.1:8001"
SANDBOX_KEY = Secret("sk_test_51SandboxAccountA_secret_not_real")
REAL_KEY = Secret("sk_test_51QaRealLookingKeyOfSomebody")
LIVE_KEY = Secret("sk_live_51QaRealLookingKeyOfSomebody")


def with_variables(settings: Settings, **variables: str) -> Settings:
    kept = {k: v for k, v in settings.plugin_variables.items() if not k.startswith("stripe_")}
    return replace(settings, plugin_variables={**kept, **variables})


@pytest.mark.parametrize(
    ("variables", "key", "base"),
    [
        ({}, REAL_KEY, None),
        ({"stripe_api_base": BASE}, REAL_KEY, BASE),
        ({"stripe_api_base": BASE, "stripe_sandbox": "on"}, SANDBOX_KEY, BASE),
        ({"stripe_api_base": BASE, "stripe_sandbox": "on"}, REAL_KEY, None),
    ],
)
def test_beside_the_sandbox_its_own_keys_alone_go_there(
    settings: Settings, variables: dict[str, str], key: Secret, base: str | None
) -> None:
    assert api_base_for(key, with_variables(settings, **variables)) == base


@pytest.mark.parametrize("sandbox", [{}, {"stripe_sandbox": "on"}])
async def test_a_live_key_is_never_sent_to_another_address(
    settings: Settings, sandbox: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match="live key"):
        client_for(LIVE_KEY, with_variables(settings, stripe_api_base=BASE, **sandbox))


@pytest.mark.parametrize("base", ["https://evil.example", "http://10.0.0.1", "http://127.0.0.1.evil.example"])
async def test_no_key_is_sent_away_from_this_machine(settings: Settings, base: str) -> None:
    with pytest.raises(ConfigurationError, match="away from this machine"):
        client_for(SANDBOX_KEY, with_variables(settings, stripe_api_base=base))


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, b"<html>A proxy says hello</html>", OutcomeUnknown),
        (302, b"", OutcomeUnknown),
        (502, b"<html>Bad gateway</html>", OutcomeUnknown),
        (599, b"", OutcomeUnknown),
        (403, b"<html>No entry: sk_test_51SandboxAccountA_secret_not_real</html>", ProviderUnavailable),
    ],
)
@pytest.mark.parametrize("write", [True, False])
async def test_what_is_no_answer_of_stripes_is_no_outcome(
    settings: Settings, status: int, body: bytes, expected: type[ProviderError], *, write: bool
) -> None:
    client = client_for(REAL_KEY, with_variables(settings), over=Answers(status, body))
    with pytest.raises(expected if write else ProviderUnavailable) as raised, translated_errors(write=write):
        await client.raw_request_async("post" if write else "get", "/v1/customers")
    assert "html" not in str(raised.value)
    assert raised.value.__suppress_context__


class Answers(stripe_sdk.HTTPClient):
    """Answers every call in the same way."""

    name = "answers"

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._given = (body, status, {"Retry-After": "never"})

    async def request_async(self, *_: object, **__: object) -> tuple[bytes, int, dict[str, str]]:
        """One call."""
        return self._given
