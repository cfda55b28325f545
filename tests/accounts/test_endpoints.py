"""The address that a connect form shows, and whether a provider could reach it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from portal.accounts.endpoints import endpoint_url, pending_endpoint, reachability_warning
from portal.database.transaction import connection
from portal.settings import Settings


async def test_the_address_is_the_same_on_every_visit(database: None) -> None:
    first, second = await pending_endpoint("acme"), await pending_endpoint("acme")
    assert first.token == second.token
    assert (await pending_endpoint("other")).token != first.token


async def hold_a_connection() -> None:
    """Together they fill the pool, so that what follows really runs side by side."""
    async with connection() as held:
        await held.execute("SELECT pg_sleep(0.05)")


async def test_first_visits_at_the_same_moment_are_shown_one_address(database: None) -> None:
    await asyncio.gather(*(hold_a_connection() for _ in range(8)))
    shown = await asyncio.gather(*(pending_endpoint("acme") for _ in range(8)))
    assert len({endpoint.token_hash for endpoint in shown}) == 1
    async with connection() as held:
        assert await held.fetchval("SELECT count(*) FROM pending_endpoint") == 1


async def test_only_hash_and_seal_are_stored(database: None) -> None:
    endpoint = await pending_endpoint("acme")
    async with connection() as held:
        row = await held.fetchrow("SELECT token_hash, sealed_token FROM pending_endpoint")
    assert row is not None
    assert row["token_hash"] == endpoint.token_hash
    assert endpoint.token.reveal() not in row["sealed_token"]
    url = endpoint_url("https://portal.example", "acme", endpoint.token)
    assert url == f"https://portal.example/webhooks/acme/{endpoint.token.reveal()}"


@pytest.mark.parametrize(
    ("base_url", "warned"),
    [
        ("https://portal.example.com", False),
        ("https://203.0.113.7", True),
        ("https://8.8.8.8", False),
        ("http://portal.example.com", True),
        ("http://127.0.0.1:8000", True),
        ("https://10.0.0.5", True),
        ("https://portal", True),
        ("https://portal.internal", True),
        ("https://localhost", True),
    ],
)
def test_an_address_that_cannot_be_reached_is_told(
    settings: Settings, base_url: str, *, warned: bool
) -> None:
    warning = reachability_warning(replace(settings, base_url=base_url), "Acme")
    assert bool(warning) is warned
    assert not warned or warning.startswith("Acme cannot reach this address from the internet.")
