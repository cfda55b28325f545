"""Who may decide about customers: by role, session and form token; and what a wrong or second press does."""

from __future__ import annotations

import pytest
from litestar import Litestar

from portal.contract.facts import Mode
from tests.builders import connect_account, make_customer
from tests.exchange.facts import apply, customer, rows
from tests.visitors import Visitor

MAIL = "ap@initech.example"
FORMS = {
    "links/{link}": {"decision": "link"},
    "apart": {"other": "{other}"},
    "merge": {"other": "{other}", "confirmation": "Other"},
    "erase": {"confirmation": "Initech"},
}
QUESTIONS = ("edit", "merge", "erase")


@pytest.fixture
async def ids(database: None) -> dict[str, int]:
    """Two customers with one address, and a provider's that has it, too."""
    account = await connect_account()
    found = {"one": await make_customer("Initech", MAIL), "other": await make_customer("Other", MAIL)}
    await apply(account, customer())
    return found | {"link": (await rows("SELECT id FROM customer_link"))[0][0]}


@pytest.fixture
def people(owner: Visitor, viewer: Visitor, app: Litestar) -> tuple[Visitor, Visitor, Visitor]:
    """An owner, a viewer, and somebody without a session."""
    return owner, viewer, Visitor(app)


async def state() -> list[tuple[object, ...]]:
    return await rows(
        """
        SELECT c.id, c.merged_into, c.erased_at, (SELECT count(*) FROM customer_link WHERE customer = c.id),
               (SELECT count(*) FROM customer_apart) FROM customer c ORDER BY c.id
        """
    )


def filled(path: str, ids: dict[str, int]) -> dict[str, str]:
    return {name: value.format(**ids) for name, value in FORMS[path].items()}


@pytest.mark.parametrize("path", FORMS)
async def test_nothing_changes_for_who_may_only_read_nor_without_a_session_or_a_token(
    people: tuple[Visitor, Visitor, Visitor], ids: dict[str, int], path: str
) -> None:
    owner, viewer, stranger = people
    address, form, before = f"/customers/{ids['one']}/{path.format(**ids)}", filled(path, ids), await state()
    assert (await viewer.post(address, form)).status_code == 403
    assert (await stranger.post(address, form)).status_code in (303, 401)
    assert (await owner.http.post(address, data=form)).status_code == 403
    assert (await owner.post(address, {**form, "version": "1"})).status_code == 400
    assert await state() == before


@pytest.mark.parametrize("path", QUESTIONS)
async def test_questions_are_for_admins_alone(
    owner: Visitor, viewer: Visitor, ids: dict[str, int], path: str
) -> None:
    assert (await viewer.get(f"/customers/{ids['one']}/{path}")).status_code == 403
    assert (await owner.get(f"/customers/{ids['one']}/{path}")).status_code == 200
    shown = (await viewer.get(f"/customers/{ids['one']}")).text
    assert f"/{path}" not in shown
    assert "<form" not in shown.partition('id="main"')[2]


@pytest.mark.parametrize("path", FORMS)
async def test_second_press_changes_nothing_more(owner: Visitor, ids: dict[str, int], path: str) -> None:
    address, form = f"/customers/{ids['one']}/{path.format(**ids)}", filled(path, ids)
    assert (await owner.post(address, form)).status_code == 303
    after, entries = await state(), await rows("SELECT count(*) FROM audit_entry")
    assert (await owner.post(address, form)).status_code == 303
    assert (await state(), await rows("SELECT count(*) FROM audit_entry")) == (after, entries)


@pytest.mark.parametrize("path", FORMS)
async def test_ids_that_do_not_exist_are_not_found(owner: Visitor, ids: dict[str, int], path: str) -> None:
    before = await state()
    for broken in ({**ids, "one": 404}, {**ids, "link": 404, "other": 404}):
        if path == "erase" and broken["one"] != 404:
            continue
        address = f"/customers/{broken['one']}/{path.format(**broken)}"
        assert (await owner.post(address, filled(path, broken))).status_code == 404
    assert await state() == before


@pytest.mark.parametrize("path", ["merge", "erase"])
async def test_what_cannot_be_undone_wants_the_name_typed(
    owner: Visitor, ids: dict[str, int], path: str
) -> None:
    before = await state()
    answer = await owner.post(f"/customers/{ids['one']}/{path}", {**filled(path, ids), "confirmation": "yes"})
    assert answer.status_code == 422
    assert "to confirm." in answer.text
    assert "cannot be undone" in answer.text
    assert await state() == before


async def test_detail_shows_both_sides_and_what_is_owed_and_paid_in_the_mode(
    owner: Visitor, ids: dict[str, int]
) -> None:
    await rows(
        """
        INSERT INTO invoice (customer, mode, currency, number, status, subtotal_minor, total_minor,
                             amount_paid_minor, created_at)
        SELECT $1, mode, currency, 'N-' || currency || mode, 'partly_paid', 5000, 5000, 2000, now()
        FROM unnest(ARRAY['usd', 'eur']) AS currency, unnest($2::text[]) AS mode RETURNING id
        """,
        ids["one"],
        [mode.value for mode in Mode],
    )
    shown = (await owner.get(f"/customers/{ids['one']}")).text
    assert "Stripe has a customer with this email address" in shown
    assert "Other customers with this email address" in shown
    listed = (await owner.get("/customers?link=not_linked")).text
    for text in (shown, listed):
        assert text.count("€30.00, $30.00") == 1
        assert text.count("€20.00, $20.00") == 1
