from __future__ import annotations

import asyncio

import asyncpg
import pytest

from portal.audit.services import timeline
from portal.database.transaction import connection, transaction
from portal.finance.services import NotSetUp, organisation, take_invoice_number
from tests.visitors import Visitor, add_person

FORM = {
    "name": "Northwind Studio",
    "contact_email": "hello@northwind.example",
    "address": "1 Quay\r\nLisbon",
    "default_currency": "eur",
    "time_zone": "Europe/Lisbon",
    "tax_id": "PT 123 456 789",
    "bank_details": "IBAN PT50 0002 0123",
    "footer": "Thank you.",
    "invoice_prefix": "NW-",
    "next_invoice_number": "1",
    "number_shown": "1",
    "terms_days": "30",
    "pay_link_days": "60",
    "version": "1",
}


async def take() -> str:
    async with transaction() as tx:
        return await take_invoice_number(tx.connection)
    raise AssertionError  # the transaction lets no error pass in silence


async def test_saved_settings_are_used_and_audited(owner: Visitor) -> None:
    answer = await owner.post("/settings/finance", FORM)
    assert answer.status_code == 303
    assert "Finance settings saved" in (await owner.get("/settings/finance")).text
    saved = await organisation()
    assert (saved.default_currency, saved.address, saved.terms_days) == ("eur", "1 Quay\nLisbon", 30)
    assert (saved.tax_id, saved.footer, saved.pay_link_days) == ("PT 123 456 789", "Thank you.", 60)
    entry = (await timeline("organisation", 1))[0]
    assert entry.details["default_currency"] == {"before": "usd", "after": "eur"}


async def test_saving_nothing_new_leaves_no_entry(owner: Visitor) -> None:
    await owner.post("/settings/finance", FORM)
    await owner.post("/settings/finance", {**FORM, "version": "2"})
    assert len(await timeline("organisation", 1)) == 1


async def test_stale_form_changes_nothing_and_keeps_what_was_typed(owner: Visitor) -> None:
    await owner.post("/settings/finance", FORM)
    answer = await owner.post("/settings/finance", {**FORM, "name": "Late change"})
    assert answer.status_code == 409
    assert "Somebody else changed these settings" in answer.text
    assert 'value="Late change"' in answer.text
    assert (await organisation()).name == "Northwind Studio"


async def test_mistakes_are_told_beside_their_fields(owner: Visitor) -> None:
    wrong = {
        "name": "",
        "contact_email": "x",
        "default_currency": "zzz",
        "time_zone": "Mars/Base",
        "terms_days": "-1",
        "pay_link_days": "0",
        "next_invoice_number": "x",
        "tax_id": "9" * 61,
    }
    answer = await owner.post("/settings/finance", {**FORM, **wrong})
    assert answer.status_code == 422
    for words in (
        "Enter the name",
        "name@example.com",
        "Choose a currency",
        "Choose a time zone",
        "whole days from 0 to 365",
        "whole days from 1 to 3,650",
        "whole numbers from 1",
        "at most 60 characters",
    ):
        assert words in answer.text


async def test_contact_address_that_mail_cannot_name_is_refused(owner: Visitor) -> None:
    answer = await owner.post("/settings/finance", {**FORM, "contact_email": "jörg@northwind.example"})
    assert answer.status_code == 422
    assert "without accents before the @" in answer.text
    spelled = await owner.post("/settings/finance", {**FORM, "contact_email": "jo@bücher.example"})
    assert spelled.status_code == 303


async def test_viewer_sees_the_settings_without_a_form(viewer: Visitor) -> None:
    page = (await viewer.get("/settings/finance")).text
    assert "Northwind Studio" in page
    assert "Save finance settings" not in page


async def test_numbers_rise_without_gap_or_repeat_however_many_ask(database: None) -> None:
    await add_person()
    taken = await asyncio.gather(*(take() for _ in range(10)))
    assert sorted(taken) == [f"INV-{number:04d}" for number in range(1, 11)]


async def test_number_of_a_failed_transaction_is_given_again(database: None) -> None:
    await add_person()

    async def fail() -> None:
        async with transaction() as tx:
            await take_invoice_number(tx.connection)
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    assert await take() == "INV-0001"


async def test_number_cannot_go_back(database: None) -> None:
    await add_person()
    await take()
    async with connection() as held:
        with pytest.raises(asyncpg.PostgresError, match="cannot go back"):
            await held.execute("UPDATE organisation SET next_invoice_number = 1")


async def test_there_is_one_organisation(database: None) -> None:
    await add_person()
    async with connection() as held:
        with pytest.raises(asyncpg.CheckViolationError):
            await held.execute(
                "INSERT INTO organisation (id, instance_id, name, default_currency, time_zone, created_at) "
                "SELECT 2, instance_id, name, default_currency, time_zone, now() FROM organisation"
            )


async def test_portal_without_an_organisation_says_so(database: None) -> None:
    with pytest.raises(NotSetUp):
        await organisation()
    with pytest.raises(NotSetUp):
        await take()


async def test_next_number_can_go_up_and_is_then_taken(owner: Visitor) -> None:
    await owner.post("/settings/finance", {**FORM, "next_invoice_number": "501"})
    assert await take() == "NW-0501"
    answer = await owner.post("/settings/finance", {**FORM, "version": "2", "next_invoice_number": "7"})
    assert answer.status_code == 422
    assert "Numbers only go up: enter 502 or more." in answer.text


async def test_number_taken_while_the_form_was_open_does_not_stop_the_other_changes(owner: Visitor) -> None:
    await take()
    assert (await owner.post("/settings/finance", FORM)).status_code == 303
    saved = await organisation()
    assert (saved.name, saved.next_invoice_number) == ("Northwind Studio", 2)
