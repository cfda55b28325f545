"""The customer pages through the application, as a browser sees them."""

from __future__ import annotations

import re

from litestar import Litestar

from portal.database.transaction import connection
from tests.builders import make_customer
from tests.visitors import Visitor

KEY = re.compile(r'name="form_key" value="([^"]+)"')


async def count_customers() -> int:
    async with connection() as held:
        return int(await held.fetchval("SELECT count(*) FROM customer"))


async def form_key(owner: Visitor) -> str:
    found = KEY.search((await owner.get("/customers/new")).text)
    assert found
    return found[1]


async def test_added_customer_is_shown_with_a_notice(owner: Visitor) -> None:
    sent = {"name": " Globex ", "email": "ap@globex.example", "form_key": await form_key(owner)}
    answer = await owner.post("/customers/new", sent)
    assert answer.status_code == 303
    shown = await owner.get(answer.headers["location"])
    assert "Added Globex." in shown.text
    assert "ap@globex.example" in shown.text


async def test_double_press_adds_one_customer(owner: Visitor) -> None:
    sent = {"name": "Globex", "form_key": await form_key(owner)}
    places = {(await owner.post("/customers/new", sent)).headers["location"] for _ in range(2)}
    assert len(places) == 1
    assert await count_customers() == 1


async def test_refused_form_keeps_the_values_and_says_what_to_do(owner: Visitor) -> None:
    sent = {"name": "", "email": "no <address>", "form_key": await form_key(owner)}
    answer = await owner.post("/customers/new", sent)
    assert answer.status_code == 422
    assert "There is a problem" in answer.text
    assert "Enter a name." in answer.text
    assert "no &lt;address&gt;" in answer.text
    assert "<title>Error: " in answer.text
    assert await count_customers() == 0


async def test_new_customer_leads_back_to_the_invoice(owner: Visitor) -> None:
    sent = {"name": "Globex", "form_key": await form_key(owner), "then": "/invoices/new"}
    answer = await owner.post("/customers/new", sent)
    assert re.fullmatch(r"/invoices/new\?customer=\d+", answer.headers["location"])


async def test_way_back_never_leaves_the_portal(owner: Visitor) -> None:
    sent = {"name": "Globex", "form_key": await form_key(owner), "then": "//evil.example/"}
    answer = await owner.post("/customers/new", sent)
    assert re.fullmatch(r"/customers/\d+", answer.headers["location"])


async def test_form_without_its_key_is_refused(owner: Visitor) -> None:
    assert (await owner.post("/customers/new", {"name": "Globex"})).status_code == 400
    assert await count_customers() == 0


async def test_stale_edit_answers_409_with_both_values(owner: Visitor) -> None:
    customer_id = await make_customer("Globex", "")
    stale = {"name": "Late", "version": "2026-01-01T00:00:00+00:00"}
    answer = await owner.post(f"/customers/{customer_id}/edit", stale)
    assert answer.status_code == 409
    assert "it is now Globex" in answer.text
    assert 'value="Late"' in answer.text


async def test_viewer_reads_but_finds_no_way_to_change(viewer: Visitor) -> None:
    customer_id = await make_customer("Globex", "")
    page = await viewer.get(f"/customers/{customer_id}")
    assert page.status_code == 200
    assert "/edit" not in page.text
    assert (await viewer.get(f"/customers/{customer_id}/edit")).status_code == 403
    assert (await viewer.post(f"/customers/{customer_id}/edit", {"name": "X"})).status_code == 403


async def test_htmx_search_gets_the_table_alone(owner: Visitor) -> None:
    await make_customer("Globex", "")
    answer = await owner.get("/customers?q=glo", hx_request="true", hx_request_type="partial")
    assert 'id="customer-list"' in answer.text
    assert "<html" not in answer.text
    assert answer.headers["vary"].lower().count("hx-request") == 1


async def test_unknown_customer_is_a_404_page(owner: Visitor, app: Litestar) -> None:
    assert (await owner.get("/customers/404")).status_code == 404
