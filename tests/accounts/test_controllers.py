"""The connected accounts as a browser sees them, with and without scripts."""

from __future__ import annotations

import re
from html import unescape

from litestar import Litestar

from portal.accounts.allowances import RUNS
from portal.accounts.services import connected_accounts, load_account
from portal.contract.checks import CheckResult, CheckStatus
from portal.contract.errors import ProviderUnavailable
from portal.database.transaction import connection
from portal.web.request import Role
from tests.accounts.fakes import (
    ANSWERS,
    ASKED,
    CREDENTIALS,
    NEW_SIGNING,
    REFUSES,
    SECRET,
    SIGNING,
    connect_acme,
)
from tests.builders import make_organisation
from tests.visitors import Visitor, add_person, sign_in_as

LIST = "/settings/connected-accounts"
ACME = f"{LIST}/acme"
DOUBT = CheckResult(CheckStatus.UNPROVED, "Nobody knows.", tag="Unproved")
REFUSED = CheckResult(
    CheckStatus.FAILED,
    "Acme refused this key.",
    fix="Make a new one.",
    fix_url="https://acme.example/keys",
    fix_label="Keys",
)


async def count(table: str = "connected_account") -> int:
    async with connection() as held:
        found: int = await held.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of this file
    return found


def hidden(html: str, name: str) -> str:
    """The value of a hidden input or button."""
    found = re.search(rf'name="{name}" value="([^"]*)"', html)
    return unescape(found[1]) if found else ""


async def test_every_provider_has_a_card_and_a_broken_one_its_reason(ana: Visitor) -> None:
    html = (await ana.get(LIST)).text
    assert "Connect Acme" in html
    assert "Failed to load" in html
    assert "ImportError while importing plugins.rusty.plugin." in html


async def test_the_form_shows_the_address_before_any_key_is_known(ana: Visitor) -> None:
    first, second = (await ana.get(ACME)).text, (await ana.get(ACME)).text
    address = re.compile(r"http://testserver\.local/webhooks/acme/[\w-]{43}")
    assert address.findall(first)[0] == address.findall(second)[0]
    assert "Not run yet" in first


async def test_an_unknown_provider_is_not_found(ana: Visitor) -> None:
    assert (await ana.get(f"{LIST}/nobody")).status_code == 404
    assert (await ana.post(f"{LIST}/nobody/connect", CREDENTIALS)).status_code == 404


async def test_typing_is_answered_with_the_slots_of_both_fields(ana: Visitor) -> None:
    values = {"public_key": "pub_test", "secret_key": "key_live", "signing": ""}
    answer = await ana.post(f"{ACME}/check-field", values, hx_request="true", hx_source="input#secret_key")
    assert answer.status_code == 200
    assert '<hx-partial hx-target="#secret_key-fb"' in answer.text
    assert "Use keys of the same mode." in answer.text
    assert "See the secret key." in answer.text
    assert "key_live" not in answer.text


async def test_typing_marks_old_results(ana: Visitor) -> None:
    values = {**CREDENTIALS, "checked": "yes", "field": "signing"}
    assert "Out of date" in (await ana.post(f"{ACME}/check-field", values)).text
    del values["checked"]
    assert "Out of date" not in (await ana.post(f"{ACME}/check-field", values)).text


async def test_leaving_a_good_field_changes_nothing(ana: Visitor) -> None:
    answer = await ana.post(f"{ACME}/check-field", CREDENTIALS, hx_source="div#left-signing")
    assert (answer.status_code, answer.text) == (204, "")


async def test_credentials_that_are_connected_already_are_recognised(ana: Visitor) -> None:
    await connect_acme()
    answer = await ana.post(f"{ACME}/check-field", {**CREDENTIALS, "field": "secret_key"})
    assert "This account is already connected here." in answer.text


async def test_a_field_that_the_form_does_not_have_is_refused(ana: Visitor) -> None:
    assert (await ana.post(f"{ACME}/check-field", {"field": "other"})).status_code == 404
    assert (await ana.post(f"{ACME}/check-field", {"extra": "1"})).status_code == 400


async def test_without_scripts_validate_answers_with_the_finished_list(ana: Visitor) -> None:
    ANSWERS["account"] = REFUSED
    answer = await ana.post(f"{ACME}/validate", CREDENTIALS)
    assert answer.status_code == 200
    for words in ("Acme refused this key.", "Make a new one.", "https://acme.example/keys", "1 problem"):
        assert words in answer.text
    assert "Not checked because an earlier check failed." in answer.text
    assert SECRET not in answer.text
    assert SIGNING not in answer.text


