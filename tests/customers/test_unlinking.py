"""A provider's customer that was linked to the wrong one: a person takes them apart, no event undoes it."""

from __future__ import annotations

import asyncio
import re

import pytest
from litestar import Litestar

from portal.audit.services import SYSTEM
from portal.customers.erasing import erase_customer
from portal.customers.linking import keep_apart, link_customer
from portal.customers.merging import merge_customers
from portal.customers.unlinking import preview_unlink, unlink_customer
from portal.errors import Conflict, NotFound
from tests.builders import Connected, connect_account, make_customer, make_invoice
from tests.customers.test_linking import MAIL, linked_to, matches, unknown
from tests.exchange import facts as make
from tests.exchange.facts import apply, rows
from tests.visitors import Visitor


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


async def linked(account: Connected, external_id: str = "cus_1", name: str = "Initech") -> tuple[int, int]:
    """A customer of ours with a link, made by a person; both ids."""
    customer_id = await make_customer(name, MAIL)
    link_id = await unknown(account, external_id, MAIL, name)
    await link_customer(customer_id, link_id, actor=SYSTEM)
    return customer_id, link_id


async def entries() -> list[str]:
    return [w for (w,) in await rows("SELECT words FROM audit_entry WHERE action = 'customer.unlinked'")]


async def owe(customer_id: int, status: str = "open") -> None:
    """An invoice of the customer, which the connection collects."""
    invoice_id = await make_invoice()
    await rows(
        "UPDATE invoice SET customer = $2, status = $3 WHERE id = $1 RETURNING id",
        invoice_id,
        customer_id,
        status,
    )


