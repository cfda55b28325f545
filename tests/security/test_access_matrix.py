"""Who reads what, over every route there is: by session, by role, and by another invoice's pay link."""

from __future__ import annotations

import pytest
from litestar import Litestar

from portal.audit.services import SYSTEM
from portal.database.transaction import connection
from portal.security.headers import RouteClass
from portal.subscriptions.method_links import renew_link
from tests.exchange import facts as make_facts
from tests.exchange.facts import apply
from tests.security.conftest import SECRETS, Ground, Planted
from tests.security.walks import calls, make, of_class, told
from tests.visitors import Visitor

REFUSED = {303, 401, 403, 404}
TABLES = (
    "invoice",
    "customer",
    "customer_link",
    "payment",
    "payment_attempt",
    "organisation",
    "connected_account",
    "sync_task",
    "subscription_order",
)


def ids(planted: Planted, **more: object) -> dict[str, object]:
    """The places of an address, filled in for one invoice."""
    named = {"invoice_id": planted.id, "customer_id": planted.customer, "order_id": planted.order}
    return {**named, "token": planted.token, **more}


async def rows() -> list[str]:
    """Everything that matters."""
    async with connection() as held:
        return [
            str(await held.fetchval(f"SELECT array_agg(t::text ORDER BY t::text) FROM {table} t"))  # noqa: S608 - names of tables above
            for table in TABLES
        ]


async def test_without_a_session_every_page_of_the_portal_is_refused_without_a_word(
    visitor: Visitor, app: Litestar, ground: Ground
) -> None:
    before = await rows()
    for call in of_class(app, RouteClass.ADMIN, ids(ground.theirs)):
        answer = await make(visitor, call)
        assert answer.status_code in REFUSED, call
        assert not [word for word in (*ground.theirs.words, *SECRETS) if word in told(answer)], call
    assert await rows() == before


async def test_a_pay_link_opens_its_own_invoice_and_not_a_word_of_another(
    visitor: Visitor, app: Litestar, ground: Ground
) -> None:
    other, foreign = ground.theirs, (*ground.theirs.words, ground.theirs.token, *SECRETS)
    query = f"?invoice={other.id}&invoice_id={other.id}&token={other.token}&payment_intent=pi_1&id={other.id}"
    opened, secrets = 0, 0
    for call in of_class(app, RouteClass.PAY, ids(ground.ours)):
        if call.streams:
            continue
        answer = await make(visitor, call, query=query)
        assert not [word for word in foreign if word in told(answer)], call
        opened += ground.ours.words[2] in told(answer)
        secrets += ground.ours.words[6] in told(answer)
    assert opened >= 3, "the page, the way back and the PDF show the invoice that the link is for"
    assert secrets == 1, "start alone tells the client secret"


async def test_the_pay_page_tells_no_address_nor_a_providers_id_even_of_its_own_invoice(
    visitor: Visitor, app: Litestar, ground: Ground
) -> None:
    _, address, _, _, external, customer, _ = ground.ours.words
    for call in of_class(app, RouteClass.PAY, ids(ground.ours)):
        if not call.streams:
            said = told(await make(visitor, call))
            assert not [word for word in (address, external, customer, *SECRETS) if word in said], call


async def test_a_link_to_change_a_method_opens_its_own_page_and_not_a_word_of_any_invoice(
    visitor: Visitor, app: Litestar, ground: Ground
) -> None:
    await apply(ground.account, make_facts.product(), make_facts.plan(), make_facts.subscription())
    async with connection() as held:
        subscription_id = await held.fetchval("SELECT id FROM subscription")
    token = (await renew_link(subscription_id, actor=SYSTEM)).rpartition("/")[2]
    foreign = (*ground.ours.words, *ground.theirs.words, *SECRETS, "sub_1", "cus_1", "ap@initech.example")
    opened = set()
    for call in of_class(app, RouteClass.PAY, ids(ground.ours, token=token)):
        answer = await make(visitor, call, query=f"?invoice={ground.ours.id}&token={ground.ours.token}")
        assert not [word for word in foreign if word in told(answer)], call
        if answer.status_code == 200 and "x-pay-state" in answer.headers:
            opened.add(call.template.partition("{")[0] if answer.headers["x-pay-state"] != "expired" else "")
    assert opened - {""} == {"/method/"}


async def test_who_may_read_changes_nothing_and_sees_no_secret(
    viewer: Visitor, app: Litestar, ground: Ground
) -> None:
    before = await rows()
    for call in of_class(app, RouteClass.ADMIN, ids(ground.theirs)):
        if call.streams and call.method == "GET":
            continue
        if call.viewer_may:
            continue
        answer = await make(viewer, call)
        assert answer.status_code < 500, call
        if call.method != "GET":
            assert answer.status_code == 403, call
        assert not [secret for secret in SECRETS if secret in told(answer)], call
    assert await rows() == before


async def test_the_owner_sees_the_invoice_and_no_secret_either(
    owner: Visitor, app: Litestar, ground: Ground
) -> None:
    seen = 0
    for call in of_class(app, RouteClass.ADMIN, ids(ground.theirs)):
        if call.method == "GET" and not call.streams:
            answer = await make(owner, call)
            assert answer.status_code < 500, call
            assert not [secret for secret in SECRETS if secret in told(answer)], call
            seen += ground.theirs.words[0] in told(answer)
    assert seen >= 5, "the planted words are found where they belong, so their absence means something"


async def test_a_field_that_a_form_does_not_have_is_refused_by_every_form(
    owner: Visitor, app: Litestar, ground: Ground
) -> None:
    """Nobody can set another customer's id at the provider, an account, a status or a role."""
    before = await rows()
    for call in calls(app, ids(ground.theirs)):
        if call.method != "POST" or call.access not in ("admin", "public") or call.template in SESSION_ALONE:
            continue
        forged = {
            "external_id": "cus_zquill",
            "customer_external_id": "cus_zquill",
            "status": "paid",
            "role": "owner",
        }
        answer = await owner.post(call.path, forged)
        assert answer.status_code in (400, 403, 404), call
    assert await rows() == before


SESSION_ALONE = {"/sign-out"}
"""It reads no form, and changes the caller's own session alone."""


@pytest.mark.parametrize(
    "walked",
    [
        "pay/{}",
        "pay/{}/card",
        "pay/{}/return",
        "pay/{}/invoice.pdf",
        "pay/{}/receipt.pdf",
        "method/{}",
        "method/{}/return",
    ],
)
async def test_numbers_in_the_place_of_a_token_are_answered_alike(
    visitor: Visitor, ground: Ground, walked: str
) -> None:
    await visitor.token()
    answers = set()
    for number in range(1, 31):
        answer = await visitor.get(f"/{walked.format(number)}")
        answers.add((answer.status_code, answer.text.replace(f"/pay/{number}/", "/pay/N/")))
    assert len(answers) == 1
    assert answers.pop()[0] == 404


async def test_no_pay_route_sets_a_cookie_but_the_form_token(
    owner: Visitor, app: Litestar, ground: Ground
) -> None:
    """With a good link, a wrong one, and a session besides, which stays what it is."""
    before = owner.session
    for token in (ground.ours.token, "wrong"):
        for call in of_class(app, RouteClass.PAY, ids(ground.ours, token=token)):
            if not (call.streams and token != "wrong"):
                answer = await make(owner, call)
                names = {line.partition("=")[0] for line in answer.headers.get_list("set-cookie")}
                assert names <= {"portal_csrf"}, call
    assert owner.session == before