async def test_with_scripts_each_row_is_streamed(ana: Visitor) -> None:
    answer = await ana.post(f"{ACME}/validate", CREDENTIALS, hx_request="true")
    assert answer.headers["content-type"].startswith("text/event-stream")
    text = answer.text
    assert text.count('hx-target="#check-account"') == 2
    assert text.count('hx-target="#check-events"') == 2
    assert text.index("Checking 1 of 2") < text.index("Checking 2 of 2") < text.index("All 2 checks passed")
    assert SECRET not in text


async def test_the_seventh_run_in_a_minute_is_refused_with_words(ana: Visitor) -> None:
    for _ in range(RUNS):
        assert (await ana.post(f"{ACME}/validate", CREDENTIALS)).status_code == 200
    for headers in ({}, {"hx_request": "true"}):
        refused = await ana.post(f"{ACME}/validate", CREDENTIALS, **headers)
        assert refused.status_code == 429
        assert "You ran the checks too often in the last minute." in refused.text
    assert (await ana.post(f"{ACME}/connect", CREDENTIALS)).status_code == 303


async def test_saving_connects_and_says_so(ana: Visitor) -> None:
    answer = await ana.post(f"{ACME}/connect", CREDENTIALS)
    assert answer.status_code == 303
    page = (await ana.get(answer.headers["location"])).text
    assert "Acme connected in test mode." in page
    assert "Northwind" in page
    assert CREDENTIALS["public_key"][-4:] in page
    for secret in (SECRET, SIGNING):
        assert secret not in page
    assert await count() == 1


async def test_with_scripts_saving_redirects_by_header(ana: Visitor) -> None:
    answer = await ana.post(f"{ACME}/connect", CREDENTIALS, hx_request="true")
    assert answer.status_code == 204
    assert answer.headers["hx-redirect"].startswith(f"{ACME}?account=")


async def test_a_malformed_field_is_refused_before_anything_is_asked(ana: Visitor) -> None:
    answer = await ana.post(f"{ACME}/connect", {**CREDENTIALS, "signing": "we_1"})
    assert answer.status_code == 422
    assert "<title>Error: " in answer.text
    assert "There is a problem" in answer.text
    assert "Paste the one that starts with sign_." in answer.text
    assert CREDENTIALS["public_key"] in answer.text
    assert SECRET not in answer.text
    assert "Kept for 10 minutes." in answer.text
    assert hidden(answer.text, "kept")
    assert await count("check_allowance") == 0


async def test_a_failed_check_blocks_saving(ana: Visitor) -> None:
    ANSWERS["account"] = REFUSED
    for headers in ({}, {"hx_request": "true"}):
        answer = await ana.post(f"{ACME}/connect", CREDENTIALS, **headers)
        assert answer.status_code == 422
        assert "Account: Acme refused this key." in answer.text
        assert SECRET not in answer.text
    assert await count() == 0


async def test_doubts_are_asked_about_once_and_no_secret_is_typed_twice(ana: Visitor) -> None:
    ANSWERS["events"] = DOUBT
    asked = await ana.post(f"{ACME}/connect", CREDENTIALS)
    assert asked.status_code == 200
    assert "Connect with 1 warning?" in asked.text
    assert await count() == 0
    again = {
        "public_key": CREDENTIALS["public_key"],
        "secret_key": "",
        "signing": "",
        "kept": hidden(asked.text, "kept"),
        "accepted": hidden(asked.text, "accepted"),
    }
    assert (await ana.post(f"{ACME}/connect", again)).status_code == 303
    assert await count() == 1


async def test_an_agreement_does_not_cover_a_new_doubt_or_another_key(ana: Visitor) -> None:
    ANSWERS["events"] = DOUBT
    accepted = hidden((await ana.post(f"{ACME}/connect", CREDENTIALS)).text, "accepted")
    other = {**CREDENTIALS, "secret_key": "key_test_other_one", "accepted": accepted}
    assert "Connect with 1 warning?" in (await ana.post(f"{ACME}/connect", other)).text
    ANSWERS["account"] = DOUBT
    more = await ana.post(f"{ACME}/connect", {**CREDENTIALS, "accepted": accepted})
    assert "Connect with 2 warnings?" in more.text
    assert await count() == 0


