from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from portal.contract.facts import Mode
from portal.dashboard.months import read_collected
from portal.dashboard.queries import Period, read_attention, read_figures, read_steps
from portal.database.transaction import connection
from portal.money import Money
from tests.builders import connect_account, make_customer, make_invoice
from tests.visitors import Visitor

NOW = datetime.now(UTC)


async def pay(invoice_id: int, amount_minor: int, *, at: datetime, kind: str = "payment") -> None:
    async with connection() as held:
        await held.execute(
            "INSERT INTO payment (invoice, account, mode, kind, external_id, amount_minor, currency, "
            "occurred_at, recorded_at) SELECT id, account, mode, $2, gen_random_uuid()::text, $3, currency, "
            "$4, now() FROM invoice WHERE id = $1",
            invoice_id,
            kind,
            amount_minor,
            at,
        )


async def test_steps_follow_what_was_done(owner: Visitor) -> None:
    assert "0 of 4 done" in (await owner.get("/")).text
    await make_customer()
    await connect_account()
    steps = await read_steps()
    assert (steps.connected, steps.customer, steps.invoice, steps.opened) == (True, True, False, False)
    await make_invoice()
    assert "3 of 4 done" in (await owner.get("/")).text
    async with connection() as held:
        await held.execute("UPDATE invoice SET pay_link_opened_at = now()")
    assert "of 4 done" not in (await owner.get("/")).text


async def test_figures_count_one_mode_and_keep_currencies_apart(owner: Visitor) -> None:
    await connect_account(mode=Mode.TEST)
    one, other = await make_invoice(10_000), await make_invoice(700, currency="jpy")
    period = Period(NOW)
    await pay(one, 3_000, at=NOW)
    await pay(one, -1_000, at=NOW, kind="refund")
    await pay(one, 5_000, at=period.start - timedelta(seconds=1))
    await pay(other, 100, at=NOW)
    await pay(one, 4_000, at=NOW, kind="credit")  # let go, not collected
    figures = await read_figures("test", period, currency="usd")
    assert figures.collected == (Money(2_000, "usd"), Money(100, "jpy"))
    assert figures.collected_before == (Money(5_000, "usd"),)
    assert figures.owed == (Money(10_000, "usd"), Money(700, "jpy"))
    assert (figures.owed_count, figures.late_count) == (2, 0)
    assert (await read_figures("live", period, currency="usd")).collected == (Money(0, "usd"),)


async def test_past_due_and_old_debts_are_told(owner: Visitor) -> None:
    await connect_account()
    await make_invoice(10_000)
    async with connection() as held:
        await held.execute("UPDATE invoice SET due_date = current_date - 40")
    figures = await read_figures("test", Period(NOW), currency="usd")
    assert (figures.late, figures.late_count) == ((Money(10_000, "usd"),), 1)
    assert (await read_attention("test", Period(NOW))).very_late == 1
    page = (await owner.get("/")).text
    assert "1 invoice is past due for more than 30 days" in page


async def test_subscriptions_that_could_not_be_charged_are_told_apart_from_test_data(owner: Visitor) -> None:
    await connect_account()
    await make_customer()
    async with connection() as held:
        await held.execute(
            """
            INSERT INTO subscription (account, mode, external_id, customer, customer_external_id,
                                      plan_external_id, status, currency, interval, started_at, seen_at)
            SELECT a.id, a.mode, 'sub_' || status, c.id, 'cus_1', 'price_1', status, 'usd', 'month', now(),
                   now()
            FROM connected_account a, customer c, unnest(ARRAY['past_due', 'unpaid', 'active']) AS status
            """
        )
    assert (await read_attention("test", Period(NOW))).dunning == 2
    assert (await read_attention("live", Period(NOW))).dunning == 0
    page = (await owner.get("/")).text
    assert "2 subscriptions could not be charged" in page
    assert 'href="/subscriptions?tab=in-dunning"' in page


async def test_demo_data_is_offered_until_there_is_an_invoice(owner: Visitor) -> None:
    assert "portal demo-data" in (await owner.get("/")).text
    await connect_account()
    await make_invoice()
    assert "portal demo-data" not in (await owner.get("/")).text


async def test_empty_portal_needs_nothing(owner: Visitor) -> None:
    assert "Nothing needs attention." in (await owner.get("/")).text


async def test_test_mode_is_said_on_every_page(owner: Visitor) -> None:
    assert "Test mode: no real money moves." not in (await owner.get("/")).text
    await connect_account(mode=Mode.TEST)
    assert "Test mode: no real money moves." in (await owner.get("/audit-log")).text
    await connect_account(mode=Mode.LIVE, external_id="acct_live")
    assert "Test mode: no real money moves." not in (await owner.get("/audit-log")).text


