"""Starting a subscription: the form, what it stores, and the page that waits for the provider."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from litestar import Litestar

from portal.accounts.services import load_account
from portal.audit.services import SYSTEM
from portal.contract.facts import Fact, Mode
from portal.contract.work import Reading, ReadingPage
from portal.database.transaction import transaction
from portal.errors import InvalidInput
from portal.exchange.applying import PageResult, apply_page
from portal.invoices.services import pay_link
from portal.subscriptions.start_forms import StartInput, parse_input
from portal.subscriptions.starts import WantedStart, plan_choices, request_start
from tests.builders import Connected, connect_account, make_customer
from tests.exchange import facts as make
from tests.exchange.facts import apply, rows
from tests.visitors import Visitor

GIVEN = StartInput("k" * 24, "test", customer="7", plan="3")
KEY = re.compile(r'name="form_key" value="([^"]+)"')
ORDERS = "SELECT status, quantity, trial_days, send_link, external_id FROM subscription_order ORDER BY id"


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    account = await connect_account()
    await apply(account, make.product(), make.plan())
    return account


async def filled(owner: Visitor, **other: str) -> dict[str, str]:
    """The form as somebody fills it in."""
    page = await owner.get("/subscriptions/new")
    found = KEY.search(page.text)
    assert found
    ((plan,),) = await rows("SELECT id FROM plan")
    customer = str(await make_customer())
    given = {"form_key": found[1], "mode": "test", "customer": customer, "plan": str(plan), "quantity": "2"}
    return {**given, "trial_days": "0", **other}


async def asked(owner: Visitor, **other: str) -> tuple[httpx.Response, str]:
    """Fill it in and send it; the answer and where it leads."""
    answer = await owner.post("/subscriptions/new", await filled(owner, **other))
    return answer, answer.headers.get("location", "")


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ({}, ()),
        ({"customer": ""}, ("customer",)),
        ({"customer": "7 OR 1"}, ("customer",)),
        ({"plan": ""}, ("plan",)),
        ({"quantity": "0"}, ("quantity",)),
        ({"quantity": "1.5"}, ("quantity",)),
        ({"quantity": "²"}, ("quantity",)),
        ({"quantity": "1000001"}, ("quantity",)),
        ({"quantity": ""}, ()),
        ({"trial_days": "-1"}, ("trial_days",)),
        ({"trial_days": "731"}, ("trial_days",)),
        ({"trial_days": "730"}, ()),
        ({"trial_days": ""}, ()),
        ({"plan": "x", "trial_days": "soon"}, ("plan", "trial_days")),
    ],
)
def test_what_is_typed_is_judged_field_by_field(typed: dict[str, Any], wrong: tuple[str, ...]) -> None:
    assert problems_of(replace(GIVEN, **typed)) == wrong


def problems_of(given: StartInput) -> tuple[str, ...]:
    """The fields that are wrong."""
    try:
        parse_input(given)
    except InvalidInput as error:
        return tuple(error.fields)
    return ()


async def test_an_order_is_stored_with_its_task_and_told_of_in_the_log(
    owner: Visitor, account: Connected
) -> None:
    answer, where = await asked(owner, send_link="on", trial_days="14")
    assert (answer.status_code, where.startswith("/subscriptions/orders/")) == (303, True)
    assert await rows(ORDERS) == [("asked", 2, 14, True, None)]
    assert await rows("SELECT kind, state FROM sync_task") == [("start_subscription", "waiting")]
    assert await rows("SELECT words FROM audit_entry WHERE action = 'customer.subscription_asked'") == [
        ("Asked to start 2 × Pro ($20.00 per month), with a trial of 14 days for Globex Trading.",)
    ]


async def test_an_order_of_a_plan_that_counts_use_names_no_quantity(
    owner: Visitor, account: Connected
) -> None:
    await apply(account, replace(make.plan(), metered=True))
    _, where = await asked(owner)
    assert "Counted by use" in (await owner.get(where)).text
    assert await rows("SELECT words FROM audit_entry WHERE action = 'customer.subscription_asked'") == [
        ("Asked to start Pro ($20.00 per month) for Globex Trading.",)
    ]


async def test_a_double_press_asks_once(owner: Visitor, account: Connected) -> None:
    given = await filled(owner)
    answers = [await owner.post("/subscriptions/new", given) for _ in range(2)]
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert len(await rows(ORDERS)) == 1


async def test_bad_input_says_what_to_do_and_keeps_what_was_typed(owner: Visitor, account: Connected) -> None:
    answer, _ = await asked(owner, quantity="none", trial_days="9")
    assert answer.status_code == 422
    assert "Enter a whole number from 1 to 1,000,000." in answer.text
    for kept in ('value="none"', 'value="9"'):
        assert kept in answer.text
    assert len(re.findall(r"<option value=\"\d+\" selected>", answer.text)) == 2, "customer and plan"
    assert await rows(ORDERS) == []


async def test_without_an_address_nothing_can_be_mailed(owner: Visitor, account: Connected) -> None:
    nobody = await make_customer(email="")
    answer, _ = await asked(owner, customer=str(nobody), send_link="on")
    assert answer.status_code == 422
    assert answer.text.count("This customer has no email address.") == 2
    assert (await asked(owner, customer=str(nobody)))[0].status_code == 303


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE plan SET active = false",
        "UPDATE plan SET deleted = true",
        "UPDATE plan SET interval = ''",
        "UPDATE product SET active = false",
        "UPDATE connected_account SET state = 'disconnected'",
    ],
)
async def test_only_recurring_plans_that_are_sold_now_can_be_chosen(account: Connected, change: str) -> None:
    assert [words for _, words in await plan_choices(Mode.TEST)] == ["Pro · $20.00 per month"]
    assert await plan_choices(Mode.LIVE) == []
    ((plan,),) = await rows("SELECT id FROM plan")
    await rows(f"{change} RETURNING 1")
    assert await plan_choices(Mode.TEST) == []
    with pytest.raises(InvalidInput) as refused:
        await request_start(
            WantedStart(await make_customer(), plan, 1, 0, send_link=False), Mode.TEST, actor=SYSTEM
        )
    assert tuple(refused.value.fields) == ("plan",)


@pytest.mark.parametrize(
    "gone", ["erased_at = now(), email = ''", "merged_into = (SELECT min(id) FROM customer)"]
)
async def test_nobody_who_was_merged_or_erased_gets_one(account: Connected, gone: str) -> None:
    await make_customer()
    customer = await make_customer("Initrode", "ap@initrode.example")
    await rows(f"UPDATE customer SET {gone} WHERE id = $1 RETURNING 1", customer)  # noqa: S608 - words above
    ((plan,),) = await rows("SELECT id FROM plan")
    with pytest.raises(InvalidInput):
        await request_start(WantedStart(customer, plan, 1, 0, send_link=False), Mode.TEST, actor=SYSTEM)
    assert await rows(ORDERS) == []


async def test_it_is_for_admins_alone(
    owner: Visitor, viewer: Visitor, app: Litestar, account: Connected
) -> None:
    _, where = await asked(owner)
    for visitor, answers in ((viewer, (403,)), (Visitor(app), (303, 401))):
        assert (await visitor.get("/subscriptions/new")).status_code in answers
        assert (await visitor.get(where)).status_code in answers
        assert (await visitor.post("/subscriptions/new", await filled(owner))).status_code in (303, 401, 403)
    assert "start-link" not in (await viewer.get("/subscriptions")).text
    assert len(await rows(ORDERS)) == 1


async def test_the_customers_page_leads_to_the_form_with_the_customer_chosen(
    owner: Visitor, account: Connected
) -> None:
    customer = await make_customer()
    link = f"/subscriptions/new?customer={customer}"
    assert link in (await owner.get(f"/customers/{customer}")).text
    assert f'<option value="{customer}" selected>' in (await owner.get(link)).text


async def test_the_order_is_followed_to_its_subscription(owner: Visitor, account: Connected) -> None:
    _, where = await asked(owner)
    page = await owner.get(where)
    assert "Being started." in page.text
    assert 'hx-trigger="every' in page.text
    assert where in (await owner.get("/subscriptions")).text
    ((order,),) = await rows("SELECT id FROM subscription_order")
    await apply(account, make.subscription("incomplete", order_id=order))
    ((subscription,),) = await rows("SELECT id FROM subscription")
    answer = await owner.get(where)
    assert answer.headers["location"] == f"/subscriptions/{subscription}"
    polled = await owner.get(where, hx_request="true")
    assert polled.headers["hx-redirect"] == f"/subscriptions/{subscription}"
    assert where not in (await owner.get("/subscriptions")).text


async def test_a_refusal_is_told_in_words_with_a_way_back_to_what_was_typed(
    owner: Visitor, account: Connected
) -> None:
    _, where = await asked(owner, trial_days="30")
    await rows("UPDATE subscription_order SET status = 'refused', refusal = 'The price is old.' RETURNING 1")
    page = (await owner.get(where)).text
    assert "The price is old." in page
    assert "hx-trigger" not in page.partition('id="order"')[2]
    again = re.search(r"/subscriptions/new\?order=\d+", page)
    assert again
    form = (await owner.get(again[0])).text
    assert 'value="30"' in form
    assert len(re.findall(r"<option value=\"\d+\" selected>", form)) == 2
    assert "was not started" in (await owner.get("/subscriptions")).text


async def test_only_the_first_subscription_of_an_order_is_it(owner: Visitor, account: Connected) -> None:
    await asked(owner)
    ((order,),) = await rows("SELECT id FROM subscription_order")
    await apply(account, make.subscription("incomplete", order_id=order))
    await apply(account, make.subscription("active", external_id="sub_2", order_id=order))
    assert await rows("SELECT status, external_id FROM subscription_order") == [("made", "sub_1")]
    other = await connect_account(external_id="acct_other")
    _, _ = await asked(owner)
    ((second,),) = await rows("SELECT id FROM subscription_order WHERE status = 'asked'")
    await apply(other, make.subscription(external_id="sub_3", order_id=second))
    assert await rows("SELECT count(*) FROM subscription_order WHERE status = 'asked'") == [(1,)]


@pytest.mark.parametrize("invoice_first", [True, False])
async def test_its_first_invoice_gets_a_pay_link_whichever_is_known_first(
    owner: Visitor, account: Connected, *, invoice_first: bool
) -> None:
    await asked(owner, send_link="on")
    ((order,),) = await rows("SELECT id FROM subscription_order")
    invoice = make.invoice(subscription_external_id="sub_1")
    subscription = make.subscription("incomplete", order_id=order, latest_invoice_external_id="in_1")
    for fact in (invoice, subscription) if invoice_first else (subscription, invoice):
        await apply(account, fact)
    ((invoice_id, token),) = await rows("SELECT id, sealed_pay_token FROM invoice")
    await apply(account, invoice, invoice_id=None)
    await apply(account, subscription)
    assert await rows("SELECT sealed_pay_token FROM invoice") == [(token,)]
    assert await rows("SELECT kind, subject_id FROM mail_message") == [("invoice", invoice_id)]
    link = await pay_link(invoice_id)
    ((subscription_id,),) = await rows("SELECT id FROM subscription")
    page = (await owner.get(f"/subscriptions/{subscription_id}")).text
    assert "Waiting for the first payment" in page
    assert link is not None
    assert link in page
    assert "21 Nov 2026" in page, "23 hours after it began"
    await apply(account, make.invoice(2, subscription_external_id="sub_1"))
    assert await rows("SELECT count(*) FROM invoice WHERE pay_token_hash IS NULL") == [(1,)]


async def test_an_order_of_which_only_lists_tell_is_done_as_well(owner: Visitor, account: Connected) -> None:
    await asked(owner)
    ((order,),) = await rows("SELECT id FROM subscription_order")
    subscription = make.subscription("incomplete", order_id=order)
    await taken(account, "subscription:sub_1", subscription)
    await taken(account, "invoice:in_1", make.invoice(subscription_external_id="sub_1"))
    assert await rows("SELECT status, external_id FROM subscription_order") == [("made", "sub_1")]
    assert await rows("SELECT count(*) FROM invoice WHERE pay_token_hash IS NOT NULL") == [(1,)]


async def test_a_list_tells_the_order_of_a_subscription_that_was_known_before(
    owner: Visitor, account: Connected
) -> None:
    await asked(owner)
    ((order,),) = await rows("SELECT id FROM subscription_order")
    await apply(account, make.subscription("incomplete"))
    subscription = make.subscription("incomplete", order_id=order)
    await taken(account, "subscription:sub_1", subscription)
    assert await rows("SELECT status, external_id FROM subscription_order") == [("made", "sub_1")]
    assert (await taken(account, "subscription:sub_1", subscription)).unchanged == 1


async def taken(account: Connected, key: str, fact: Fact) -> PageResult:
    """A page of a list with this alone."""
    loaded = await load_account(account.id)
    async with transaction() as tx:
        page = ReadingPage([Reading((fact,), key=key)], None)
        return await apply_page(tx.connection, loaded, page, read_at=datetime.now(UTC))


async def test_without_the_box_nothing_is_mailed(owner: Visitor, account: Connected) -> None:
    await asked(owner)
    ((order,),) = await rows("SELECT id FROM subscription_order")
    await apply(account, make.subscription("incomplete", order_id=order))
    await apply(account, make.invoice(subscription_external_id="sub_1"))
    assert await rows("SELECT count(*) FROM mail_message") == [(0,)]
    assert await rows("SELECT count(*) FROM invoice WHERE pay_token_hash IS NOT NULL") == [(1,)]