async def test_somebody_elses_connection_is_a_conflict_in_words(acme_app: Litestar, ana: Visitor) -> None:
    await connect_acme()
    ben = Visitor(acme_app)
    await sign_in_as(ben, await add_person(role=Role.ADMIN, email="ben@example.com", name="Ben"))
    answer = await ben.post(f"{ACME}/connect", CREDENTIALS)
    await ben.http.aclose()
    assert answer.status_code == 409
    assert "Northwind is already connected in test mode." in answer.text


async def test_a_saved_connection_is_checked_with_its_own_keys(ana: Visitor) -> None:
    account_id = await connect_acme()
    plain = await ana.post(f"{ACME}/recheck", {"account": str(account_id)})
    assert "All 2 checks passed" in plain.text
    streamed = await ana.post(f"{ACME}/recheck", {"account": str(account_id)}, hx_request="true")
    assert "All 2 checks passed" in streamed.text
    assert (await ana.post(f"{ACME}/recheck", {"account": "404"})).status_code == 404


async def test_one_more_account_can_be_connected_beside_the_first(ana: Visitor) -> None:
    await connect_acme()
    assert "Danger zone" in (await ana.get(ACME)).text
    assert "Nothing is saved until you choose Save." in (await ana.get(f"{ACME}?new=yes")).text


async def test_disconnecting_needs_the_name(ana: Visitor) -> None:
    account_id = await connect_acme()
    asked = await ana.get(f"{ACME}/disconnect")
    assert "Rockets keep flying." in asked.text
    form = {"account": str(account_id), "confirmation": "Acme"}
    refused = await ana.post(f"{ACME}/disconnect", form)
    assert refused.status_code == 422
    assert "Type Northwind to confirm." in refused.text
    done = await ana.post(f"{ACME}/disconnect", {**form, "confirmation": " northwind "})
    assert done.status_code == 303
    assert "Acme disconnected." in (await ana.get(done.headers["location"])).text
    assert (await ana.get(f"{ACME}/disconnect")).status_code == 404


async def test_the_sandbox_is_not_offered_where_there_is_none(ana: Visitor) -> None:
    assert "sandbox" not in (await ana.get(ACME)).text
    assert (await ana.post(f"{ACME}/use-sandbox")).status_code == 404


async def test_those_who_only_read_see_states_and_no_buttons(viewer: Visitor, acme_app: Litestar) -> None:
    vic = Visitor(acme_app)
    vic.use_session(str(viewer.session))
    assert "Connect Acme" not in (await vic.get(LIST)).text
    assert (await vic.get(ACME)).status_code == 403
    for action in ("check-field", "validate", "connect", "use-sandbox", "disconnect"):
        assert (await vic.post(f"{ACME}/{action}", CREDENTIALS)).status_code == 403
    await connect_acme()
    page = (await vic.get(ACME)).text
    assert "Northwind" in page
    assert "Danger zone" not in page
    assert (await vic.get(f"{ACME}/disconnect")).status_code == 403
    await vic.http.aclose()


async def test_nobody_gets_in_without_a_session(acme_app: Litestar, database: None) -> None:
    await make_organisation()
    stranger = Visitor(acme_app)
    assert (await stranger.get(LIST)).status_code in (303, 401)
    assert (await stranger.post(f"{ACME}/validate", CREDENTIALS)).status_code in (303, 401)
    await stranger.http.aclose()


async def streamed(ana: Visitor, path: str, **fields: str) -> str:
    return (await ana.post(f"{ACME}/{path}", fields, hx_request="true")).text


async def test_one_row_is_asked_again_and_the_others_stand(ana: Visitor) -> None:
    ANSWERS["events"] = REFUSED
    await ana.post(f"{ACME}/validate", CREDENTIALS)
    ASKED.clear()
    del ANSWERS["events"]
    text = await streamed(ana, "validate", **CREDENTIALS, only="events")
    assert ASKED == ["events"]
    assert 'hx-target="#check-account"' not in text
    assert "All 2 checks passed" in text


async def test_a_row_of_other_values_is_not_believed(ana: Visitor) -> None:
    await ana.post(f"{ACME}/validate", CREDENTIALS)
    ASKED.clear()
    await streamed(ana, "validate", **{**CREDENTIALS, "signing": "sign_0000000000"}, only="events")
    assert ASKED == ["account", "events"]


