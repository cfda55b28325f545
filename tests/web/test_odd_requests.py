"""Requests that no browser makes by itself: each is answered with words, and none with a fault."""

from __future__ import annotations

import pytest
from litestar import Litestar

from tests.security.walks import calls
from tests.visitors import Visitor

NO_ADDRESSES = (b"http://[", b"//[::1", b"http://a]b/", b"https://[1]", b"http://[0:0:0:0:0:0:0:0:0]")
PART = b'--x\r\nContent-Disposition: form-data; name="email"\r\n%s\r\n%s\r\n--x--'


@pytest.mark.parametrize("address", NO_ADDRESSES)
async def test_what_is_no_address_in_a_header_is_believed_by_nobody(visitor: Visitor, address: bytes) -> None:
    headers = {b"HX-Request": b"true", b"HX-Current-URL": address}
    asked = await visitor.http.get("/invoices", headers=headers)
    assert (asked.status_code, asked.headers["hx-redirect"]) == (401, "/sign-in")
    sent = await visitor.http.post("/theme", headers={b"Origin": address})
    assert sent.status_code == 403
    host = {b"Host": address.rpartition(b"//")[2].strip(b"/")}
    assert (await visitor.http.get("/sign-in", headers=host)).status_code == 400
    assert (await visitor.http.post("/webhooks/stripe/x", headers=host)).status_code == 400


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"", b"\xff\xfe"),
        (b"Content-Type: text/plain; charset=utf-99\r\n", b"a"),
        (b"Content-Type: text/plain; charset=hex\r\n", b"zz"),
        (b'Content-Type: text/plain; charset="a\0b"\r\n', b"a"),
        (b"Content-Type: text/plain; charset=undefined\r\n", b"a"),
    ],
    ids=["no UTF-8", "unknown", "no text", "NUL", "undefined"],
)
async def test_form_whose_text_cannot_be_read_is_refused(visitor: Visitor, head: bytes, text: bytes) -> None:
    """With a form token and without: it is looked for in the form, before anything else is."""
    token = await visitor.token()
    for given in ({}, {"X-CSRFToken": token}):
        headers = {"Content-Type": "multipart/form-data; boundary=x", **given}
        answer = await visitor.http.post("/sign-in", content=PART % (head, text), headers=headers)
        assert answer.status_code == 400


@pytest.mark.parametrize("nul", ["%00", "a%00b", "%%0000", "%25%00"])
async def test_nul_in_a_query_breaks_no_page(owner: Visitor, app: Litestar, nul: str) -> None:
    names = ("q", "who", "action", "kind", "object_id", "status", "account", "page_at", "customer", "mode")
    query = "&".join(f"{name}={nul}" for name in names)
    for call in calls(app, {}):
        if call.method == "GET" and not call.streams and call.access == "admin":
            answer = await owner.get(f"{call.path}?{query}")
            assert answer.status_code < 500, call


async def test_nul_in_a_query_is_a_space(owner: Visitor) -> None:
    assert 'value="a b"' in (await owner.get("/customers?q=a%00b")).text


async def test_nul_in_a_path_leads_nowhere(owner: Visitor) -> None:
    for path in ("/merchant/%00/logo.png", "/merchant/a%00/logo.png", "/help/stripe/%00", "/pay/%00"):
        assert (await owner.get(path)).status_code == 404, path


@pytest.mark.parametrize("number", [2**63, -(2**63), 10**24])
async def test_number_that_no_row_can_have_is_refused_in_a_query_too(owner: Visitor, number: int) -> None:
    for path in (
        "/settings/connected-accounts/stripe/differences?account={}",
        "/subscriptions/new?order={}",
        "/webhook-events/newer?after={}",
        "/customers/1/merge?other={}",
    ):
        answer = await owner.get(path.format(number))
        assert answer.status_code == 400, path


async def test_a_form_without_a_single_field_breaks_nothing(owner: Visitor, app: Litestar) -> None:
    for call in calls(app, {}):
        if call.method == "POST" and call.template != "/sign-out":
            answer = await owner.post(call.path)
            assert answer.status_code < 500, call
