"""Who may change a connection, and which one: by role, session, form token and provider."""

from __future__ import annotations

import pytest
from litestar import Litestar

from portal.accounts.disconnections import disconnect
from portal.accounts.services import connected_accounts, load_account, mark_broken
from portal.web.request import Role
from tests.accounts.fakes import ANA, ASKED, CREDENTIALS, SIGNING, Acme, connect_acme
from tests.builders import connect_account
from tests.visitors import Visitor, add_person, sign_in_as

ACME = "/settings/connected-accounts/acme"
BLANK = dict.fromkeys(CREDENTIALS, "")
OF_A_SAVED_ONE = ("recheck", "mend", "rotate", "rotate/endpoint", "rotate/finish", "disconnect", "validate")
QUESTIONS = ("/keys", "/switch-to-live", "/disconnect", "?new=yes")


@pytest.fixture
async def viewer(ana: Visitor, acme_app: Litestar) -> Visitor:
    """Somebody who may only read, beside the owner."""
    visitor = Visitor(acme_app)
    await sign_in_as(visitor, await add_person(role=Role.VIEWER, email="vi@example.com", name="Vi"))
    return visitor


def form_for(account_id: int, path: str) -> dict[str, str]:
    form = {"account": str(account_id)}
    if path in ("rotate", "validate"):
        return {**BLANK, **form, "purpose": "rotate"}
    return {**form, "confirmation": "Northwind"} if path == "disconnect" else form


@pytest.mark.parametrize("path", [*OF_A_SAVED_ONE, "repair", "connect", "use-sandbox", "check-field"])
async def test_nothing_changes_for_who_may_only_read_nor_without_a_session_or_a_token(
    ana: Visitor, viewer: Visitor, acme_app: Litestar, path: str
) -> None:
    form = form_for(await connect_acme(), path)
    assert (await viewer.post(f"{ACME}/{path}", form)).status_code == 403
    assert (await Visitor(acme_app).post(f"{ACME}/{path}", form)).status_code in (303, 401)
    assert (await ana.http.post(f"{ACME}/{path}", data=form)).status_code == 403
    assert ASKED == []
    account = await load_account((await connected_accounts("acme"))[0].id)
    assert account.credentials["signing"].reveal() == SIGNING


@pytest.mark.parametrize("path", QUESTIONS)
async def test_no_form_with_keys_is_shown_to_who_may_only_read(
    ana: Visitor, viewer: Visitor, path: str
) -> None:
    await connect_acme()
    assert (await viewer.get(f"{ACME}{path}")).status_code == 403
    assert (await ana.get(f"{ACME}{path}")).status_code == 200


@pytest.mark.parametrize("path", OF_A_SAVED_ONE)
async def test_a_connection_of_another_provider_is_not_found(ana: Visitor, path: str) -> None:
    await connect_acme()
    other = await connect_account()
    assert (await ana.post(f"{ACME}/{path}", form_for(other.id, path))).status_code == 404
    assert ASKED == []


@pytest.mark.parametrize("path", OF_A_SAVED_ONE)
async def test_a_connection_that_ended_is_not_found(ana: Visitor, path: str) -> None:
    ended = await connect_acme()
    await disconnect(ended, Acme(), actor=ANA)
    await connect_acme(secret="key_test_ltd_0123456789")
    assert (await ana.post(f"{ACME}/{path}", form_for(ended, path))).status_code == 404
    assert ASKED == []


async def test_who_may_only_read_is_not_sent_to_a_form_that_refuses_them(
    ana: Visitor, viewer: Visitor
) -> None:
    account_id = await connect_acme()
    await mark_broken(account_id, "Acme refused this key.")
    assert "Enter a new key" in (await ana.get("/")).text
    front = (await viewer.get("/")).text
    assert "Acme refused this key." in front
    assert "Enter a new key" not in front
    assert f"{ACME}/keys" not in front
    assert "An admin must enter a new key." in front
