"""A saved secret is never readable again: pages, headers, logs, audit, errors, the database itself."""

from __future__ import annotations

import logging

import httpx
import pytest

from portal.accounts.services import connected_accounts
from portal.contract.checks import CheckResult, CheckStatus
from portal.contract.errors import AccountAuthFailed, ProviderUnavailable
from portal.database.transaction import connection
from tests.accounts import fakes
from tests.accounts.fakes import ANSWERS, CREDENTIALS, NEW_SIGNING, REFUSES, SECRET, SIGNING
from tests.visitors import Visitor

ACME = "/settings/connected-accounts/acme"
NEW_KEY = "key_test_9876543210"
CANARIES = (SECRET, SIGNING, NEW_KEY, NEW_SIGNING)
BLANK = dict.fromkeys(CREDENTIALS, "")


def exposed(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


async def everything_stored() -> str:
    """Every row of every table, as text."""
    async with connection() as held:
        names = [
            r[0] for r in await held.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        dumps = [
            await held.fetchval(f'SELECT string_agg(to_jsonb(t)::text, chr(10)) FROM "{name}" t')  # noqa: S608 - names of the catalogue
            for name in names
        ]
    return "\n".join(filter(None, dumps))


class _Clumsy(Exception):
    """What a careless plugin raises."""


async def test_no_secret_is_seen_from_the_first_key_typed_to_the_disconnect(
    ana: Visitor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []

    async def post(path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        answer = await ana.post(f"{ACME}/{path}", fields, **headers)
        said.append(f"{answer.headers}\n{answer.text}")
        return answer

    async def visit(path: str) -> None:
        answer = await ana.get(path)
        said.append(f"{answer.headers}\n{answer.text}")

    await post("check-field", {**CREDENTIALS, "field": "secret_key"})
    await post("validate", CREDENTIALS)
    await post("validate", CREDENTIALS, hx_request="true")
    ANSWERS["account"] = CheckResult(CheckStatus.FAILED, "No.")
    await post("connect", CREDENTIALS)
    ANSWERS.clear()

    def clumsy(_: str) -> None:
        raise _Clumsy(f"refused {SECRET} and {SIGNING}")

    with monkeypatch.context() as patched:
        patched.setattr(fakes, "_ask", clumsy)
        broken = await post("validate", CREDENTIALS)
        assert "This check broke, so nothing is known." in broken.text

    assert (await post("connect", CREDENTIALS)).status_code == 303
    account = (await connected_accounts("acme"))[0]
    number = {"account": str(account.id)}
    await visit(ACME)
    await visit("/settings/connected-accounts")
    await post("recheck", number)
    await post("rotate", {**BLANK, **number, "secret_key": NEW_KEY, "signing": NEW_SIGNING})
    REFUSES["identify"] = AccountAuthFailed("Acme refused this key.")
    await post("rotate", {**BLANK, **number, "secret_key": SECRET})
    REFUSES.clear()
    REFUSES["make_endpoint"] = ProviderUnavailable("Acme is away.")
    await post("mend", {**number, "repair": "make_endpoint"})
    REFUSES.clear()
    await visit(f"{ACME}/keys?account={account.id}")
    await visit("/audit-log")
    stored = await everything_stored()
    assert '"sealed_credentials"' in stored
    await post("disconnect", {**number, "confirmation": "Northwind"})
    await visit("/")

    logged = "\n".join(record.getMessage() + str(record.__dict__) for record in caplog.records)
    assert exposed("\n".join(said)) == []
    assert exposed(stored) == []
    assert exposed(await everything_stored()) == []
    assert exposed(logged + caplog.text) == []


async def test_disconnecting_leaves_nothing_sealed(ana: Visitor) -> None:
    await ana.post(f"{ACME}/connect", CREDENTIALS)
    account = (await connected_accounts("acme"))[0]
    await ana.post(f"{ACME}/rotate", {**BLANK, "account": str(account.id), "signing": NEW_SIGNING})
    await ana.post(f"{ACME}/disconnect", {"account": str(account.id), "confirmation": "Northwind"})
    async with connection() as held:
        row = await held.fetchrow(
            "SELECT sealed_credentials, sealed_previous, sealed_webhook_token FROM connected_account"
        )
    assert row is not None
    assert tuple(row) == ("{}", "{}", "")
