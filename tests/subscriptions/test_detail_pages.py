"""The page of one subscription over HTTP, and what people ask of it there."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar import Litestar

from portal.contract.facts import UNKNOWN_INVOICE, CollectionSeen, PaymentFailed, PaymentMethodSeen
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows, usd
from tests.visitors import Visitor

SOON = datetime.now(UTC) + timedelta(days=3)
KEY = re.compile(r'name="form_key" value="([^"]+)"')
CHANGES = ("cancel-at-period-end", "keep", "pause", "resume", "cancel-now")
HOSTED = "https://invoice.stripe.com/i/1"
REASON = "There is not enough money on the card or account. (insufficient_funds)"
FAILED = PaymentFailed(UNKNOWN_INVOICE, "ch_0", usd(12_000), AT, "insufficient_funds", REASON)


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    account = await connect_account()
    await apply(account, make.product(), make.plan(), make.subscription())
    return account


@pytest.fixture
def people(viewer: Visitor, app: Litestar) -> tuple[Visitor, Visitor]:
    """Somebody who may only read, and somebody without a session."""
    return viewer, Visitor(app)


async def place() -> str:
    (subscription_id,) = (await rows("SELECT max(id) FROM subscription"))[0]
    return f"/subscriptions/{subscription_id}"


async def shown(visitor: Visitor) -> str:
    answer = await visitor.get(await place())
    assert answer.status_code == 200
    return answer.text


async def fail(account: Connected, failed: PaymentFailed = FAILED, next_at: datetime | None = SOON) -> None:
    await apply(account, make.subscription("past_due"))
    invoice = make.invoice(subscription_external_id="sub_1", hosted_url=HOSTED)
    await apply(account, invoice, failed, CollectionSeen(UNKNOWN_INVOICE, 1, next_at))


async def press(visitor: Visitor, change: str) -> dict[str, str]:
    """Open the question; the form that it holds."""
    page = await visitor.get(f"{await place()}/changes/{change}")
    assert page.status_code == 200
    found = KEY.search(page.text)
    assert found
    return {"form_key": found[1]}


async def wish() -> str:
    return str((await rows("SELECT wish FROM subscription"))[0][0])


async def test_the_page_says_what_it_costs_what_that_means_and_who_pays(
    owner: Visitor, account: Connected
) -> None:
    await apply(account, PaymentMethodSeen("pm_1", "cus_1", "card", "Visa ending 4242", 4, 2031, "", AT))
    page = await shown(owner)
    for words in (
        "Pro",
        "Active",
        "$20.00 / month",
        "Initech",
        "Visa ending 4242",
        "Expires 04/2031",
        "sub_1",
    ):
        assert words in page
    assert "Active: everything that was asked for is paid." in page
    assert 'id="failures-card"' not in page


async def test_further_items_are_told_of(owner: Visitor, account: Connected) -> None:
    assert "further items" not in await shown(owner)
    await apply(account, make.subscription(amount=usd(3_500)))
    assert "further items: together $35.00 / month" in await shown(owner)


async def test_a_failed_payment_shows_reason_steps_and_the_customers_way_to_pay(
    owner: Visitor, account: Connected
) -> None:
    await fail(account)
    page = await shown(owner)
    assert "could not be collected" in page
    assert REASON in page
    assert "Soft decline" in page
    assert "Attempt 1 failed on" in page
    assert "Next attempt</b> on" in page
    assert f"{SOON:%-d %b %Y}" in page
    assert page.count(HOSTED) == 2
    assert "ABCD-0001" in page


async def test_a_hard_decline_says_that_another_method_is_needed(owner: Visitor, account: Connected) -> None:
    stolen = PaymentFailed(UNKNOWN_INVOICE, "ch_0", usd(12_000), AT, "stolen_card", "Reported stolen.")
    await fail(account, stolen, None)
    page = await shown(owner)
    assert "Hard decline" in page
    assert "This method will not work again" in page
    assert "No further attempt is planned." in page


async def test_reasons_are_for_admins_alone(owner: Visitor, viewer: Visitor, account: Connected) -> None:
    await fail(account)
    page = await shown(viewer)
    assert "could not be collected" in page
    assert REASON not in page
    assert "Soft decline" not in page
    assert "insufficient_funds" not in page


async def test_a_paid_invoice_is_history_and_no_failure(owner: Visitor, account: Connected) -> None:
    await fail(account)
    paid = make.invoice(subscription_external_id="sub_1", hosted_url=HOSTED, status="paid")
    await apply(account, paid, make.payment())
    page = await shown(owner)
    assert "ABCD-0001" in page
    assert 'id="failures-card"' not in page


async def test_the_newest_invoice_comes_first_in_whatever_order_they_became_known(
    owner: Visitor, account: Connected
) -> None:
    for number in (3, 1, 2):
        await apply(account, make.invoice(number, subscription_external_id="sub_1"))
    seen = re.findall(r"ABCD-000\d", (await shown(owner)).partition("Payment history")[2])
    assert list(dict.fromkeys(seen)) == ["ABCD-0003", "ABCD-0002", "ABCD-0001"]


async def test_invoices_of_other_subscriptions_stay_out(owner: Visitor, account: Connected) -> None:
    await apply(account, make.invoice(subscription_external_id="sub_2"))
    assert "ABCD-0001" not in await shown(owner)


async def test_customer_and_invoice_lead_to_it(owner: Visitor, account: Connected) -> None:
    await fail(account)
    (customer_id, invoice_id) = (await rows("SELECT customer, id FROM invoice"))[0]
    for path in (f"/customers/{customer_id}", f"/invoices/{invoice_id}"):
        assert f'href="{await place()}"' in (await owner.get(path)).text


@pytest.mark.parametrize(
    ("change", "before"),
    [
        ("cancel-at-period-end", {}),
        ("keep", {"cancel_at_period_end": True}),
        ("pause", {}),
        ("resume", {"pause": "void"}),
        ("cancel-now", {}),
    ],
)
async def test_a_change_is_asked_for_once_and_shown_until_it_is_confirmed(
    owner: Visitor, account: Connected, change: str, before: dict[str, Any]
) -> None:
    await apply(account, make.subscription(**before))
    form = await press(owner, change)
    for _ in range(2):
        answer = await owner.post(f"{await place()}/changes/{change}", form)
        assert (answer.status_code, answer.headers["location"]) == (303, await place())
    assert await wish() == change.replace("-", "_")
    assert await rows("SELECT kind, asked FROM sync_task") == [("change_subscription", 1)]
    assert await rows("SELECT count(*) FROM audit_entry WHERE action = 'subscription.change_asked'") == [(1,)]
    page = await shown(owner)
    assert "has not confirmed it yet" in page
    assert "This is not possible now." not in page, "the second press gets the first one's answer"


async def test_cancelling_tells_what_becomes_of_the_open_invoice(owner: Visitor, account: Connected) -> None:
    page = (await owner.get(f"{await place()}/changes/cancel-now")).text
    assert "No invoice is open" in page
    await fail(account)
    page = (await owner.get(f"{await place()}/changes/cancel-now")).text
    assert "ABCD-0001 stays open: $120.00 is not collected any more" in page
    later = (await owner.get(f"{await place()}/changes/cancel-at-period-end")).text
    assert "$120.00 is still owed, and collected as planned" in later


@pytest.mark.parametrize("change", CHANGES)
async def test_nothing_is_asked_by_who_may_only_read_nor_without_session_or_token(
    owner: Visitor, people: tuple[Visitor, Visitor], account: Connected, change: str
) -> None:
    viewer, stranger = people
    address, form = f"{await place()}/changes/{change}", {"form_key": "k" * 24}
    assert (await viewer.get(address)).status_code == 403
    assert (await viewer.post(address, form)).status_code == 403
    assert (await stranger.post(address, form)).status_code in (303, 401)
    assert (await owner.http.post(address, data=form)).status_code == 403
    assert (await owner.post(address, {**form, "wish": "pause"})).status_code == 400
    assert await wish() == ""
    assert "/changes/" not in await shown(viewer)


@pytest.mark.parametrize("change", ["keep", "resume"])
async def test_what_does_not_apply_is_refused_with_words(
    owner: Visitor, account: Connected, change: str
) -> None:
    address = f"{await place()}/changes/{change}"
    assert (await owner.get(address)).status_code == 303
    assert (await owner.post(address, {"form_key": "k" * 24})).status_code == 303
    assert "This is not possible now." in await shown(owner)
    assert await wish() == ""


async def test_what_the_provider_was_not_told_is_said_and_can_be_asked_again(
    owner: Visitor, account: Connected
) -> None:
    await owner.post(f"{await place()}/changes/pause", await press(owner, "pause"))
    await rows("UPDATE sync_task SET state = 'failed', error = 'No such right.' RETURNING id")
    page = await shown(owner)
    assert "That did not work." in page
    assert "No such right." in page
    assert (
        await owner.post(f"{await place()}/changes/pause", await press(owner, "pause"))
    ).status_code == 303
    assert await rows("SELECT state FROM sync_task") == [("waiting",)]


async def test_while_the_providers_answer_is_not_known_nothing_else_can_be_asked(
    owner: Visitor, account: Connected
) -> None:
    await owner.post(f"{await place()}/changes/pause", await press(owner, "pause"))
    await rows("UPDATE sync_task SET state = 'unknown', error = 'No answer came.' RETURNING id")
    page = await shown(owner)
    assert "Stripe has not confirmed it yet." in page
    assert "That did not work." not in page
    assert 'id="pause-link"' not in page


async def test_unknown_ones_are_not_found(owner: Visitor, account: Connected) -> None:
    for path in (
        "/subscriptions/404",
        "/subscriptions/404/changes/pause",
        f"{await place()}/changes/explode",
    ):
        assert (await owner.get(path)).status_code == 404
    assert (await owner.post(f"{await place()}/changes/explode", {})).status_code == 404


async def test_a_form_without_its_key_is_refused(owner: Visitor, account: Connected) -> None:
    assert (await owner.post(f"{await place()}/changes/pause", {})).status_code == 400
    assert await wish() == ""
