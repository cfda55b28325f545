"""A trial without a payment method asks for one at the start, and says what happens at its end."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from portal.accounts.services import load_account
from portal.audit.services import SYSTEM
from portal.contract.facts import Fact, Mode, PaymentMethodSeen, SubscriptionSeen
from portal.contract.work import Reading, ReadingPage
from portal.database.transaction import transaction
from portal.exchange.applying import apply_page
from portal.mail.services import NoLongerTrue, claim_mail
from portal.messages.method_letters import compose_method_link
from portal.subscriptions.starts import WantedStart, request_start
from tests.builders import Connected, connect_account, make_customer
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows
from tests.subscriptions.methods import link_to, word
from tests.visitors import Visitor

ENDS = datetime(2027, 1, 5, 3, tzinfo=UTC)
"""The fourth of January in New York."""
KEY = re.compile(r'name="form_key" value="([^"]+)"')
ADDRESS = re.compile(r"http://testserver\.local/method/[\w-]{43}")
LINKS = "SELECT count(*) FROM method_link"
MAILS = "SELECT kind, to_address FROM mail_message"
METHOD = PaymentMethodSeen("pm_old", "cus_1", "card", "Visa ending 4242", 8, 2031, "", AT)


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    account = await connect_account()
    await apply(account, make.product(), make.plan())
    await rows("UPDATE organisation SET time_zone = 'America/New_York' RETURNING 1")
    return account


async def order(*, send_link: bool = True) -> int:
    """Somebody asks for a trial."""
    ((plan,),) = await rows("SELECT id FROM plan")
    wanted = WantedStart(await make_customer(), plan, 1, 14, send_link=send_link)
    return await request_start(wanted, Mode.TEST, actor=SYSTEM)


def trial(order_id: int | None = None, **other: Any) -> SubscriptionSeen:
    return make.subscription("trialing", trial_end=ENDS, period_end=ENDS, order_id=order_id, **other)


async def place() -> str:
    ((subscription_id,),) = await rows("SELECT id FROM subscription")
    return f"/subscriptions/{subscription_id}"


async def letter_of() -> str:
    """The letter of the one message, as it would go out now."""
    ((mail_id,),) = await rows("SELECT id FROM mail_message")
    mail = await claim_mail(mail_id)
    assert mail is not None
    letter = await compose_method_link(mail)
    return f"{letter.title}\n{letter.text}"


async def test_the_customer_is_mailed_once_what_it_costs_when_and_where_to_add_a_method(
    owner: Visitor, account: Connected
) -> None:
    wanted = await order()
    for _ in range(2):
        await apply(account, trial(wanted))
    assert await rows(MAILS) == [("add_method", "ap@initech.example")]
    said = await letter_of()
    assert "[Test] Add a payment method for Pro" in said
    assert (
        "runs until 4 January 2027. Nothing is charged before then. After that it costs $20.00 / month"
        in said
    )
    assert await rows(LINKS) == [(1,)]
    told = await rows("SELECT words FROM audit_entry WHERE action LIKE 'subscription.link%' ORDER BY id")
    assert told == [
        ("Link to add a payment method made, for the trial.",),
        ("Link to add a payment method sent to a•••@initech.example.",),
    ]
    (address,) = ADDRESS.findall(said)
    assert (await owner.get(address)).status_code == 200


@pytest.mark.parametrize(
    ("send_link", "fact", "links", "mails"),
    [
        (False, {}, 1, 0),
        (True, {"method_external_id": "pm_old"}, 0, 0),
        (True, {"status": "incomplete", "trial_end": None}, 0, 0),
        (True, {"customer_email": ""}, 1, 0),
    ],
    ids=["no box", "a method", "no trial", "no address"],
)
async def test_nobody_is_written_to_in_vain(
    account: Connected, *, send_link: bool, fact: dict[str, Any], links: int, mails: int
) -> None:
    wanted = await order(send_link=send_link)
    await apply(account, replace(trial(wanted), **fact))
    assert len(await rows(MAILS)) == mails
    assert await rows(LINKS) == [(links,)]


async def test_a_trial_of_which_only_a_list_tells_asks_too(account: Connected) -> None:
    wanted = trial(await order())
    loaded = await load_account(account.id)
    page = ReadingPage([Reading((wanted,), key="subscription:sub_1")], None)
    async with transaction() as tx:
        await apply_page(tx.connection, loaded, page, read_at=datetime.now(UTC))
    assert await rows(MAILS) == [("add_method", "ap@initech.example")]
    assert await rows(LINKS) == [(1,)]


async def test_a_link_that_somebody_made_before_the_order_is_known_to_be_done_goes_on_working(
    owner: Visitor, account: Connected
) -> None:
    wanted = await order()
    await apply(account, trial())
    path = await link_to(int((await place()).rpartition("/")[2]))
    await apply(account, trial(wanted))
    assert (await owner.get(path)).status_code == 200


@pytest.mark.parametrize("gone", ["a method", "a choice", "ended", "keys"])
async def test_a_letter_that_is_not_true_any_more_is_not_sent(account: Connected, gone: str) -> None:
    await apply(account, trial(await order()))
    if gone == "keys":
        off = '{"pair_proof": "It is missing."}'
        await rows("UPDATE connected_account SET features_off = $1::jsonb RETURNING 1", off)
    else:
        news: dict[str, Fact] = {
            "a method": trial(method_external_id="pm_old"),
            "a choice": word("pm_new", 1),
            "ended": make.subscription("canceled", ended_at=AT),
        }
        await apply(account, news[gone])
    with pytest.raises(NoLongerTrue):
        await letter_of()


async def test_the_page_says_what_happens_at_the_end_and_sends_the_link(
    owner: Visitor, account: Connected
) -> None:
    await apply(account, trial())
    page = (await owner.get(await place())).text
    assert "No payment method yet" in page
    assert re.search(r"The trial ends on <time[^>]+>4 Jan 2027</time>", page)
    assert "From then on it costs <b>$20.00 / month</b>, which Stripe cannot charge" in page
    question = (await owner.get(f"{await place()}/method-link/send")).text
    assert "Send a link to add a payment method" in question
    found = KEY.search(question)
    assert found
    await owner.post(f"{await place()}/method-link/send", {"form_key": found[1]})
    assert await rows(MAILS) == [("add_method", "ap@initech.example")]


@pytest.mark.parametrize(
    "fact",
    [
        {"method_external_id": "pm_old"},
        {"cancel_at_period_end": True},
        {"status": "active"},
        {"status": "canceled", "ended_at": AT},
    ],
)
async def test_nothing_is_said_of_a_trial_that_can_be_charged_or_never_is(
    owner: Visitor, account: Connected, fact: dict[str, Any]
) -> None:
    await apply(account, replace(trial(), **fact))
    assert 'id="trial-card"' not in (await owner.get(await place())).text


async def test_the_customers_page_asks_to_add_one_and_later_to_update_it(
    visitor: Visitor, account: Connected
) -> None:
    await apply(account, trial())
    path = await link_to(int((await place()).rpartition("/")[2]))
    page = (await visitor.get(path)).text
    assert "Add a payment method</h2>" in page
    assert "<dd>No method yet</dd>" in page
    assert re.search(r"<dt>First charge</dt><dd><time[^>]+>4 January 2027</time>", page)
    assert "nothing before the trial ends" in page
    await apply(account, METHOD, trial(method_external_id="pm_old"))
    page = (await visitor.get(path)).text
    assert "Update payment method</h2>" in page
    assert "Visa ending 4242, expires 08/2031" in page
    assert page.count("is charged when the trial ends, on <time") == 1
