"""Webhook addresses: one is shown before the keys are known, and becomes the account's when it is saved."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from portal.contract.secrets import Secret
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict
from portal.security.sealing import open_sealed, seal
from portal.security.tokens import Purpose, hash_token, new_token
from portal.settings import LOOPBACK, Settings

INSTEAD_OF = " instead of"
"""What a field held when a repair brought another value stands beside that one, under this name."""
PRIVATE_SUFFIXES = (".local", ".localhost", ".internal", ".lan", ".test", ".home.arpa")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook address and what is stored of its token."""

    token: Secret
    token_hash: bytes


def endpoint_url(base_url: str, plugin_id: str, token: Secret) -> str:
    """The address that a provider sends events to."""
    return f"{base_url}/webhooks/{plugin_id}/{token.reveal()}"


def endpoint_at(url: str) -> Endpoint:
    """The endpoint of an address that a form showed, whoever has it by now."""
    token = Secret(urlsplit(url).path.rpartition("/")[2])
    return Endpoint(token, hash_token(token.reveal(), Purpose.WEBHOOK))


def reachability_warning(settings: Settings, provider: str) -> str:
    """Why the provider cannot send events to this portal, and what to do; empty when it can."""
    url = urlsplit(settings.base_url)
    host = url.hostname or ""
    unreachable = f"{provider} cannot reach this address from the internet."
    if is_private(host):
        return (
            f"{unreachable} Start a tunnel or forward events with {provider}'s command line, "
            "and set PORTAL_BASE_URL to the public address."
        )
    if url.scheme != "https":
        return f"{unreachable} It is not HTTPS: put the portal behind HTTPS and set PORTAL_BASE_URL."
    return ""


class AddressTaken(Conflict):
    """The address that a form shows belongs to a connection by now."""

    code = "ADDRESS_TAKEN"


async def pending_endpoint(plugin_id: str) -> Endpoint:
    """The endpoint of the plugin's connect form: the same on every visit until an account is saved."""
    async with transaction() as tx:
        # Two first visits at once must be shown the same address.
        await tx.connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"endpoint:{plugin_id}"
        )
        sealed = await tx.connection.fetchval(
            "SELECT sealed_token FROM pending_endpoint WHERE plugin = $1 ORDER BY id LIMIT 1", plugin_id
        )
        if sealed is None:
            sealed = await _create(tx.connection, plugin_id)
    token = open_sealed(sealed, context=_place(plugin_id))
    return Endpoint(token, hash_token(token.reveal(), Purpose.WEBHOOK))


async def keep_for_form(
    plugin_id: str,
    made_for: str,
    credentials: Mapping[str, Secret],
    *,
    typed: Mapping[str, Secret],
    address: str,
) -> None:
    """Keep, sealed, what a repair brought for keys that are not saved yet: a provider tells it only once.

    Args:
        plugin_id: whose form it is.
        made_for: fingerprint of the keys.
        credentials: what it brought.
        typed: what the form holds there. It is of no use any more, and yet the open page sends it again.
        address: the one that the form shows.

    Raises:
        AddressTaken: it belongs to a connection by now.
    """
    instead = {f"{field}{INSTEAD_OF}": typed[field] for field in credentials if typed.get(field)}
    sealed = {
        field: seal(value, context=(*_place(plugin_id), field))
        for field, value in {**credentials, **instead}.items()
    }
    async with connection() as held:
        kept = await held.fetchval(
            """
            UPDATE pending_endpoint SET sealed_credentials = $2::jsonb, made_for = $3
            WHERE plugin = $1 AND token_hash = $4 RETURNING id
            """,
            plugin_id,
            json.dumps(sealed),
            made_for,
            endpoint_at(address).token_hash,
        )
    if kept is None:
        raise _address_taken()


async def with_what_was_kept(plugin_id: str, made_for: str, typed: Mapping[str, Secret]) -> dict[str, Secret]:
    """The fields of a form; where they are empty or outdated, what `keep_for_form` kept for these keys."""
    kept = await _kept_for_form(plugin_id, made_for)
    empty = Secret("")
    return {
        field: kept[field] if field in kept and value in (empty, kept.get(f"{field}{INSTEAD_OF}")) else value
        for field, value in typed.items()
    }


async def _kept_for_form(plugin_id: str, made_for: str) -> dict[str, Secret]:
    async with connection() as held:
        sealed = await held.fetchval(
            "SELECT sealed_credentials FROM pending_endpoint WHERE plugin = $1 AND made_for = $2",
            plugin_id,
            made_for,
        )
    found: dict[str, str] = json.loads(sealed or "{}")
    return {field: open_sealed(text, context=(*_place(plugin_id), field)) for field, text in found.items()}


async def take_endpoint(held: Connection, plugin_id: str, endpoint: Endpoint) -> None:
    """Remove the pending endpoint inside the transaction that gives it to an account.

    Raises:
        AddressTaken: another connection was given it a moment ago.
    """
    taken = await held.fetchval(
        "DELETE FROM pending_endpoint WHERE plugin = $1 AND token_hash = $2 RETURNING id",
        plugin_id,
        endpoint.token_hash,
    )
    if taken is None:
        raise _address_taken()


def _address_taken() -> AddressTaken:
    return AddressTaken(
        "Another connection took this webhook address a moment ago.",
        hint="Load this page again: it shows a new address, which the endpoint must have.",
    )


async def _create(held: Connection, plugin_id: str) -> str:
    token = new_token()
    sealed = seal(Secret(token), context=_place(plugin_id))
    await held.execute(
        """
        INSERT INTO pending_endpoint (plugin, token_hash, sealed_token, created_at)
        VALUES ($1, $2, $3, now())
        """,
        plugin_id,
        hash_token(token, Purpose.WEBHOOK),
        sealed,
    )
    return sealed


def _place(plugin_id: str) -> tuple[str, ...]:
    return ("pending_endpoint", plugin_id)


def is_private(host: str) -> bool:
    """Whether nobody outside this machine or its network can resolve or reach the host."""
    if host in LOOPBACK or "." not in host or host.endswith(PRIVATE_SUFFIXES):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False