async def test_save_asks_only_what_was_not_passed_for_these_values(ana: Visitor) -> None:
    await ana.post(f"{ACME}/validate", CREDENTIALS)
    ASKED.clear()
    assert (await ana.post(f"{ACME}/connect", CREDENTIALS)).status_code == 303
    assert ASKED == ["identify"]


async def test_save_asks_everything_for_values_that_were_never_checked(ana: Visitor) -> None:
    await ana.post(f"{ACME}/validate", {**CREDENTIALS, "signing": "sign_0000000000"})
    ASKED.clear()
    assert (await ana.post(f"{ACME}/connect", CREDENTIALS)).status_code == 303
    assert ASKED == ["account", "events", "identify"]


async def test_a_check_that_did_not_pass_is_asked_again_by_save(ana: Visitor) -> None:
    ANSWERS["events"] = REFUSED
    await ana.post(f"{ACME}/validate", CREDENTIALS)
    ASKED.clear()
    assert (await ana.post(f"{ACME}/connect", CREDENTIALS)).status_code == 422
    assert ASKED == ["events"]


async def test_a_repair_brings_the_secret_that_nobody_has_to_paste(ana: Visitor) -> None:
    keys = {**CREDENTIALS, "signing": ""}
    page = await ana.get(ACME)
    assert "Create it for me" in page.text
    answer = await ana.post(f"{ACME}/repair", {**keys, "repair": "make_endpoint"})
    assert "The endpoint was made." in answer.text
    assert "All 2 checks passed" in answer.text
    assert NEW_SIGNING not in answer.text
    assert (await ana.post(f"{ACME}/connect", keys)).status_code == 303
    account = await load_account((await connected_accounts("acme"))[0].id)
    assert account.credentials["signing"].reveal() == NEW_SIGNING


async def test_what_a_repair_brought_is_stored_sealed_at_once(ana: Visitor) -> None:
    await streamed(ana, "repair", **{**CREDENTIALS, "signing": ""}, repair="make_endpoint")
    async with connection() as held:
        row = await held.fetchrow("SELECT sealed_credentials, made_for FROM pending_endpoint")
    assert row is not None
    assert row["sealed_credentials"] != "{}"
    assert NEW_SIGNING not in str(dict(row))


async def test_what_a_repair_brought_is_not_used_for_other_keys(ana: Visitor) -> None:
    await streamed(ana, "repair", **{**CREDENTIALS, "signing": ""}, repair="make_endpoint")
    other = {**CREDENTIALS, "secret_key": "key_test_1111111111", "signing": ""}
    answer = await ana.post(f"{ACME}/connect", other)
    assert answer.status_code == 422
    assert "Enter the signing secret." in answer.text


async def test_a_repair_that_cannot_be_done_says_so_and_keeps_the_form(ana: Visitor) -> None:
    REFUSES["make_endpoint"] = ProviderUnavailable("Acme is away.", hint="Press it again.")
    answer = await ana.post(f"{ACME}/repair", {**CREDENTIALS, "signing": "", "repair": "make_endpoint"})
    assert answer.status_code == 503
    assert "Acme is away. Press it again." in answer.text
    assert hidden(answer.text, "kept")


async def test_a_repair_needs_keys_that_can_be_used(ana: Visitor) -> None:
    answer = await ana.post(f"{ACME}/repair", {**CREDENTIALS, "secret_key": "x", "repair": "make_endpoint"})
    assert answer.status_code == 422
    assert ASKED == []


async def test_a_repair_is_noted(ana: Visitor) -> None:
    await streamed(ana, "repair", **{**CREDENTIALS, "signing": ""}, repair="make_endpoint")
    async with connection() as held:
        words = await held.fetchval("SELECT words FROM audit_entry WHERE action = 'account.repaired'")
    assert words == "Acme: The endpoint was made."


async def test_a_feature_that_the_key_does_not_allow_is_off_and_says_why(ana: Visitor) -> None:
    off = CheckResult(CheckStatus.WARNING, "One is missing.", features_off={"rockets": "Rockets are locked."})
    ANSWERS["account"] = off
    asked = await ana.post(f"{ACME}/connect", CREDENTIALS)
    form = {**CREDENTIALS, "accepted": hidden(asked.text, "accepted")}
    saved = await ana.post(f"{ACME}/connect", form)
    assert saved.status_code == 303
    page = (await ana.get(saved.headers["location"])).text
    assert "Off: Rockets are locked." in page
    account = await load_account((await connected_accounts("acme"))[0].id)
    assert not account.can("rockets")
    assert account.can("endpoints")
