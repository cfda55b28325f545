"""Which connection a new invoice belongs to while one of them is broken."""

from __future__ import annotations

from portal.accounts.services import default_account, mark_broken
from portal.contract.facts import Mode
from portal.database.transaction import connection
from tests.builders import connect_account, make_invoice


async def test_an_invoice_finalised_while_the_key_is_refused_waits_for_the_connection(database: None) -> None:
    account = await connect_account()
    await mark_broken(account.id, "Stripe refused this key.")
    invoice_id = await make_invoice()
    async with connection() as held:
        found = await held.fetchrow("SELECT account, mode, sync_state FROM invoice WHERE id = $1", invoice_id)
    assert found is not None
    assert tuple(found) == (account.id, "test", "waiting")


async def test_a_broken_live_connection_does_not_turn_new_invoices_into_test_ones(database: None) -> None:
    await connect_account(mode=Mode.TEST, external_id="acct_test")
    live = await connect_account(mode=Mode.LIVE, external_id="acct_live")
    await mark_broken(live.id, "Stripe refused this key.")
    found = await default_account()
    assert found is not None
    assert (found.id, found.mode) == (live.id, Mode.LIVE)
