"""What admins do about the link with which a customer changes how a subscription is paid."""

from __future__ import annotations

import re

import pytest
from litestar import Litestar

from portal.contract.facts import PaymentMethodSeen
from portal.mail.claims import ClaimedMail
from portal.mail.services import NoLongerTrue, claim_mail
from portal.messages import method_letters
from tests.builders import Connected, connect_account
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, rows
from tests.subscriptions.methods import subscribed, word
from tests.visitors import Visitor

KEY = re.compile(r'name="form_key" value="([^"]+)"')
ADDRESS = re.compile(r"http://testserver\.local/method/[\w-]{43}")
METHOD = PaymentMethodSeen("pm_old", "cus_1", "card", "Visa ending 4242", 8, 2031, "", AT)


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    account = await connect_account()
    await subscribed(account)
    await apply(account, METHOD)
    return account


async def place() -> str:
    (subscription_id,) = (await rows("SELECT id FROM subscription"))[0]
    return f"/subscriptions/{subscription_id}"


async def press(visitor: Visitor, path: str) -> dict[str, str]:
    page = await visitor.get(f"{await place()}/method-link/{path}")
    found = KEY.search(page.text)
    assert page.status_code == 200
    assert found
    return {"form_key": found[1]}


async def the_mail() -> ClaimedMail:
    ((mail_id,),) = await rows("SELECT id FROM mail_message")
    mail = await claim_mail(mail_id)
    assert mail is not None
    return mail


async def test_the_page_says_what_is_charged_and_offers_a_link(owner: Visitor, account: Connected) -> None:
    page = (await owner.get(await place())).text
    assert "Charged to <b>Visa ending 4242</b>, expires 08/2031" in page
    assert "Email a link" in page
    assert "Make a link to copy" in page
    assert not ADDRESS.search(page)


async def test_a_pressed_form_makes_one_link_and_the_next_one_replaces_it(
    owner: Visitor, account: Connected
) -> None:
    form = await press(owner, "new")
    for _ in range(2):
        assert (await owner.post(f"{await place()}/method-link/new", form)).status_code == 303
    first = ADDRESS.findall((await owner.get(await place())).text)
    await owner.post(f"{await place()}/method-link/new", await press(owner, "new"))
    second = ADDRESS.findall((await owner.get(await place())).text)
    assert (len(set(first)), len(set(second))) == (1, 1)
    assert first != second
    assert (await owner.get(first[0])).status_code == 404
    assert (await owner.get(second[0])).status_code == 200
    assert await rows("SELECT count(*) FROM audit_entry WHERE action = 'subscription.link_renewed'") == [(2,)]


async def test_the_customer_is_mailed_once_with_a_link_that_works(owner: Visitor, account: Connected) -> None:
    form = await press(owner, "send")
    for _ in range(2):
        await owner.post(f"{await place()}/method-link/send", form)
    mail = await the_mail()
    assert (mail.to_address, mail.kind, mail.subject_kind) == (
        "ap@initech.example",
        "method_link",
        "subscription",
    )
    letter = await method_letters.compose_method_link(mail)
    assert letter.title == "[Test] Update how you pay for Pro"
    assert "Pro, $20.00 / month. It is charged to Visa ending 4242 now." in letter.text
    (address,) = ADDRESS.findall(letter.text)
    assert (await owner.get(address)).status_code == 200
    assert await rows("SELECT words FROM audit_entry WHERE action = 'subscription.link_sent'") == [
        ("Link to update the payment method sent to a•••@initech.example.",)
    ]


async def test_a_letter_about_a_subscription_that_has_ended_is_not_sent(
    owner: Visitor, account: Connected
) -> None:
    await owner.post(f"{await place()}/method-link/send", await press(owner, "send"))
    await apply(account, make.subscription("canceled", ended_at=AT))
    with pytest.raises(NoLongerTrue):
        await method_letters.compose_method_link(await the_mail())
    page = (await owner.get(await place())).text
    assert "method-send" not in page
    assert (await owner.get(f"{await place()}/method-link/send")).status_code == 303


async def test_viewers_and_strangers_see_no_link_and_make_none(
    owner: Visitor, viewer: Visitor, app: Litestar, account: Connected
) -> None:
    await owner.post(f"{await place()}/method-link/new", await press(owner, "new"))
    assert ADDRESS.search((await owner.get(await place())).text)
    page = (await viewer.get(await place())).text
    assert "Charged to <b>Visa ending 4242</b>" in page
    assert not ADDRESS.search(page)
    assert "method-link/" not in page
    for path in ("new", "send"):
        for who, status in ((viewer, 403), (Visitor(app), 303)):
            address = f"{await place()}/method-link/{path}"
            assert (await who.get(address)).status_code == status
            assert (await who.post(address, {"form_key": "k" * 20})).status_code in (status, 401)
    assert await rows("SELECT count(*) FROM method_link") == [(1,)]
    assert await rows("SELECT count(*) FROM mail_message") == [(0,)]


async def test_keys_that_do_not_allow_it_are_named_in_words_and_nothing_is_offered(
    owner: Visitor, account: Connected
) -> None:
    await rows("UPDATE connected_account SET features_off = $1::jsonb", '{"pair_proof": "It is missing."}')
    page = (await owner.get(await place())).text
    assert "the keys of Stripe do not allow it" in page
    assert "method-link/" not in page
    assert (await owner.get(f"{await place()}/method-link/new")).status_code == 303


async def test_without_an_address_the_link_can_be_copied_alone(owner: Visitor, account: Connected) -> None:
    await rows("UPDATE customer SET email = ''")
    page = (await owner.get(await place())).text
    assert "no email address of the customer is known" in page
    assert "method-link/send" not in page
    assert "method-link/new" in page


async def test_what_the_customer_chose_is_shown_until_the_provider_has_it(
    owner: Visitor, account: Connected
) -> None:
    await apply(account, word("pm_new", 1))
    page = (await owner.get(await place())).text
    assert "The customer chose another method." in page
    await rows("UPDATE sync_task SET state = 'failed', error = 'No such method.'")
    page = (await owner.get(await place())).text
    assert "Stripe did not take another method." in page
    assert "No such method." in page
    await apply(account, make.subscription(method_external_id="pm_new"))
    assert "another method" not in (await owner.get(await place())).text.replace(
        "charged to another method", ""
    )
