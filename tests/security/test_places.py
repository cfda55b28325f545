"""Nothing sealed is forgotten: the list of places is compared with the database, and with what rooms seal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from portal.accounts.endpoints import keep_for_form, pending_endpoint
from portal.contract.secrets import Secret
from portal.database.transaction import connection
from portal.security.keyrings import current_keyring
from portal.security.places import SEALED_PLACES, count_uses
from portal.security.sealing import open_sealed, seal
from portal.settings import Settings
from tests.builders import connect_account, make_invoice
from tests.security.rings import own_key_file

COLUMNS = """
    SELECT table_name, column_name, data_type FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name LIKE 'sealed\\_%' ORDER BY 1, 2
"""


async def test_every_sealed_column_of_the_database_is_in_the_list(database: None) -> None:
    async with connection() as held:
        rows = await held.fetch(COLUMNS)
    assert [tuple(row) for row in rows] == sorted(
        (place.table, place.column, "jsonb" if place.by_field else "text") for place in SEALED_PLACES
    )


async def test_what_the_rooms_seal_opens_with_the_context_in_the_list(database: None) -> None:
    await connect_account()
    await make_invoice()
    endpoint = await pending_endpoint("acme")
    await keep_for_form(
        "acme",
        "these keys",
        {"webhook_secret": Secret("whsec_of_the_form")},
        typed={},
        address=f"/{endpoint.token.reveal()}",
    )
    opened = {}
    async with connection() as held:
        for place in SEALED_PLACES:
            rows = await held.fetch(f"SELECT {place.columns}, {place.column} FROM {place.table} AS held")  # noqa: S608 - constants
            opened[str(place)] = [
                open_sealed(text, context=place.context(row, field)).reveal()
                for row in rows
                for field, text in place.texts_of(row).items()
                if text
            ]
    assert {place for place, texts in opened.items() if texts} >= {
        "connected_account.sealed_credentials",
        "invoice.sealed_pay_token",
        "pending_endpoint.sealed_token",
    }
    assert opened["pending_endpoint.sealed_credentials"] == ["whsec_of_the_form"]


async def test_uses_are_counted_by_key_and_place(
    database: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_key_file(tmp_path, settings, monkeypatch)
    await connect_account()
    await pending_endpoint("acme")
    async with connection() as held:
        uses = await count_uses(held)
    assert list(uses) == [current_keyring().primary]
    assert {str(place): count for place, count in uses[current_keyring().primary].items()} == {
        "connected_account.sealed_credentials": 3,
        "connected_account.sealed_webhook_token": 1,
        "pending_endpoint.sealed_token": 1,
    }


async def test_a_proof_needs_its_key_while_it_may_be_read(database: None) -> None:
    async with connection() as held:
        for minutes in (-5, 1):
            await held.execute(
                """
                INSERT INTO delivery_proof (token_hash, marker, sealed_secrets, closes_at)
                VALUES ('', 'marker', $1, now() + make_interval(mins => $2))
                """,
                json.dumps({"0": seal(Secret("whsec_x"), context=("delivery_proof", "marker", "0"))}),
                minutes,
            )
        uses = await count_uses(held)
    assert [str(p) + f" {n}" for p, n in uses[current_keyring().primary].items()] == [
        "delivery_proof.sealed_secrets 1"
    ]
