"""Whether the real Stripe is asked at all, and that it can only be asked with test keys."""

from __future__ import annotations

import os

import pytest

from tests.live.stripes import KEY_VARIABLE, REAL_API, LiveKeyRefused, a_stripe


@pytest.mark.live
def test_the_real_stripe_is_asked() -> None:
    reply = a_stripe("real", REAL_API, os.environ[KEY_VARIABLE]).call("GET", "/v1/balance")
    assert (reply.status, reply.body.get("livemode")) == (200, False)


@pytest.mark.parametrize("key", ["sk_live_5abc", "rk_live_5abc", "pk_test_5abc", "5abc"])
def test_only_a_secret_test_key_opens_a_stripe(key: str) -> None:
    with pytest.raises(LiveKeyRefused) as refused:
        a_stripe("real", REAL_API, key)
    assert key not in str(refused.value)
