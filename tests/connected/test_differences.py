"""Both values and a choice: on the page of a provider, of the invoice and of the customer."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from portal.contract.facts import Mode
from portal.database.transaction import transaction
from portal.sync.differences import Difference, note_difference
from tests.barriers import barriers
from tests.builders import connect_account, make_customer, make_invoice
from tests.visitors import Visitor
from tests.web.browser_pages import Answer, make_site, open_browser, open_page

PAGE = "/settings/connected-accounts/stripe/differences"


async def _value(query: str, *arguments: Any) -> Any:
    async with transaction() as tx:
        return await tx.connection.fetchval(query, *arguments)


async def _note(difference: Difference) -> int:
    async with transaction() as tx:
        await note_difference(tx.connection, difference)
    return int(await _value("SELECT max(id) FROM sync_difference"))


async def _about_a_name() -> Difference:
    account = await connect_account()
    customer = await make_customer()
    await _value(
        """
        INSERT INTO customer_link (account, mode, external_id, customer, name, email, seen_at)
        VALUES ($1, 'test', 'cus_1', $2, 'Globex', 'ap@globex.example', now())
        """,
        account.id,
        customer,
    )
    return Difference(
        account_id=account.id,
        mode=Mode.TEST,
        subject_kind="customer",
        subject_id=customer,
        external_id="cus_1",
        field="name",
        ours="Globex Trading",
        theirs="Globex Inc",
        kind="conflict",
        cause="It was changed on both sides.",
        rule="Both values stay as they are until somebody chooses.",
        trusted="person",
        found_by="event",
    )


async def _about_an_invoice(field: str, ours: str, theirs: str) -> Difference:
    found = await _about_a_name()
    return replace(
        found,
        subject_kind="invoice",
        subject_id=await make_invoice(9_000),
        external_id="in_1",
        field=field,
        ours=ours,
        theirs=theirs,
    )


def _form(html: str, difference: int, choice: str, *, back: str = "") -> dict[str, str]:
    """What the button of this choice sends, read from the page."""
    start = html.index(f"/differences/{difference}")
    seen = re.search(r'name="seen" value="(\w+)"', html[start:])
    assert seen is not None
    return {"choice": choice, "seen": seen[1], "back": back}


async def test_nothing_differs_at_first(owner: Visitor) -> None:
    await connect_account()
    answer = await owner.get(PAGE)
    assert "Nothing differs" in answer.text
    assert "Nothing was settled yet" in answer.text


async def test_keeping_the_portals_name_sends_it_and_taking_stripes_writes_it_here(owner: Visitor) -> None:
    found = await _about_a_name()
    first = await _note(found)
    html = (await owner.get(PAGE)).text
    assert "Globex Trading" in html
    assert "Globex Inc" in html
    assert "Both values stay as they are until somebody chooses." in html
    form = _form(html, first, "ours")
    for _ in range(2):
        assert (await owner.post(f"{PAGE}/{first}", form)).status_code == 303
    assert await _value("SELECT kind FROM sync_task") == "push_customer"
    assert await _value("SELECT name FROM customer_link") == "Globex Inc", "this value may be overwritten"
    assert await _value("SELECT count(*) FROM audit_entry WHERE action = 'difference.decided'") == 1

    second = await _note(replace(found, theirs="Globex Holding"))
    page = f"/customers/{found.subject_id}"
    html = (await owner.get(page)).text
    answer = await owner.post(f"{PAGE}/{second}", _form(html, second, "theirs", back=page))
    assert answer.headers["location"] == page
    assert await _value("SELECT name FROM customer") == "Globex Holding"
    html = (await owner.get(PAGE)).text
    assert "The portal&#39;s counts" in html
    assert "Stripe&#39;s counts" in html
    assert str(await _value("SELECT resolved_by FROM sync_difference WHERE id = $1", second)) in html
    assert await _value("SELECT resolved_by <> '' FROM sync_difference WHERE id = $1", second)


async def test_a_choice_about_values_that_changed_shows_the_new_ones_and_does_nothing(owner: Visitor) -> None:
    found = await _about_a_name()
    one = await _note(found)
    form = _form((await owner.get(PAGE)).text, one, "theirs")
    await _note(replace(found, theirs="Globex Holding"))
    answer = await owner.post(f"{PAGE}/{one}", form)
    assert answer.status_code == 409
    assert "Globex Holding" in answer.text
    assert await _value("SELECT name FROM customer") == "Globex Trading"


async def test_what_was_chosen_last_stands_first_among_the_settled(owner: Visitor) -> None:
    found = await _about_a_name()
    one = await _note(found)
    await _note(replace(found, external_id="cus_newer", field="email"))
    await _value(
        "UPDATE sync_difference SET state = 'gone', resolved_at = now() - interval '1 hour' WHERE id <> $1",
        one,
    )
    html = (await owner.get(PAGE)).text
    await owner.post(f"{PAGE}/{one}", _form(html, one, "theirs"))
    settled = (await owner.get(PAGE)).text.partition('id="settled"')[2]
    assert settled.index(": name") < settled.index(": email")


async def test_who_may_only_read_sees_both_values_and_no_choice(viewer: Visitor) -> None:
    one = await _note(await _about_a_name())
    html = (await viewer.get(PAGE)).text
    assert "Globex Inc" in html
    assert "An admin chooses" in html
    assert (await viewer.post(f"{PAGE}/{one}", {"choice": "theirs", "seen": ""})).status_code == 403


async def test_an_invoice_shows_its_conflict_on_its_page_in_the_list_and_on_the_dashboard(
    owner: Visitor,
) -> None:
    found = await _about_an_invoice("due date", "30 Nov 2026", "15 Dec 2026")
    one = await _note(found)
    page = f"/invoices/{found.subject_id}"
    html = (await owner.get(page)).text
    assert "15 Dec 2026" in html
    assert "Conflict" in await _listed(owner)
    dashboard = (await owner.get("/")).text
    assert "1 value was changed on both sides" in dashboard
    assert PAGE in dashboard
    assert (await owner.post(f"{PAGE}/{one}", _form(html, one, "theirs", back=page))).status_code == 303
    assert str(await _value("SELECT due_date FROM invoice")) == "2026-12-15"
    assert "Conflict" not in await _listed(owner)


async def _listed(owner: Visitor) -> str:
    """The rows of the list of invoices, without the filters around them."""
    html = (await owner.get("/invoices")).text
    return html[html.index("<tbody") : html.index("</tbody>")]


async def test_stripes_total_is_taken_as_one_more_line(owner: Visitor) -> None:
    one = await _note(await _about_an_invoice("total", "USD 90.00", "USD 95.50"))
    await _value("UPDATE sync_task SET state = 'failed' WHERE kind = 'publish_invoice'")
    html = (await owner.get(PAGE)).text
    assert (await owner.post(f"{PAGE}/{one}", _form(html, one, "theirs"))).status_code == 303
    assert await _value("SELECT total_minor FROM invoice") == 9_550
    assert await _value("SELECT sum(amount_minor) FROM invoice_line") == 9_550
    assert await _value("SELECT state FROM sync_task") == "waiting"


async def test_a_total_in_another_currency_leaves_one_way_out(owner: Visitor) -> None:
    one = await _note(await _about_an_invoice("total", "USD 90.00", "EUR 90.00"))
    html = (await owner.get(PAGE)).text
    form = _form(html, one, "theirs")
    assert (await owner.post(f"{PAGE}/{one}", form)).status_code == 409
    assert (await owner.post(f"{PAGE}/{one}", form | {"choice": "ours"})).status_code == 303
    assert await _value("SELECT status FROM invoice") == "void"
    assert await _value("SELECT count(*) FROM sync_task WHERE kind = 'void_invoice'") == 1


@pytest.mark.parametrize("address", ["?kind=customer", "?kind=nonsense", "?page_at=zzz", "?account=1"])
async def test_the_list_can_be_narrowed(owner: Visitor, address: str) -> None:
    await _note(await _about_a_name())
    assert "Globex Inc" in (await owner.get(PAGE + address)).text
    assert "Nothing of this kind differs" in (await owner.get(PAGE + "?kind=invoice")).text


async def test_a_plan_that_differs_is_found_among_the_plans(owner: Visitor) -> None:
    found = await _about_a_name()
    await _note(replace(found, subject_kind="price", subject_id=None, external_id="price_1", kind="drift"))
    assert "price_1" in (await owner.get(PAGE + "?kind=price")).text
    assert '<option value="price">Plans' in (await owner.get(PAGE)).text


@pytest.mark.browser
async def test_the_pages_have_no_barrier_and_fit_a_telephone(owner: Visitor) -> None:
    about = await _about_an_invoice("total", "USD 90.00", "USD 95.50")
    await _note(about)
    await _note(replace(about, field="memo", ours="", theirs="Payable within thirty days, see contract"))
    site = make_site()
    pages = (PAGE, f"/invoices/{about.subject_id}")
    for path in pages:
        site.answers[path] = Answer((await owner.get(path)).text)
    async with open_browser() as browser:
        for path, width, theme in zip(
            pages * 2, (360, 360, 1280, 1280), ("light", "dark", "dark", "light"), strict=True
        ):
            async with open_page(browser, site, path, width=width, theme=theme) as page:
                assert await barriers(page) == [], (path, width, theme)
                assert await page.evaluate("document.documentElement.scrollWidth") <= width
