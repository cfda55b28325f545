"""The pages of a saved connection: checks, repairs, new keys, going live, the end."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from litestar import Litestar

from portal.accounts.services import connected_accounts, load_account, load_summary, mark_broken
from portal.contract.checks import CheckResult, CheckStatus
from portal.contract.errors import ProviderUnavailable
from portal.database.transaction import connection
from portal.web.request import Role
from tests.accounts.fakes import (
    ANSWERS,
    ASKED,
    CREDENTIALS,
    NEW_SIGNING,
    PASSED,
    REFUSES,
    SECRET,
    SIGNING,
    connect_acme,
)
from tests.visitors import Visitor, add_person, sign_in_as

ACME = "/settings/connected-accounts/acme"
BLANK = dict.fromkeys(CREDENTIALS, "")
NEW_KEY = "key_test_9876543210"
LIVE = {**CREDENTIALS, "public_key": "pub_live_0123456", "secret_key": "key_live_0123456789"}
REFUSED = CheckResult(CheckStatus.FAILED, "Acme refused this key.", fix="Make a new one.")


async def one(query: str, *args: object) -> object:
    async with connection() as held:
        found: object = await held.fetchval(query, *args)
    return found


async def rotate(ana: Visitor, account_id: int, **typed: str) -> str:
    answer = await ana.post(f"{ACME}/rotate", {**BLANK, "account": str(account_id), **typed})
    if answer.status_code != 303:
        return answer.text
    return (await ana.get(answer.headers["location"])).text


async def test_a_failed_recheck_is_the_reason_of_its_health(ana: Visitor) -> None:
    account_id = await connect_acme()
    ANSWERS["events"] = REFUSED
    page = await ana.post(f"{ACME}/recheck", {"account": str(account_id)})
    assert "Events: Acme refused this key." in page.text
    assert (await load_summary(account_id)).state == "needs_attention"
    del ANSWERS["events"]
    ASKED.clear()
    page = await ana.post(f"{ACME}/recheck", {"account": str(account_id), "only": "events"})
    assert ASKED == ["events"]
    assert (await load_summary(account_id)).state == "ready"


async def test_the_page_shows_the_last_run_without_asking_anybody(ana: Visitor) -> None:
    account_id = await connect_acme()
    await ana.post(f"{ACME}/recheck", {"account": str(account_id)})
    ASKED.clear()
    page = (await ana.get(ACME)).text
    assert "All 2 checks passed" in page
    assert "Last checked" in page
    assert ASKED == []


async def test_a_repair_of_a_saved_connection_keeps_both_secrets(ana: Visitor) -> None:
    account_id = await connect_acme()
    answer = await ana.post(f"{ACME}/mend", {"account": str(account_id), "repair": "make_endpoint"})
    assert answer.status_code == 303
    account = await load_account(account_id)
    assert account.credentials["signing"].reveal() == NEW_SIGNING
    assert account.previous["signing"].reveal() == SIGNING


async def test_a_repair_that_would_bring_a_third_secret_waits_before_anything_is_done(ana: Visitor) -> None:
    account_id = await connect_acme()
    form = {"account": str(account_id), "repair": "make_endpoint"}
    await ana.post(f"{ACME}/mend", form)
    ASKED.clear()
    answer = await ana.post(f"{ACME}/mend", form)
    assert answer.status_code == 409
    assert "The signing secret before this one is still accepted." in answer.text
    assert ASKED == []


async def test_a_repair_that_fails_says_so_on_the_page(ana: Visitor) -> None:
    account_id = await connect_acme()
    REFUSES["make_endpoint"] = ProviderUnavailable("Acme is away.", hint="Press it again.")
    form = {"account": str(account_id), "repair": "make_endpoint"}
    for headers in ({}, {"hx_request": "true"}):
        answer = await ana.post(f"{ACME}/mend", form, **headers)
        assert answer.status_code == 503
        assert "Acme is away. Press it again." in answer.text


async def test_only_what_is_entered_is_replaced(ana: Visitor) -> None:
    account_id = await connect_acme()
    page = await rotate(ana, account_id, secret_key=NEW_KEY)
    assert "The new secret key is in use." in page
    assert NEW_KEY not in page
    account = await load_account(account_id)
    assert account.credentials["secret_key"].reveal() == NEW_KEY
    assert account.credentials["signing"].reveal() == SIGNING
    assert not account.previous


async def test_a_new_signing_secret_says_how_long_the_old_one_is_accepted(ana: Visitor) -> None:
    account_id = await connect_acme()
    page = await rotate(ana, account_id, signing=NEW_SIGNING)
    assert "The old signing secret is accepted for 24 hours." in page
    assert "Two signing secrets are accepted" in page
    assert "New one not used yet" in page


async def test_new_keys_are_checked_before_they_replace_anything(ana: Visitor) -> None:
    account_id = await connect_acme()
    ANSWERS["account"] = REFUSED
    page = await rotate(ana, account_id, secret_key=NEW_KEY)
    assert "Account: Acme refused this key." in page
    assert (await load_account(account_id)).credentials["secret_key"].reveal() == SECRET


async def test_a_key_of_another_account_changes_nothing(ana: Visitor) -> None:
    account_id = await connect_acme()
    page = await rotate(ana, account_id, secret_key="key_test_ltd_0123456")
    assert "This key belongs to Acme Ltd. You are connected to Northwind." in page
    page = await rotate(ana, account_id, secret_key="key_live_0123456789", public_key="pub_live_0123456")
    assert "This is a live key. This connection is in test mode." in page
    assert (await load_account(account_id)).credentials["secret_key"].reveal() == SECRET


async def test_a_malformed_new_key_is_told_at_its_field(ana: Visitor) -> None:
    account_id = await connect_acme()
    answer = await ana.post(f"{ACME}/rotate", {**BLANK, "account": str(account_id), "secret_key": "nonsense"})
    assert answer.status_code == 422
    assert "Paste the one that starts with key_." in answer.text
    assert "Enter the signing secret." not in answer.text


async def test_doubts_about_new_keys_are_asked_about_first(ana: Visitor) -> None:
    account_id = await connect_acme()
    ANSWERS["events"] = CheckResult(CheckStatus.UNPROVED, "Nobody knows.")
    answer = await ana.post(f"{ACME}/rotate", {**BLANK, "account": str(account_id), "secret_key": NEW_KEY})
    assert "Save with 1 warning?" in answer.text
    assert (await load_account(account_id)).credentials["secret_key"].reveal() == SECRET
    fields = dict(re.findall(r'name="(accepted|kept)" value="([^"]*)"', answer.text))
    page = await rotate(ana, account_id, **fields)
    assert "The new secret key is in use." in page


async def test_a_broken_connection_is_mended_by_a_new_key(ana: Visitor) -> None:
    account_id = await connect_acme()
    await mark_broken(account_id, "Acme refused this key.")
    front = (await ana.get("/")).text
    assert "Enter a new key" in front
    assert f"{ACME}/keys?account={account_id}" in front
    await rotate(ana, account_id, secret_key=NEW_KEY)
    assert (await load_summary(account_id)).state == "ready"
    assert "Enter a new key" not in (await ana.get("/")).text


async def test_the_portal_replaces_the_endpoint_and_opens_it_only_once_the_secret_is_stored(
    ana: Visitor,
) -> None:
    account_id = await connect_acme()
    answer = await ana.post(f"{ACME}/rotate/endpoint", {"account": str(account_id)})
    assert answer.status_code == 303
    assert ["replace_endpoint", f"open_endpoint with …{NEW_SIGNING[-4:]}"] == ASKED
    again = await ana.post(f"{ACME}/rotate/endpoint", {"account": str(account_id)})
    assert again.status_code == 409
    assert "Remove the old secret first" in again.text
    done = await ana.post(f"{ACME}/rotate/finish", {"account": str(account_id)})
    assert done.status_code == 303
    assert ASKED[-1] == "retire_endpoint"
    assert not (await load_account(account_id)).previous


async def test_going_live_shows_both_modes_and_stays_locked_until_all_is_green(ana: Visitor) -> None:
    account_id = await connect_acme()
    ANSWERS["account"] = CheckResult(CheckStatus.PASSED, "Fine.", shown={"Payouts": "on"})
    await ana.post(f"{ACME}/recheck", {"account": str(account_id)})
    page = (await ana.get(f"{ACME}/switch-to-live?account={account_id}")).text
    assert "Test and live, side by side" in page
    assert "Not known yet" in page
    form = {**LIVE, "purpose": "switch", "account": str(account_id)}
    ANSWERS["account"] = CheckResult(CheckStatus.WARNING, "Payouts are off.", shown={"Payouts": "off"})
    locked = await ana.post(f"{ACME}/connect", form)
    assert locked.status_code == 422
    assert "Going live stays locked until every check is green." in locked.text
    assert "(differs)" in locked.text
    assert "Connect with" not in locked.text
    ANSWERS["account"] = PASSED
    assert (await ana.post(f"{ACME}/connect", form)).status_code == 303
    assert [a.mode for a in await connected_accounts("acme")] == ["live", "test"]


async def test_test_keys_do_not_go_live(ana: Visitor) -> None:
    account_id = await connect_acme()
    form = {**CREDENTIALS, "secret_key": NEW_KEY, "purpose": "switch", "account": str(account_id)}
    answer = await ana.post(f"{ACME}/connect", form)
    assert "These are test keys. Enter live keys to go live." in answer.text
    assert len(await connected_accounts("acme")) == 1


async def test_a_live_connection_is_not_switched_again(ana: Visitor) -> None:
    account_id = await connect_acme(secret="key_live_0123456789")
    assert (await ana.get(f"{ACME}/switch-to-live?account={account_id}")).status_code == 409
    assert "Switch to live" not in (await ana.get(ACME)).text


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (None, "The webhook endpoint is deleted at Acme."),
        (ProviderUnavailable("Away."), "delete it at Acme yourself."),
    ],
)
async def test_the_endpoint_goes_with_the_connection_when_asked(
    ana: Visitor, refusal: ProviderUnavailable | None, words: str
) -> None:
    account_id = await connect_acme()
    if refusal:
        REFUSES["remove_endpoint"] = refusal
    form = {"account": str(account_id), "confirmation": "Northwind", "remove_endpoint": "on"}
    answer = await ana.post(f"{ACME}/disconnect", form)
    assert words in (await ana.get(answer.headers["location"])).text
    assert (await load_summary(account_id)).state == "disconnected"
    assert await one("SELECT sealed_credentials FROM connected_account") == "{}"


async def test_the_endpoint_stays_when_nobody_asked(ana: Visitor) -> None:
    account_id = await connect_acme()
    await ana.post(f"{ACME}/disconnect", {"account": str(account_id), "confirmation": "Northwind"})
    assert "remove_endpoint" not in ASKED


async def test_what_the_key_may_not_do_is_not_offered(ana: Visitor) -> None:
    account_id = await connect_acme()
    off = CheckResult(CheckStatus.WARNING, "Missing.", features_off={"endpoints": "It may not."})
    assert "Replace the secret for me" in (await ana.get(ACME)).text
    assert "Also delete the webhook endpoint" in (await ana.get(f"{ACME}/disconnect")).text
    ANSWERS["account"] = off
    await ana.post(f"{ACME}/recheck", {"account": str(account_id)})
    assert "Replace the secret for me" not in (await ana.get(ACME)).text
    assert "Also delete the webhook endpoint" not in (await ana.get(f"{ACME}/disconnect")).text


async def test_a_silent_webhook_is_told_when_events_are_to_be_expected(ana: Visitor) -> None:
    account_id = await connect_acme()
    long_ago = datetime.now(UTC) - timedelta(days=2)
    async with connection() as held:
        await held.execute("UPDATE connected_account SET connected_at = $1", long_ago)
    assert "No webhook has arrived for a day." not in (await ana.get(ACME)).text
    async with connection() as held:
        await held.execute(
            """
            WITH c AS (INSERT INTO customer (name, created_at, updated_at)
                       VALUES ('C', now(), now()) RETURNING id)
            INSERT INTO invoice (customer, account, mode, currency, status, number, external_id, created_at)
            SELECT c.id, $1, 'test', 'usd', 'open', 'INV-1', 'in_1', now() FROM c
            """,
            account_id,
        )
    page = (await ana.get(ACME)).text
    assert "No webhook has arrived for a day." in page
    assert "The last one came" not in page
    assert "None has come since the account was connected" in page
    async with connection() as held:
        await held.execute("UPDATE connected_account SET last_event_at = now()")
    assert "No webhook has arrived for a day." not in (await ana.get(ACME)).text


async def test_a_viewer_sees_health_and_may_change_nothing(acme_app: Litestar, ana: Visitor) -> None:
    account_id = await connect_acme()
    viewer = Visitor(acme_app)
    await sign_in_as(viewer, await add_person(role=Role.VIEWER, email="v@example.com", name="Vi"))
    page = (await viewer.get(ACME)).text
    assert "Healthy" in page
    for words in ("Replace keys", "Disconnect Acme", "Check everything again", "Switch to live"):
        assert words not in page
    for path in ("keys", "switch-to-live", "disconnect"):
        assert (await viewer.get(f"{ACME}/{path}?account={account_id}")).status_code == 403
    for path in ("rotate", "rotate/endpoint", "rotate/finish", "recheck", "mend", "disconnect"):
        assert (await viewer.post(f"{ACME}/{path}", {"account": str(account_id)})).status_code == 403
    await viewer.http.aclose()
    assert ASKED == []
