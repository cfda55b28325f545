"""Proving a signing secret: somebody waits for one event that carries a marker, and looks who signed it.

The secret that is to be proved lets nothing in: it is only tried beside the connection's own.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets as randomness
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from portal.contract.errors import EventRefused
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, DatabaseBusy, connection, transaction
from portal.queue.connections import DATABASE_FAILED
from portal.security.sealing import open_sealed, seal
from portal.security.tokens import Purpose, hash_token
from portal.webhooks.deliveries import Delivery
from portal.webhooks.loads import SharedLoads

TELLTALE = b"portal_probe"
"""Stands in the body of every event that may be waited for; bodies without it cost intake nothing."""
MARKER_BYTES = 16
OPEN_SECONDS = 60
POLL_SECONDS = 0.05
END_SECONDS = 2.0
MOST_DELIVERIES = 10
"""For each proof; one event is delivered once by each endpoint, and there are at most 16."""
MOST_BODY_BYTES = 256 * 1024
MOST_HEADER_CHARACTERS = 4096
logger = logging.getLogger("portal.webhooks")
_closing: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class SeenDelivery:
    """A delivery that carried the marker. `signed_by` is the place of the secret; None: it was refused."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str]
    """Lower-case names; those of signatures alone."""
    signed_by: int | None
    refusal: str
    """`signature`, `clock`, `unsigned` or `body`, as one of the proof's secrets was tried on it."""
    received_at: datetime


class WaitingProof:
    """Who waits puts `marker` into the metadata of something harmless, under the name `portal_probe`."""

    def __init__(self, proof_id: int, marker: str) -> None:
        self._id = proof_id
        self.marker = marker

    async def wait(self, seconds: float, *, then: float | None = None) -> tuple[SeenDelivery, ...]:
        """What arrived: at once when a genuine delivery did, else all that came in `seconds`.

        Args:
            seconds: how long to wait.
            then: how long to wait for more, at most, after a first one that is not genuine.
        """
        end = time.monotonic() + seconds
        while True:
            arrived, genuine = await self._count()
            if arrived and then is not None:
                end, then = min(end, time.monotonic() + then), None
            if genuine or time.monotonic() >= end:
                return await self._deliveries()
            await asyncio.sleep(POLL_SECONDS)

    async def _count(self) -> tuple[int, int]:
        async with connection() as held:
            row = await held.fetchrow(
                "SELECT count(*) AS all, count(signed_by) AS genuine FROM proof_delivery WHERE proof = $1",
                self._id,
            )
        return (row["all"], row["genuine"]) if row else (0, 0)

    async def _deliveries(self) -> tuple[SeenDelivery, ...]:
        async with connection() as held:
            rows = await held.fetch(
                """
                SELECT body, headers, signed_by, refusal, received_at FROM proof_delivery
                WHERE proof = $1 ORDER BY id
                """,
                self._id,
            )
        return tuple(SeenDelivery(**{**dict(row), "headers": json.loads(row["headers"])}) for row in rows)


@dataclass(frozen=True, slots=True)
class OpenProof:
    """A proof as intake sees it."""

    id: int
    marker: str
    sealed_secrets: Mapping[str, str]

    def secrets(self) -> tuple[Secret, ...]:
        """The secrets to try, in their order."""
        return tuple(
            open_sealed(self.sealed_secrets[str(place)], context=_place(self.marker, place))
            for place in range(len(self.sealed_secrets))
        )


@asynccontextmanager
async def delivery_proof(endpoint_url: str, secrets: Sequence[Secret]) -> AsyncIterator[WaitingProof]:
    """Wait for one event at an address of this portal, to see whether one of these secrets signs it.

    Args:
        endpoint_url: where the provider delivers to.
        secrets: what may have signed it; they are not accepted for anything else.
    """
    marker = randomness.token_hex(MARKER_BYTES)
    proof_id = await _open(_token_of(endpoint_url), marker, secrets)
    try:
        yield WaitingProof(proof_id, marker)
    finally:
        # Shielded: whoever is told to stop waiting still ends the proof.
        closing = asyncio.create_task(_close(proof_id))
        _closing.add(closing)
        closing.add_done_callback(_closing.discard)
        await asyncio.shield(closing)


