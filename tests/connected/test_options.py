"""What an admin may switch on for a connection: what the plugin offers, and nothing else."""

from __future__ import annotations

import pytest
from litestar import Litestar

from portal.accounts.options import options_of
from portal.contract.descriptions import AccountOption
from portal.database.transaction import connection
from portal.web.request import Role
from tests.accounts.fakes import Acme, connect_acme
from tests.visitors import Visitor, add_person, sign_in_as

ACME = "/settings/connected-accounts/acme"
KEEP = AccountOption("keep_cards", "Keep cards", "Customers may keep a card.")
LOG = "SELECT words FROM audit_entry WHERE action = 'account.options_changed' ORDER BY id"


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Acme, "options", (KEEP,))


async def logged() -> list[str]:
    async with connection() as held:
        return [row["words"] for row in await held.fetch(LOG)]


async def save(visitor: Visitor, account_id: int, **ticked: str) -> str:
    answer = await visitor.post(f"{ACME}/options", {"account": str(account_id), **ticked})
    if answer.status_code != 303:
        return f"{answer.status_code}"
    return (await visitor.get(answer.headers["location"])).text


async def test_an_option_is_off_until_it_is_ticked_and_off_again_when_it_is_not(ana: Visitor) -> None:
    account_id = await connect_acme()
    assert await options_of(account_id, Acme()) == {"keep_cards": False}
    assert "Keep cards: on." in await save(ana, account_id, keep_cards="on")
    assert await options_of(account_id, Acme()) == {"keep_cards": True}
    assert "Nothing changed." in await save(ana, account_id, keep_cards="on")
    assert "Keep cards: off." in await save(ana, account_id)
    assert await options_of(account_id, Acme()) == {"keep_cards": False}
    assert [words.rpartition(": ")[2] for words in await logged()] == ["on.", "off."]


async def test_what_the_plugin_does_not_offer_is_not_stored(ana: Visitor) -> None:
    account_id = await connect_acme()
    assert await save(ana, account_id, skip_checks="on") == "400"
    async with connection() as held:
        assert await held.fetchval("SELECT options FROM connected_account") == "{}"


async def test_who_may_only_read_switches_nothing(ana: Visitor, acme_app: Litestar) -> None:
    account_id = await connect_acme()
    viewer = Visitor(acme_app)
    await sign_in_as(viewer, await add_person(role=Role.VIEWER, email="vic@example.com", name="Vic"))
    assert await save(viewer, account_id, keep_cards="on") == "403"
    assert await options_of(account_id, Acme()) == {"keep_cards": False}
    await viewer.http.aclose()
