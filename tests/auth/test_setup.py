from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit

import pytest
from litestar import Litestar

from portal.auth.services import (
    SetupForm,
    SetupLinkUnusable,
    complete_setup,
    create_owner,
    setup_link,
)
from portal.auth.sessions import Browser
from portal.database.transaction import connection
from portal.errors import InvalidInput, NotFound
from portal.finance.services import organisation
from portal.security.keyrings import current_keyring
from tests.visitors import PASSWORD, Visitor, add_person

FORM = {
    "organisation": "Northwind Studio",
    "currency": "eur",
    "time_zone": "Europe/Lisbon",
    "name": "Ana Duarte",
    "email": "Ana@Example.com",
    "password": PASSWORD,
}


def token_of(link: str | None) -> str:
    assert link
    return parse_qs(urlsplit(link).query)["token"][0]


async def count(table: str) -> int:
    async with connection() as held:
        found: int = await held.fetchval(f"SELECT count(*) FROM {table}")  # noqa: S608 - a name from this file
    return found


async def test_link_makes_the_owner_and_signs_them_in(visitor: Visitor) -> None:
    token = token_of(await setup_link())
    assert "Set up your portal" in (await visitor.get(f"/setup?token={token}")).text
    answer = await visitor.post("/setup", {"token": token, **FORM})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    page = await visitor.get("/")
    assert page.status_code == 200
    assert "Your portal is ready." in page.text
    saved = await organisation()
    assert (saved.name, saved.default_currency, saved.time_zone) == (
        "Northwind Studio",
        "eur",
        "Europe/Lisbon",
    )
    assert str(saved.instance_id) == current_keyring().instance


async def test_everything_of_set_up_is_gone_afterwards(visitor: Visitor, app: Litestar) -> None:
    token = token_of(await setup_link())
    await visitor.post("/setup", {"token": token, **FORM})
    stranger = Visitor(app)
    assert (await stranger.get(f"/setup?token={token}")).status_code == 404
    assert (await stranger.post("/setup", {"token": token, **FORM})).status_code == 404
    assert (await stranger.post("/setup/check", {"token": token, "password": "x"})).status_code == 404
    assert await setup_link() is None
    assert await count("setup_token") == 0


async def test_of_two_set_ups_at_once_one_succeeds(database: None) -> None:
    token = token_of(await setup_link())
    forms = [
        SetupForm("One", "usd", "UTC", "Ana", "ana@example.com", PASSWORD),
        SetupForm("Two", "usd", "UTC", "Bob", "bob@example.com", PASSWORD),
    ]
    ended = await asyncio.gather(
        *(complete_setup(token, form, browser=Browser()) for form in forms), return_exceptions=True
    )
    # The loser finds the link used up, or the portal set up: whichever it looks at after the other's commit.
    (refused,) = (each for each in ended if not isinstance(each, str))
    assert isinstance(refused, NotFound | SetupLinkUnusable), refused
    assert (await count("person"), await count("organisation")) == (1, 1)


async def test_new_link_ends_the_one_before(visitor: Visitor) -> None:
    first, second = token_of(await setup_link()), token_of(await setup_link())
    assert (await visitor.get(f"/setup?token={first}")).status_code == 403
    assert (await visitor.get(f"/setup?token={second}")).status_code == 200


async def test_link_works_for_an_hour(database: None) -> None:
    token = token_of(await setup_link())
    async with connection() as held:
        await held.execute("UPDATE setup_token SET expires_at = now() - interval '1 second'")
    with pytest.raises(SetupLinkUnusable):
        await complete_setup(token, SetupForm(**FORM), browser=Browser())


async def test_wrong_token_shows_nothing_and_creates_nobody(visitor: Visitor) -> None:
    await setup_link()
    answer = await visitor.post("/setup", {"token": "guess", **FORM})
    assert answer.status_code == 403
    assert "Start the portal again" in answer.text
    assert await count("person") == 0


async def test_guesses_at_the_link_have_to_wait(visitor: Visitor) -> None:
    await setup_link()
    codes = [(await visitor.get("/setup?token=guess")).status_code for _ in range(8)]
    assert codes[:5] == [403] * 5
    assert codes[-1] == 429


async def test_mistakes_are_all_told_and_the_password_is_not_shown_again(visitor: Visitor) -> None:
    token = token_of(await setup_link())
    answer = await visitor.post(
        "/setup", {"token": token, **FORM, "name": "", "email": "nobody", "password": "password1234"}
    )
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert "Enter your name." in answer.text
    assert "name@example.com" in answer.text
    assert "first passwords an attacker tries" in answer.text
    assert "password1234" not in answer.text
    assert 'value="Northwind Studio"' in answer.text
    assert await count("person") == 0


@pytest.mark.parametrize(
    ("typed", "tone"), [("short", "bad"), ("Password1234!", "bad"), (PASSWORD, "ok"), ("", "")]
)
async def test_password_is_judged_while_it_is_typed(visitor: Visitor, typed: str, tone: str) -> None:
    token = token_of(await setup_link())
    answer = await visitor.post("/setup/check", {"token": token, "password": typed}, hx_request="true")
    assert answer.status_code == 200
    assert (f'data-tone="{tone}"' in answer.text) if tone else not answer.text.strip()


async def test_owner_from_the_command_line_ends_set_up(visitor: Visitor) -> None:
    token = token_of(await setup_link())
    await create_owner(name="Ana", email="Ana@Example.com", password=PASSWORD)
    assert (await visitor.get(f"/setup?token={token}")).status_code == 404
    answer = await visitor.post("/sign-in", {"email": "ana@example.com", "password": PASSWORD})
    assert answer.status_code == 303


async def test_weak_password_from_the_command_line_is_refused_in_words(database: None) -> None:
    with pytest.raises(InvalidInput, match="at least 12"):
        await create_owner(name="Ana", email="ana@example.com", password="short")


async def test_set_up_cannot_be_started_by_looking_at_it(visitor: Visitor) -> None:
    await add_person()
    assert (await visitor.get("/setup")).status_code == 404
    assert (await visitor.get("/setup?token=")).status_code == 404