async def matching_proof(delivery: Delivery) -> OpenProof | None:
    """The open proof that this delivery was made for. Without its marker there is none."""
    if TELLTALE not in delivery.body:
        return None
    found = await _loads.get(delivery.plugin.manifest.id, delivery.token_hash)
    return next((proof for proof in found or () if proof.marker.encode() in delivery.body), None)


async def note_delivery(proof: OpenProof, delivery: Delivery) -> bool:
    """Try the proof's secrets on a delivery and write down what came of it. Returns whether one signed it."""
    signed_by, refusal = None, ""
    try:
        signed_by = delivery.read(proof.secrets()).signed_by
    except EventRefused as refused:
        refusal = refused.reason
    async with transaction() as tx:
        if await _takes_more(tx.connection, proof):
            await tx.connection.execute(
                """
                INSERT INTO proof_delivery (proof, body, headers, signed_by, refusal, received_at)
                VALUES ($1, $2, to_jsonb($3::json), $4, $5, $6)
                """,
                proof.id,
                delivery.body[:MOST_BODY_BYTES],
                json.dumps(_signatures(delivery.headers)),
                signed_by,
                refusal,
                delivery.arrived_at,
            )
    return signed_by is not None


async def forget_proofs(held: Connection) -> None:
    """Delete what processes that were killed left open."""
    await held.execute("DELETE FROM delivery_proof WHERE closes_at < now()")


async def _open(token_hash: bytes, marker: str, secrets: Sequence[Secret]) -> int:
    sealed = {str(n): seal(secret, context=_place(marker, n)) for n, secret in enumerate(secrets)}
    async with connection() as held:
        proof_id: int = await held.fetchval(
            """
            INSERT INTO delivery_proof (token_hash, marker, sealed_secrets, closes_at)
            VALUES ($1, $2, to_jsonb($3::json), now() + make_interval(secs => $4)) RETURNING id
            """,
            token_hash,
            marker,
            json.dumps(sealed),
            OPEN_SECONDS,
        )
    return proof_id


async def _close(proof_id: int) -> None:
    try:
        async with asyncio.timeout(END_SECONDS), connection() as held:
            await held.execute("DELETE FROM delivery_proof WHERE id = $1", proof_id)
    except (DatabaseBusy, *DATABASE_FAILED, TimeoutError) as error:
        logger.warning("a proof stays open until it expires: %s", type(error).__name__)


async def _read_open(_plugin_id: str, token_hash: bytes) -> tuple[OpenProof, ...]:
    async with connection() as held:
        rows = await held.fetch(
            """
            SELECT id, marker, sealed_secrets FROM delivery_proof
            WHERE token_hash = $1 AND closes_at > now() ORDER BY id
            """,
            token_hash,
        )
    return tuple(OpenProof(row["id"], row["marker"], json.loads(row["sealed_secrets"])) for row in rows)


_loads = SharedLoads(_read_open)


async def _takes_more(held: Connection, proof: OpenProof) -> bool:
    """Whether the proof is open still and has room; its row stays locked for the transaction."""
    still = await held.fetchval("SELECT id FROM delivery_proof WHERE id = $1 FOR UPDATE", proof.id)
    kept: int = await held.fetchval("SELECT count(*) FROM proof_delivery WHERE proof = $1", proof.id)
    return still is not None and kept < MOST_DELIVERIES


def _signatures(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value[:MOST_HEADER_CHARACTERS].replace("\0", "")
        for name, value in headers.items()
        if "signature" in name
    }


def _place(marker: str, place: int) -> tuple[str, ...]:
    return ("delivery_proof", marker, str(place))


def _token_of(endpoint_url: str) -> bytes:
    return hash_token(urlsplit(endpoint_url).path.rpartition("/")[2], Purpose.WEBHOOK)
