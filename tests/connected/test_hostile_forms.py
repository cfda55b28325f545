"""Forms that no page of the portal would send, and presses in an order that nobody planned."""

from __future__ import annotations

import pytest
from litestar import Litestar

from portal.accounts.check_runs import subject_of_account
from portal.accounts.rotations import replace_credentials
from portal.accounts.services import connected_accounts, load_account
from portal.contract.checks import CheckResult, CheckStatus
from portal.contract.secrets import Secret
from portal.database.transaction import connection
from tests.accounts.fakes import (
    ANA,
    ANSWERS,
    ASKED,
    CREDENTIALS,
    NEW_SIGNING,
    SIGNING,
    Acme,
    connect_acme,
)
from tests.visitors import Visitor

ACME = "/settings/connected-accounts/acme"
BLANK = dict.fromkeys(CREDENTIALS, "")
REFUSED = CheckResult(CheckStatus.FAILED, "It was signed with another secret.")
HUGE = ("9" * 25, "9" * 5000, "-1", "١", "one")


async def signing_of_the_only_one() -> str:
    return (await load_account((await connected_accounts("acme"))[0].id)).credentials["signing"].reveal()


async def test_the_secret_that_a_repair_brought_takes_the_place_of_a_typed_one(ana: Visitor) -> None:
    await ana.post(f"{ACME}/validate", CREDENTIALS)
    answer = await ana.post(f"{ACME}/repair", {**CREDENTIALS, "repair": "make_endpoint"})
    assert "The endpoint was made." in answer.text
    assert (await ana.post(f"{ACME}/connect", CREDENTIALS)).status_code == 303
    assert await signing_of_the_only_one() == NEW_SIGNING


async def test_a_secret_that_is_pasted_after_the_repair_is_the_one_that_counts(ana: Visitor) -> None:
    await ana.post(f"{ACME}/repair", {**CREDENTIALS, "repair": "make_endpoint"})
    later = {**CREDENTIALS, "signing": "sign_pasted_later_0123"}
    assert (await ana.post(f"{ACME}/connect", later)).status_code == 303
    assert await signing_of_the_only_one() == "sign_pasted_later_0123"


async def test_a_repair_that_brought_a_secret_has_it_checked(ana: Visitor) -> None:
    await ana.post(f"{ACME}/validate", CREDENTIALS)
    ASKED.clear()
    ANSWERS["events"] = REFUSED
    await ana.post(f"{ACME}/repair", {**CREDENTIALS, "repair": "make_endpoint"})
    assert ASKED == ["make_endpoint", "events"]
    assert (await ana.post(f"{ACME}/connect", CREDENTIALS)).status_code == 422


async def test_a_new_secret_of_a_saved_connection_is_checked_though_the_old_one_passed(ana: Visitor) -> None:
    account_id = await connect_acme()
    await ana.post(f"{ACME}/recheck", {"account": str(account_id)})
    ASKED.clear()
    form = {"account": str(account_id), "repair": "make_endpoint"}
    await ana.post(f"{ACME}/mend", form, hx_request="true", accept="text/event-stream")
    assert "events" in ASKED


@pytest.mark.parametrize("path", ["repair", "connect"])
async def test_the_form_for_new_keys_cannot_be_sent_where_connections_are_made(
    ana: Visitor, path: str
) -> None:
    account_id = await connect_acme()
    form = {**BLANK, "purpose": "rotate", "account": str(account_id), "repair": "make_endpoint"}
    answer = await ana.post(f"{ACME}/{path}", form)
    assert answer.status_code == 404
    assert ASKED == []
    assert await signing_of_the_only_one() == SIGNING


@pytest.mark.parametrize("number", HUGE)
@pytest.mark.parametrize(
    "path", ["recheck", "mend", "rotate", "rotate/endpoint", "rotate/finish", "validate", "disconnect"]
)
async def test_an_account_that_cannot_be_is_not_found(ana: Visitor, path: str, number: str) -> None:
    await connect_acme()
    sent = {"account": number}
    if path in ("validate", "rotate"):
        sent |= {**BLANK, "purpose": "rotate"}
    answer = await ana.post(f"{ACME}/{path}", sent)
    # Only an address without a number means the first connection: a form changes the one that it names.
    assert answer.status_code in (400, 404), (path, number[:30], answer.status_code)
    assert ASKED == []


@pytest.mark.parametrize("number", HUGE)
async def test_no_address_with_an_account_that_cannot_be_breaks_the_portal(ana: Visitor, number: str) -> None:
    await connect_acme()
    for path in ("", "/keys", "/switch-to-live", "/disconnect"):
        answer = await ana.get(f"{ACME}{path}?account={number}")
        assert answer.status_code in (400, 404), (path, number[:30], answer.status_code)


@pytest.mark.parametrize(
    "results", ['{"account": {"status": "fine", "message": "As it was called once."}}', "[]", "{"]
)
async def test_results_of_another_release_are_as_good_as_none(ana: Visitor, results: str) -> None:
    account_id = await connect_acme()
    async with connection() as held:
        await held.execute(
            "INSERT INTO check_run (subject, fingerprint, results, ran_at) VALUES ($1, '', $2, now())",
            subject_of_account(account_id),
            results,
        )
    page = await ana.get(f"{ACME}?account={account_id}")
    assert page.status_code == 200
    assert "Not run yet" in page.text


async def test_a_check_that_is_no_more_is_neither_shown_nor_counted(ana: Visitor) -> None:
    account_id = await connect_acme()
    async with connection() as held:
        await held.execute(
            "INSERT INTO check_run (subject, fingerprint, results, ran_at) VALUES ($1, '', $2, now())",
            subject_of_account(account_id),
            '{"account": {"status": "passed", "message": "Fine.", "colour": "red"},'
            ' "stars": {"status": "failed", "message": "They stood badly."}}',
        )
    page = (await ana.get(f"{ACME}?account={account_id}")).text
    assert "1 problem" not in page


async def test_a_connection_whose_secrets_cannot_be_opened_can_still_be_seen_and_ended(
    ana: Visitor, acme_app: Litestar
) -> None:
    account_id = await connect_acme()
    async with connection() as held:
        await held.execute("UPDATE connected_account SET sealed_webhook_token = 'v1.k000000.AAAA.AAAA'")
    page = await ana.get(f"{ACME}?account={account_id}")
    assert page.status_code == 200
    form = {"account": str(account_id), "confirmation": "Northwind", "remove_endpoint": "on"}
    assert (await ana.post(f"{ACME}/disconnect", form)).status_code == 303


async def test_what_was_found_with_replaced_keys_does_not_stand_when_one_row_is_repeated(
    ana: Visitor,
) -> None:
    account_id = await connect_acme()
    await ana.post(f"{ACME}/recheck", {"account": str(account_id)})
    new = {"secret_key": Secret("key_test_9876543210")}
    await replace_credentials(account_id, Acme(), new, actor=ANA)
    ASKED.clear()
    await ana.post(f"{ACME}/recheck", {"account": str(account_id), "only": "events"})
    assert ASKED == ["account", "events"]
