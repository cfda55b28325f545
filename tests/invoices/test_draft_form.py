"""The form of a draft through the application: customers, terms, rates, previews, and two people at once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from portal.audit.services import SYSTEM
from portal.database.transaction import connection
from portal.finance.taxes import TaxRate
from portal.invoices import services
from portal.invoices.form_views import tax_options
from tests.builders import Connected, connect_account, make_customer, make_invoice, make_organisation
from tests.visitors import Visitor

HTMX = {"hx_request": "true", "hx_request_type": "partial"}
LINE = {"line-0-description": "Design", "line-0-quantity": "2", "line-0-unit": "480.00", "line-0-tax": "19"}
HIDDEN = re.compile(r'name="(form_key|new_key|version|disputed)" value="([^"]*)"')
GONE = "Somebody else changed this invoice."


@pytest.fixture
async def account(owner: Visitor) -> Connected:
    return await connect_account()


async def value(query: str, *arguments: object) -> object:
    async with connection() as held:
        found: object = await held.fetchval(query, *arguments)
    return found


async def form_of(visitor: Visitor, place: str = "/invoices/new", **changes: str) -> dict[str, str]:
    """What the page would send, with one line."""
    hidden = dict(HIDDEN.findall((await visitor.get(place)).text))
    return {**hidden, "currency": "usd", "terms": "14", "do": "draft", **LINE, **changes}


async def saved_draft(visitor: Visitor, **changes: str) -> str:
    """A stored draft; returns its address."""
    form = await form_of(visitor, customer=str(await make_customer()), **changes)
    answer = await visitor.post("/invoices/new", form)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


async def test_terms_discount_and_named_tax_are_stored(owner: Visitor, account: Connected) -> None:
    place = await saved_draft(owner, discount="10", terms="30", **{"line-0-tax": "20 VAT"})
    shown = (await owner.get(place)).text.replace("\xa0", " ")
    for part in ("Discount 10 %", "−$96.00", "VAT 20 %", "$172.80", "$1,036.80"):
        assert part in shown, part
    due = datetime.now(UTC).date() + timedelta(days=30)
    assert await value("SELECT due_date FROM invoice") == due


async def test_active_rates_are_offered_and_a_rate_that_was_put_away_stays_on_its_line(
    owner: Visitor, account: Connected
) -> None:
    place = await saved_draft(owner, **{"line-0-tax": "16 Old VAT"})
    await value(
        "INSERT INTO tax_rate (name, percent, active, created_at) VALUES ('VAT', 19, true, now()),"
        " ('Old VAT', 16, false, now()) RETURNING id"
    )
    fresh = (await owner.get("/invoices/new")).text
    assert '<option value="19 VAT">' in fresh
    assert "Old VAT" not in fresh
    assert '<option value="16 Old VAT" selected>' in (await owner.get(f"{place}/edit")).text


async def test_without_rates_a_percentage_is_typed(owner: Visitor, account: Connected) -> None:
    assert re.search(r'<input[^>]* id="line-0-tax"', (await owner.get("/invoices/new")).text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({}, "Stripe will charge $1,142.40 (USD)."),
        ({"line-0-quantity": "1", "line-0-unit": "0.10"}, "Stripe charges no less than $0.50."),
        ({"currency": "jpy", "line-0-unit": "10", "line-0-tax": "0"}, "Stripe charges no less than ¥50."),
        ({"currency": "kwd", "line-0-unit": "1.230", "line-0-tax": "5"}, "will charge KWD 2.580 (KWD)"),
        ({"line-0-unit": "0"}, "Nothing to pay"),
        ({"currency": "kwd", "line-0-unit": "1.234"}, "The last digit of KWD amounts must be 0."),
        ({"currency": "isk", "line-0-unit": "1.50"}, "ISK can only be charged in whole units."),
        ({"discount": "2000", "discount_kind": "amount"}, "more than the lines come to, $960.00"),
        ({"terms": "0"}, "Due "),
    ],
)
async def test_what_will_be_charged_is_said_while_typing(
    owner: Visitor, account: Connected, change: dict[str, str], words: str
) -> None:
    answer = await owner.post("/invoices/new", await form_of(owner, **{"do": "totals", **change}), **HTMX)
    assert answer.status_code == 200
    assert words in answer.text.replace("\xa0", " ")
    assert "<html" not in answer.text


async def test_empty_form_is_not_said_to_be_free(owner: Visitor, account: Connected) -> None:
    assert "Nothing to pay" not in (await owner.get("/invoices/new")).text


async def test_without_a_provider_nothing_is_promised(owner: Visitor) -> None:
    await make_organisation()
    assert "will charge" not in (await owner.get("/invoices/new")).text


async def test_search_narrows_the_customers_and_chooses_the_only_one(
    owner: Visitor, account: Connected
) -> None:
    globex = await make_customer("Globex", "a@globex.example")
    await make_customer("Initech", "a@initech.example")
    form = await form_of(owner, do="customers", customer_search="glob")
    found = (await owner.post("/invoices/new", form, **HTMX)).text
    assert f'<option value="{globex}" selected>' in found
    assert "Initech" not in found
    assert "<html" not in found
    whole = (await owner.post("/invoices/new", form)).text  # without scripts
    assert f'<option value="{globex}" selected>' in whole
    assert 'value="480.00"' in whole


async def test_search_finds_addresses_and_leaves_out_who_was_merged_or_erased(
    owner: Visitor, account: Connected
) -> None:
    found, merged, erased = [
        await make_customer(name, "pay@acme.example") for name in ("Found", "Merged", "Erased")
    ]
    await value("UPDATE customer SET merged_into = $1 WHERE id = $2 RETURNING id", found, merged)
    await value("UPDATE customer SET erased_at = now() WHERE id = $1 RETURNING id", erased)
    form = await form_of(owner, do="customers", customer_search="PAY@acme")
    shown = (await owner.post("/invoices/new", form, **HTMX)).text
    assert re.findall(r'<option value="(\d+)"', shown) == [str(found)]
    refused = await owner.post("/invoices/new", {**form, "do": "draft", "customer": str(merged)})
    assert refused.status_code == 422


async def test_enter_searches_while_nobody_is_chosen_and_saves_nothing(
    owner: Visitor, account: Connected
) -> None:
    await make_customer("Globex", "a@globex.example")
    await make_customer("Globus", "a@globus.example")
    answer = await owner.post("/invoices/new", await form_of(owner, do="enter", customer_search="glob"))
    assert answer.status_code == 200
    assert await value("SELECT count(*) FROM invoice") == 0


async def test_customer_is_added_without_leaving_the_form_and_once(
    owner: Visitor, account: Connected
) -> None:
    form = await form_of(owner, do="add-customer", new_name="Hooli <b>", new_email="ap@hooli.example")
    for answer in [await owner.post("/invoices/new", form) for _ in range(2)]:
        assert re.search(r'<option value="\d+" selected>Hooli &lt;b&gt;', answer.text)
        assert 'value="480.00"' in answer.text
    assert await value("SELECT count(*) FROM customer") == 1


async def test_refused_customer_keeps_every_value(owner: Visitor, account: Connected) -> None:
    form = await form_of(owner, do="add-customer", new_name="Hooli", new_email="no address", memo="For May")
    answer = await owner.post("/invoices/new", form)
    assert answer.status_code == 422
    for part in ('value="Hooli"', 'value="no address"', 'value="480.00"', "For May", 'href="#new_email"'):
        assert part in answer.text, part


async def test_preview_shows_the_invoice_and_stores_nothing(owner: Visitor, account: Connected) -> None:
    customer = str(await make_customer("Globex Trading"))
    form = await form_of(owner, do="preview", customer=customer, memo="For May", discount="10")
    shown = (await owner.post("/invoices/new", form)).text.replace("\xa0", " ")
    for part in ("Invoice from Northwind Studio", "For May", "−$96.00", "$1,028.16", 'value="480.00"'):
        assert part in shown, part
    assert await value("SELECT count(*) FROM invoice") == 0
    refused = await owner.post("/invoices/new", {**form, "customer": ""})
    assert refused.status_code == 422
    assert 'href="#customer"' in refused.text


async def test_save_and_send_finalises_and_leads_to_the_send_page(owner: Visitor, account: Connected) -> None:
    form = await form_of(owner, do="send", customer=str(await make_customer()))
    answer = await owner.post("/invoices/new", form)
    assert answer.headers["location"] == "/invoices/1/send"
    assert await value("SELECT number FROM invoice") == "INV-0001"


async def stale_form(owner: Visitor, place: str, **changes: str) -> dict[str, str]:
    """A form that was opened before somebody else saved the draft; they changed memo, discount and price."""
    customer = str(await value("SELECT customer FROM invoice"))
    mine = await form_of(owner, f"{place}/edit", customer=customer, **changes)
    theirs = {**mine, "memo": "Theirs", "discount": "5", "line-0-unit": "500.00"}
    assert (await owner.post(f"{place}/edit", theirs)).status_code == 303
    return mine


async def test_stale_save_shows_both_values_by_whom_and_loses_nothing(
    owner: Visitor, account: Connected
) -> None:
    place = await saved_draft(owner)
    mine = await stale_form(owner, place, memo="Mine")
    answer = await owner.post(f"{place}/edit", mine)
    assert answer.status_code == 409
    for part in (GONE, "Changed by", "Theirs", "Mine</textarea>", "2 × 480.00", "2 × 500.00", "5 %"):
        assert part in answer.text, part
    assert re.findall(r'value="take-(\w+)"', answer.text) == ["lines", "discount", "memo"]
    assert await value("SELECT memo FROM invoice") == "Theirs"


async def test_after_a_conflict_each_part_is_taken_or_kept(owner: Visitor, account: Connected) -> None:
    place = await saved_draft(owner)
    mine = await stale_form(owner, place, memo="Mine")
    clash = await owner.post(f"{place}/edit", mine)
    taken = await owner.post(
        f"{place}/edit", {**mine, **dict(HIDDEN.findall(clash.text)), "do": "take-lines"}
    )
    assert 'value="500.00"' in taken.text
    assert "take-lines" not in taken.text
    assert "Mine</textarea>" in taken.text
    chosen = {**mine, **dict(HIDDEN.findall(taken.text)), "line-0-unit": "500.00"}
    assert (await owner.post(f"{place}/edit", chosen)).status_code == 303
    assert await value("SELECT memo FROM invoice") == "Mine"
    assert await value("SELECT unit_minor FROM invoice_line") == 50_000


async def test_third_save_during_a_decision_is_a_conflict_again(owner: Visitor, account: Connected) -> None:
    place = await saved_draft(owner)
    mine = await stale_form(owner, place, memo="Mine")
    clash = await owner.post(f"{place}/edit", mine)
    await stale_form(owner, place)
    again = {**mine, **dict(HIDDEN.findall(clash.text))}
    assert (await owner.post(f"{place}/edit", again)).status_code == 409


async def test_what_was_typed_into_a_draft_that_became_an_invoice_can_be_saved_as_another(
    owner: Visitor, account: Connected
) -> None:
    invoice_id = await make_invoice(final=False)
    place = f"/invoices/{invoice_id}"
    form = await form_of(owner, f"{place}/edit", customer=str(await make_customer()), memo="Mine")
    await services.finalise(invoice_id, actor=SYSTEM)
    clash = await owner.post(f"{place}/edit", form)
    assert clash.status_code == 409
    assert "finalised it" in clash.text
    assert "take-memo" not in clash.text
    assert 'formaction="/invoices/new"' in clash.text
    saved = await owner.post("/invoices/new", {**form, **dict(HIDDEN.findall(clash.text))})
    assert saved.status_code == 303
    assert await value("SELECT memo FROM invoice WHERE number IS NULL") == "Mine"


def test_a_tax_rate_is_told_apart_by_what_comes_first() -> None:
    rates = [TaxRate(1, "VAT", Decimal(19), active=True), TaxRate(2, "VAT", Decimal(7), active=True)]
    options = tax_options(rates, "5 Old VAT")
    assert options is not None
    assert [words for _, words in options] == [
        "No tax",
        "19\u00a0% VAT",
        "7\u00a0% VAT",
        "5\u00a0% Old VAT",
    ]
