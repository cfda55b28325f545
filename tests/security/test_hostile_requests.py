"""Tokens in the wrong place, addresses that lead elsewhere, and headers that lie: none is believed."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from litestar import Litestar

from portal.database.transaction import connection, transaction
from portal.security.headers import RouteClass
from portal.security.tokens import Purpose, hash_token, new_token
from tests.security.conftest import Ground
from tests.security.test_access_matrix import ids
from tests.security.walks import Call, make, of_class, told
from tests.visitors import SESSION_COOKIE, Visitor, add_person, sign_in_as

OURS = "http://testserver.local"
ELSEWHERE = (
    "//evil.example",
    "///evil.example",
    "////evil.example/x",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "http:evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/%2f%2fevil.example",
    "/%2fevil.example",
    "%2f%2fevil.example",
    "/%5cevil.example",
    "//evil%E3%80%82example",
    "/..//evil.example",
    "/.//evil.example",
    "https://testserver.local@evil.example",
    "//testserver.local@evil.example",
    "https://testserver.local.evil.example",
    "@evil.example",
    "javascript:alert(1)//evil.example",
    "JaVaScRiPt:alert(1)//evil.example",
    "data:text/html,evil.example",
    "/\t/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/\r\nLocation: https://evil.example",
    "/%0d%0aLocation:%20https://evil.example",
    "https://evil.example\\@testserver.local",
    "//\u3002evil.example",
    "/\u2215/evil.example",
)
NAMES = (
    "next",
    "return_url",
    "redirect",
    "redirect_url",
    "return_to",
    "url",
    "to",
    "back",
    "continue",
    "goto",
)
LIES: tuple[dict[str, str], ...] = (
    {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil.example"},
    {"Forwarded": "for=127.0.0.1;host=evil.example;proto=https", "X-Host": "evil.example"},
    {"X-Original-URL": "/invoices?evil.example", "X-Rewrite-URL": "/invoices?evil.example"},
    {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "evil.example"},
    {"HX-Request": "true", "HX-Current-URL": "https://evil.example/", "HX-Target": "evil.example"},
    {
        "Accept": "evil.example/*;q=1e999, \u00e9",
        "Accept-Language": "evil.example;q=-1",
        "Accept-Encoding": "evil.example",
    },
    {"Range": "bytes=0-,evil.example", "If-None-Match": "*", "If-Modified-Since": "evil.example"},
    {"Referer": "https://evil.example/", "User-Agent": "<script>evil.example</script>" * 40},
    {"Cookie": "portal_session=evil.example; portal_session=\u00e9; =; theme=evil.example; __Host-x"},
    {"Authorization": "Bearer evil.example", "X-CSRFToken": "evil.example", "X-Real-IP": "evil.example"},
)


async def wrong(visitor: Visitor, app: Litestar, token: str) -> set[tuple[str, int, str]]:
    """What every pay route answers to this token, apart from the token itself."""
    return {
        (str(call), answer.status_code, answer.text.replace(token, "TOKEN"))
        for call in of_class(app, RouteClass.PAY, {"token": token})
        for answer in [await make(visitor, call)]
    }


async def test_a_token_of_another_kind_opens_nothing_and_is_answered_like_any_wrong_one(
    owner: Visitor, app: Litestar, ground: Ground
) -> None:
    usual = await wrong(owner, app, new_token())
    setup = new_token()
    async with transaction() as tx:
        await tx.connection.execute(
            """
            INSERT INTO setup_token (id, token_hash, created_at, expires_at)
            VALUES (1, $1, now(), now() + interval '1 hour')
            """,
            hash_token(setup, Purpose.SETUP),
        )
        stored = await tx.connection.fetchval("SELECT pay_token_hash FROM invoice ORDER BY id LIMIT 1")
    assert owner.session is not None
    for token in (ground.account.token, owner.session, setup, stored.hex(), ground.ours.token[:-1]):
        assert await wrong(owner, app, token) == usual


async def test_a_pay_links_token_is_no_session_no_set_up_and_no_webhook_address(
    visitor: Visitor, app: Litestar, ground: Ground
) -> None:
    pay, other = ground.ours.token, new_token()
    hooks = [await visitor.http.post(f"/webhooks/stripe/{token}", content=b"{}") for token in (pay, other)]
    assert hooks[0].status_code == hooks[1].status_code == 404
    assert hooks[0].text == hooks[1].text
    doors = [await visitor.get(f"/setup?token={token}") for token in (pay, other)]
    assert [door.status_code for door in doors] == [doors[1].status_code] * 2
    visitor.use_session(pay)
    answer = await visitor.get(f"/invoices/{ground.ours.id}")
    assert answer.status_code == 303
    assert visitor.http.cookies.get(SESSION_COOKIE) in (None, pay)


async def test_a_session_is_no_pay_link(app: Litestar, ground: Ground) -> None:
    """Who is signed in sees a pay page only by its link."""
    visitor = Visitor(app)
    session = await sign_in_as(visitor, await add_person())
    answer = await visitor.get(f"/pay/{session}")
    assert answer.status_code == 404


async def test_no_address_in_a_request_leads_a_payer_elsewhere(
    visitor: Visitor, app: Litestar, ground: Ground
) -> None:
    """No answer of a pay page sends anybody on, and none repeats where it was told to."""
    quick = [c for c in of_class(app, RouteClass.PAY, ids(ground.ours)) if _is_quick(c)]
    for number, target in enumerate(ELSEWHERE):
        call = quick[number % len(quick)]
        answer = await visitor.http.request("GET", call.path, params=dict.fromkeys(NAMES, target))
        assert answer.status_code not in range(300, 400), (call, target)
        assert "evil" not in told(answer), (call, target)


@pytest.mark.parametrize("target", ELSEWHERE)
async def test_signing_in_leads_to_a_page_of_this_portal(owner: Visitor, target: str) -> None:
    answer = await owner.http.request("GET", "/sign-in", params={"next": target})
    assert answer.status_code == 303
    onward = answer.headers["location"].replace("\\", "/")  # as browsers read it
    assert urlsplit(urljoin(f"{OURS}/sign-in", onward))[:2] == urlsplit(OURS)[:2]


@pytest.mark.parametrize("lies", LIES, ids=lambda lies: next(iter(lies)))
async def test_headers_that_lie_change_no_answer(
    visitor: Visitor, app: Litestar, ground: Ground, lies: dict[str, str]
) -> None:
    told_before = {}
    sent = {name.encode(): value.encode() for name, value in lies.items()}
    for call in of_class(app, RouteClass.PAY, ids(ground.ours)):
        if not _is_quick(call):
            continue
        told_before[call] = (await visitor.get(call.path)).status_code
        answer = await visitor.http.get(call.path, headers=sent)
        assert answer.status_code in (told_before[call], 206, 304), call
        assert "evil" not in told(answer), call


async def test_the_way_back_from_a_bank_is_made_of_our_own_address(ground: Ground, visitor: Visitor) -> None:
    """Nothing that a browser sends is in it, and nothing it says marks an invoice paid."""
    forged = {
        "payment_intent": "pi_omarsh",
        "payment_intent_client_secret": "pi_omarsh_secret_1",
        "redirect_status": "succeeded",
        "invoice": str(ground.theirs.id),
        "account": "acct_other",
        "amount": "1",
    }
    for status in (
        "succeeded",
        "processing",
        "requires_payment_method",
        "canceled",
        "failed",
        "pending",
        "",
        "1",
    ):
        answer = await visitor.http.get(
            f"/pay/{ground.ours.token}/return", params={**forged, "redirect_status": status}
        )
        assert answer.status_code == 200, status
        assert answer.headers["x-pay-state"] == "ready", status
        assert "pi_omarsh" not in answer.text
    async with connection() as held:
        found = await held.fetch("SELECT DISTINCT status, amount_paid_minor FROM invoice")
        assert [tuple(row) for row in found] == [("open", 0)]
        assert await held.fetchval("SELECT count(*) FROM payment") == 0


def _is_quick(call: Call) -> bool:
    return call.method == "GET" and not call.streams and not call.path.endswith(".pdf")