async def test_beside_a_live_connection_test_money_has_figures_of_its_own(owner: Visitor) -> None:
    await connect_account()
    test_invoice = await make_invoice(4_200)
    await connect_account(mode=Mode.LIVE)
    live_invoice = await make_invoice(9_900)
    live, test = (await owner.get("/")).text, (await owner.get("/?mode=test")).text
    assert "$99.00" in live
    assert "$42.00" not in live
    assert "$42.00" in test
    assert "$99.00" not in test
    live, test = (await owner.get("/invoices")).text, (await owner.get("/invoices?mode=test")).text
    assert f'href="/invoices/{live_invoice}"' in live
    assert f'href="/invoices/{test_invoice}"' not in live
    assert f'href="/invoices/{test_invoice}"' in test
    assert f'href="/invoices/{live_invoice}"' not in test


async def test_without_a_live_connection_nothing_is_hidden(owner: Visitor) -> None:
    await connect_account()
    invoice_id = await make_invoice(4_200)
    assert "$42.00" in (await owner.get("/")).text
    assert f'href="/invoices/{invoice_id}"' in (await owner.get("/invoices")).text
    assert 'aria-label="Mode"' in (await owner.get("/")).text
    assert 'href="/?mode=test"' not in (await owner.get("/")).text


async def test_collected_months_begin_where_the_organisation_is(owner: Visitor) -> None:
    await connect_account()
    invoice = await make_invoice(10_000)
    await pay(invoice, 3_000, at=datetime(2026, 10, 31, 11, 30, tzinfo=UTC))  # 1 November in Auckland
    await pay(invoice, 500, at=datetime(2026, 10, 31, 10, 30, tzinfo=UTC))  # 31 October there
    await pay(invoice, 70, at=datetime(2026, 11, 30, 11, 0, tzinfo=UTC))  # December there: not yet
    [found] = await read_collected("test", date(2026, 11, 26), zone="Pacific/Auckland", currency="usd")
    assert found.by_month[-2:] == ((date(2026, 10, 1), 500), (date(2026, 11, 1), 3_000))
    assert sum(amount for _, amount in found.by_month) == 3_500


async def test_each_currency_has_a_picture_of_its_own_and_of_one_mode(owner: Visitor) -> None:
    await connect_account()
    dollars, yen = await make_invoice(10_000), await make_invoice(700, currency="jpy")
    await pay(dollars, 3_000, at=NOW)
    await pay(yen, 700, at=NOW)
    found = await read_collected("test", NOW.date(), zone="UTC", currency="eur")
    assert [each.currency for each in found] == ["eur", "jpy", "usd"]
    assert [each.by_month[-1][1] for each in found] == [0, 700, 3_000]
    [live] = await read_collected("live", NOW.date(), zone="UTC", currency="eur")
    assert live.chart().is_empty


async def test_month_in_which_more_went_back_is_told_in_the_table_alone(owner: Visitor) -> None:
    await connect_account()
    invoice = await make_invoice(10_000)
    await pay(invoice, -2_000, at=NOW, kind="refund")
    [found] = await read_collected("test", NOW.date(), zone="UTC", currency="usd")
    assert found.chart().bars() == []
    assert found.chart().rows()[-1][1] == ["−$20.00"]
    assert "−$20.00" in (await owner.get("/")).text


async def test_disputes_and_failed_refunds_wait_for_somebody(owner: Visitor) -> None:
    await connect_account()
    invoice = await make_invoice(10_000)
    async with connection() as held:
        await held.execute(
            "INSERT INTO dispute (invoice, account, mode, external_id, payment_external_id, amount_minor, "
            "currency, status, opened_at, changed_at) SELECT id, account, mode, 'dp_1', 'pi_1', 100, 'usd', "
            "'needs_response', now(), now() FROM invoice"
        )
        await held.execute(
            "INSERT INTO refund (invoice, account, mode, payment_external_id, amount_minor, currency, "
            "status, created_at, changed_at) SELECT id, account, mode, 'pi_1', 100, 'usd', 'failed', now(), "
            "now() FROM invoice"
        )
    page = (await owner.get("/")).text
    assert f'<a href="/invoices/{invoice}">1 dispute waits for your answer</a>' in page
    assert f'<a href="/invoices/{invoice}">1 refund did not go through</a>' in page
    assert (await read_attention("live", Period(NOW))).nothing