async def test_both_stand_apart_afterwards_and_a_second_press_changes_nothing(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await asyncio.gather(*(unlink_customer(customer_id, link_id, actor=SYSTEM) for _ in range(2)))
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    assert await linked_to(customer_id) == []
    assert await entries() == ["Unlinked from cus_1 of Northwind."]
    assert await rows("SELECT name, email FROM customer") == [("Initech", MAIL)]


async def test_its_events_propose_it_and_link_nothing_whatever_its_metadata_claims(
    account: Connected,
) -> None:
    customer_id, link_id = await linked(account)
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    for _ in range(2):
        await apply(account, make.customer("Initech there", customer_id=customer_id))
    assert await linked_to(customer_id) == []
    assert [match.name for match in (await matches(customer_id)).links] == ["Initech there"]
    assert await rows("SELECT name FROM customer") == [("Initech",)]
    await link_customer(customer_id, link_id, actor=SYSTEM)
    assert await linked_to(customer_id) == ["cus_1"]
    assert await rows("SELECT unlinked_from FROM customer_link") == [(None,)]


async def test_with_another_address_nothing_is_proposed(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    await apply(account, make.customer(email="other@x.example", customer_id=customer_id))
    assert (await matches(customer_id)).links == ()
    assert await linked_to(customer_id) == []


async def test_who_is_kept_apart_afterwards_is_not_proposed_either(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    await keep_apart(customer_id, link_id, actor=SYSTEM)
    await apply(account, make.customer(customer_id=customer_id))
    assert (await matches(customer_id)).links == ()


async def test_what_it_owes_later_is_a_customers_of_its_own(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    await apply(account, make.invoice(customer_external_id="cus_1"))
    ((owner,),) = await rows("SELECT customer FROM invoice")
    assert owner != customer_id
    assert [twin.id for twin in (await matches(customer_id)).twins] == [owner]


async def test_a_subscription_that_ended_stays_whose_it_was(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await apply(account, make.product(), make.plan(), make.subscription("canceled"))
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    await apply(account, make.subscription("canceled", quantity=2))
    assert await rows("SELECT customer, quantity FROM subscription") == [(customer_id, 2)]
    assert len(await rows("SELECT FROM customer")) == 1


async def test_open_differences_between_the_two_are_gone(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await rows("UPDATE customer SET name = 'Ours' RETURNING id")
    await apply(account, make.customer("Theirs"))
    assert await rows("SELECT state FROM sync_difference") == [("open",)]
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    assert await rows("SELECT state FROM sync_difference") == [("gone",)]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("open", "1 invoice that can still be paid"),
        ("partly_paid", "1 invoice that can still be paid"),
        ("processing", "1 invoice that can still be paid"),
        ("uncollectible", "1 invoice that can still be paid"),
        ("draft", ""),
        ("paid", ""),
        ("refunded", ""),
        ("void", ""),
    ],
)
async def test_while_money_may_still_come_it_is_refused_in_words(
    account: Connected, status: str, words: str
) -> None:
    customer_id, link_id = await linked(account)
    await owe(customer_id, status)
    assert words in (await preview_unlink(customer_id, link_id)).obstacle
    if not words:
        await unlink_customer(customer_id, link_id, actor=SYSTEM)
        assert await linked_to(customer_id) == []
        return
    with pytest.raises(Conflict, match=words):
        await unlink_customer(customer_id, link_id, actor=SYSTEM)
    assert await linked_to(customer_id) == ["cus_1"]


async def test_a_running_subscription_and_one_that_is_being_started_hold_it(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await apply(account, make.product(), make.plan(), make.subscription("past_due"))
    with pytest.raises(Conflict, match="1 subscription that has not ended"):
        await unlink_customer(customer_id, link_id, actor=SYSTEM)
    await apply(account, make.subscription("canceled"))
    await rows(
        """
        INSERT INTO subscription_order (account, mode, customer, plan_external_id, created_at)
        VALUES ($1, 'test', $2, 'price_1', now()) RETURNING id
        """,
        account.id,
        customer_id,
    )
    with pytest.raises(Conflict, match="1 subscription that is being started"):
        await unlink_customer(customer_id, link_id, actor=SYSTEM)


async def test_a_refund_under_way_holds_it(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await owe(customer_id, "paid")
    await rows(
        """
        INSERT INTO refund (invoice, account, mode, payment_external_id, amount_minor, currency, status,
                            created_at, changed_at)
        SELECT id, account, mode, 'pi_1', 100, 'usd', 'pending', now(), now() FROM invoice RETURNING id
        """
    )
    with pytest.raises(Conflict, match="1 refund that is under way"):
        await unlink_customer(customer_id, link_id, actor=SYSTEM)


async def test_what_another_connection_collects_does_not_hold_it(account: Connected) -> None:
    customer_id, link_id = await linked(account)
    await owe(customer_id)
    await rows("UPDATE invoice SET account = NULL RETURNING id")
    await unlink_customer(customer_id, link_id, actor=SYSTEM)
    assert await linked_to(customer_id) == []


async def test_of_an_erased_customer_and_of_what_was_deleted_there_links_stay(account: Connected) -> None:
    """By its link a later reading finds out that an erased person must not come back."""
    customer_id, link_id = await linked(account)
    await erase_customer(customer_id, actor=SYSTEM)
    with pytest.raises(Conflict, match="erased"):
        await unlink_customer(customer_id, link_id, actor=SYSTEM)
    other_id, deleted_id = await linked(account, "cus_2", "Other")
    await rows("UPDATE customer_link SET deleted = true WHERE id = $1 RETURNING id", deleted_id)
    with pytest.raises(Conflict, match="deleted"):
        await unlink_customer(other_id, deleted_id, actor=SYSTEM)


async def test_of_merged_customers_the_one_that_stays_is_not_linked_by_a_claim_either(
    account: Connected,
) -> None:
    gone, link_id = await linked(account)
    await unlink_customer(gone, link_id, actor=SYSTEM)
    kept = await make_customer("Initech Inc", "inc@initech.example")
    await merge_customers(kept, gone, actor=SYSTEM)
    await apply(account, make.customer(customer_id=gone))
    assert await linked_to(kept) == []
    assert await rows("SELECT unlinked_from FROM customer_link") == [(kept,)]


async def test_the_links_of_other_customers_are_not_found(account: Connected) -> None:
    one, one_link = await linked(account)
    other, other_link = await linked(account, "cus_2", "Other")
    for customer_id, link_id in ((one, other_link), (other, one_link), (404, one_link), (one, 404)):
        with pytest.raises(NotFound):
            await unlink_customer(customer_id, link_id, actor=SYSTEM)
        with pytest.raises(NotFound):
            await preview_unlink(customer_id, link_id)
    assert (await linked_to(one), await linked_to(other)) == (["cus_1"], ["cus_2"])


async def test_the_page_shows_both_sides_and_what_follows_and_the_press_does_it(
    owner: Visitor, account: Connected
) -> None:
    customer_id, link_id = await linked(account)
    place = f"/customers/{customer_id}/links/{link_id}/unlink"
    assert f'href="{place}"' in (await owner.get(f"/customers/{customer_id}")).text
    shown = (await owner.get(place)).text
    for words in (
        "Initech",
        MAIL,
        "cus_1",
        "Name and email address follow each other no more.",
        "The next invoice",
    ):
        assert words in shown, words
    answer = await owner.post(place, {})
    assert answer.headers["location"] == f"/customers/{customer_id}"
    page = (await owner.get(f"/customers/{customer_id}")).text
    assert "Unlinked from cus_1 of Northwind." in page
    assert "Stripe has a customer with this email address" in page
    assert "Those from before stay here" in page
    assert (await owner.post(place, {})).status_code == 303
    again = await owner.get(place)
    assert (again.status_code, again.headers["location"]) == (303, f"/customers/{customer_id}")
    assert len(await entries()) == 1


async def test_the_page_says_why_it_cannot_be_done_and_has_no_button(
    owner: Visitor, account: Connected
) -> None:
    customer_id, link_id = await linked(account)
    await owe(customer_id)
    place = f"/customers/{customer_id}/links/{link_id}/unlink"
    shown = (await owner.get(place)).text
    assert "1 invoice that can still be paid" in shown
    assert not re.search(rf'<form action="{place}"', shown)
    answer = await owner.post(place, {})
    assert answer.status_code == 409
    assert "1 invoice that can still be paid" in answer.text
    assert await linked_to(customer_id) == ["cus_1"]


async def test_only_admins_with_a_session_and_a_token_take_them_apart(
    owner: Visitor, viewer: Visitor, app: Litestar, account: Connected
) -> None:
    customer_id, link_id = await linked(account)
    other, _ = await linked(account, "cus_2", "Other")
    place = f"/customers/{customer_id}/links/{link_id}/unlink"
    assert (await viewer.get(place)).status_code == 403
    assert (await viewer.post(place, {})).status_code == 403
    assert "/unlink" not in (await viewer.get(f"/customers/{customer_id}")).text
    assert (await Visitor(app).post(place, {})).status_code in (303, 401)
    assert (await owner.http.post(place, data={})).status_code == 403
    assert (await owner.post(place, {"external_id": "cus_2"})).status_code == 400
    for wrong in (f"/customers/{other}/links/{link_id}/unlink", f"/customers/{customer_id}/links/404/unlink"):
        assert (await owner.get(wrong)).status_code == 404
        assert (await owner.post(wrong, {})).status_code == 404
    assert await linked_to(customer_id) == ["cus_1"]
