"""What a plugin read becomes rows once, whatever the order, and stays within its connection."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from portal.accounts.alerts import begin_checks, checks_due
from portal.audit.services import verify
from portal.contract.errors import EventQuarantined
from portal.contract.facts import (
    UNKNOWN_INVOICE,
    AccountChanged,
    AlertRaised,
    CollectionSeen,
    Fact,
    InvoiceClosed,
    Mode,
    PaymentFailed,
    PaymentMethodSeen,
    SeenLine,
)
from portal.database.transaction import transaction
from portal.money import Money
from tests.builders import Connected, connect_account, make_customer, make_invoice
from tests.exchange import facts as make
from tests.exchange.facts import AT, apply, ledger, rows, standing, usd


@pytest.fixture
async def account(database: None) -> Connected:
    return await connect_account()


async def test_an_invoice_made_at_the_provider_is_an_invoice_here(account: Connected) -> None:
    said = await apply(account, make.invoice(due_at=AT), make.payment())
    assert "ABCD-0001 for $120.00 was made in Stripe." in said
    assert "ABCD-0001 is paid." in said
    assert await rows(
        "SELECT origin, number, external_id, status, subtotal_minor, tax_minor, total_minor, sync_state,"
        " due_date::text, paid_at FROM invoice"
    ) == [("provider", "ABCD-0001", "in_1", "paid", 10_000, 2_000, 12_000, "in_step", "2026-11-20", AT)]
    assert await rows("SELECT quantity, unit_minor, amount_minor FROM invoice_line") == [(4, 2_500, 10_000)]
    assert await apply(account, make.invoice(due_at=AT), make.payment()) == ""


@pytest.mark.parametrize(
    ("total", "tax", "lines"),
    [
        (1_000, 0, [(3, 1_000)]),
        (900, 0, [(1, 1_000), (1, -100)]),
        (1_100, 100, []),
        (-500, 0, [(1, -500)]),
        (5_000, 0, [(2, 1_000), (0, 700)]),
    ],
)
async def test_lines_always_come_to_the_total(
    account: Connected, total: int, tax: int, lines: list[tuple[int, int]]
) -> None:
    seen = tuple(SeenLine("Thing", quantity, usd(amount)) for quantity, amount in lines)
    await apply(account, make.invoice(total=usd(total), tax=usd(tax), lines=seen))
    assert await rows("SELECT sum(amount_minor)::bigint FROM invoice_line") == [(total - tax,)]


async def test_its_customer_is_the_linked_one_and_never_guessed_by_the_address(account: Connected) -> None:
    same_address = await make_customer("Initech Ltd", "ap@initech.example")
    await apply(account, make.invoice())
    await apply(account, make.invoice(2))
    found = await rows("SELECT DISTINCT customer, name FROM invoice i JOIN customer c ON c.id = i.customer")
    assert [name for _, name in found] == ["Initech"]
    assert found[0][0] != same_address


async def test_amounts_change_only_while_it_is_open_there(account: Connected) -> None:
    await apply(account, make.invoice())
    more: dict[str, Any] = {"total": usd(15_000), "lines": (SeenLine("Seats", 5, usd(13_000)),)}
    assert "The total is now $150.00." in await apply(account, make.invoice(**more))
    await apply(account, make.invoice(status="paid", total=usd(99_000)), make.payment(amount=15_000))
    assert await rows("SELECT total_minor FROM invoice") == [(15_000,)]
    assert await standing() == ("paid", 15_000, 0)


async def test_what_the_provider_calls_paid_needs_money_to_be_paid_here(account: Connected) -> None:
    await apply(account, make.invoice(status="paid"))
    assert await standing() == ("open", 0, 0)


@pytest.mark.parametrize("status", ["void", "uncollectible"])
async def test_the_provider_may_close_it(account: Connected, status: str) -> None:
    await apply(account, make.invoice())
    await apply(account, make.invoice(status=status))
    assert await standing() == (status, 0, 0)


RefundCase = tuple[list[str], tuple[str, int, int], list[int], str]


@pytest.mark.parametrize(
    ("statuses", "stands", "moved", "kept"),
    [
        (["pending"], ("paid", 12_000, 0), [], "pending"),
        (["pending", "succeeded"], ("refunded", 0, 12_000), [-12_000], "succeeded"),
        (["succeeded", "pending", "succeeded"], ("refunded", 0, 12_000), [-12_000], "succeeded"),
        (["succeeded", "failed"], ("paid", 12_000, 0), [-12_000, 12_000], "failed"),
        (["succeeded", "failed", "succeeded", "failed"], ("paid", 12_000, 0), [-12_000, 12_000], "failed"),
        (["pending", "canceled", "succeeded"], ("paid", 12_000, 0), [], "canceled"),
    ],
)
async def test_a_refund_counts_while_it_is_out_and_its_state_never_goes_back(
    account: Connected, statuses: list[str], *, stands: tuple[str, int, int], moved: list[int], kept: str
) -> None:
    await apply(account, make.invoice(), make.payment())
    for status in statuses:
        await apply(account, make.invoice(), make.refund(status))
    assert await standing() == stands
    assert [amount for kind, _, amount in await ledger() if kind == "refund"] == moved
    assert await rows("SELECT status FROM refund") == [(kept,)]


async def test_a_part_refund_leaves_a_paid_invoice_that_owes_nothing(account: Connected) -> None:
    await apply(account, make.invoice(), make.payment(), make.refund("succeeded", 3_000))
    assert await standing() == ("paid", 9_000, 3_000)


async def test_a_refund_that_the_portal_asked_for_is_the_same_one(account: Connected) -> None:
    await apply(account, make.invoice(), make.payment())
    ours = await rows(
        """
        INSERT INTO refund (invoice, account, mode, payment_external_id, amount_minor, currency, status,
                            requested_by, created_at, changed_at)
        SELECT id, account, mode, 'pi_1', 12000, 'usd', 'requested', 'Ada', now(), now() FROM invoice
        RETURNING id
        """
    )
    await apply(account, make.invoice(), make.refund("succeeded", refund_id=ours[0][0]))
    await apply(account, make.invoice(), make.refund("succeeded"))
    assert await rows("SELECT external_id, status, requested_by FROM refund") == [
        ("re_1", "succeeded", "Ada")
    ]


@pytest.mark.parametrize(
    ("swings", "stands", "moved"),
    [
        ([("needs_response", False)], ("paid", 12_000, 0), []),
        ([("needs_response", True)], ("paid", 0, 12_000), [-12_000]),
        ([("needs_response", True), ("lost", True)], ("refunded", 0, 12_000), [-12_000]),
        ([("under_review", True), ("won", False), ("won", False)], ("paid", 12_000, 0), [-12_000, 12_000]),
        (
            [("under_review", True), ("won", False), ("appeal", True), ("lost", True)],
            ("refunded", 0, 12_000),
            [-12_000, 12_000, -12_000],
        ),
    ],
)
async def test_a_dispute_swings_and_each_swing_counts_once(
    account: Connected,
    swings: list[tuple[str, bool]],
    stands: tuple[str, int, int],
    moved: list[int],
) -> None:
    await apply(account, make.invoice(), make.payment())
    for status, withdrawn in swings:
        for _ in range(2):
            await apply(account, make.invoice(), make.dispute(status, withdrawn=withdrawn))
    assert await standing() == stands
    assert [amount for kind, _, amount in await ledger() if kind == "dispute"] == moved


async def test_every_order_of_one_invoices_facts_ends_the_same(account: Connected) -> None:
    told: list[list[Fact]] = [
        [make.payment(amount=5_000)],
        [make.payment(2, 7_000), InvoiceClosed(UNKNOWN_INVOICE, "uncollectible", AT)],
        [PaymentFailed(UNKNOWN_INVOICE, "ch_0", usd(12_000), AT, "x", "No.")],
        [make.refund("succeeded", 5_000)],
        [make.dispute("lost", withdrawn=True, amount=7_000)],
    ]
    ends = set()
    for number, order in enumerate(list(itertools.permutations(told))[::3]):
        name, seen = f"o{number}", make.invoice(number)
        for facts in (*order, order[0]):
            await apply(account, seen, *make.about(facts, name))
        ends.add((await standing(seen.external_id), tuple(await _money_of(seen.external_id, name))))
    assert len(ends) == 1
    assert ends.pop()[0] == ("refunded", 0, 12_000)


async def _money_of(external_id: str, name: str) -> list[tuple[Any, ...]]:
    return await rows(
        """
        SELECT kind, replace(p.external_id, $2, ''), amount_minor
        FROM payment p JOIN invoice i ON i.id = p.invoice WHERE i.external_id = $1 ORDER BY 1, 2
        """,
        external_id,
        name,
    )


@pytest.mark.parametrize(
    "fact",
    [make.payment, lambda **o: make.refund("succeeded", **o)],
    ids=["payment", "refund"],
)
async def test_another_currency_is_quarantined(account: Connected, fact: Callable[..., Any]) -> None:
    await apply(account, make.invoice())
    with pytest.raises(EventQuarantined, match="EUR"):
        await apply(account, make.invoice(), replace(fact(), amount=Money(12_000, "eur")))
    assert await ledger() == []


async def test_what_went_back_of_a_payment_goes_back_of_one_invoice(account: Connected) -> None:
    money = (
        make.payment(),
        make.refund("succeeded", 2_000),
        make.dispute("lost", withdrawn=True, amount=500),
    )
    await apply(account, make.invoice(), *money)
    entries = await rows("SELECT count(*) FROM audit_entry WHERE object_id = '1'")
    assert "Refunded" not in await apply(account, make.invoice(2), *money)
    await apply(account, make.invoice(2), make.refund("failed", 2_000), make.dispute("won", withdrawn=False))
    assert await rows("SELECT r.status, d.status FROM refund r, dispute d") == [("succeeded", "lost")]
    assert (await standing("in_1"), await standing("in_2")) == (("paid", 9_500, 2_500), ("open", 0, 0))
    assert await rows("SELECT count(*) FROM audit_entry WHERE action LIKE 'payment.%'") == [(3,)]
    assert await rows("SELECT count(*) FROM audit_entry WHERE object_id = '1'") == entries


async def test_the_same_ids_on_two_connections_stay_apart(account: Connected) -> None:
    others = await make_invoice()
    live = await connect_account(mode=Mode.LIVE)
    for one in (account, live):
        await apply(one, make.customer(), make.product(), make.plan(), make.invoice(), make.payment())
        await apply(one, make.subscription(), make.invoice(), make.refund("succeeded", 1_000))
    for table in ("invoice", "payment", "refund", "customer_link", "product", "plan", "subscription"):
        found = await rows(
            f"SELECT account, mode, count(*) FROM {table} WHERE to_jsonb({table})->>'origin' IS DISTINCT FROM"  # noqa: S608 - names of ours
            " 'portal' GROUP BY 1, 2 ORDER BY 1"
        )
        count = 2 if table == "payment" else 1
        assert found == [(account.id, "test", count), (live.id, "live", count)], table
    with pytest.raises(EventQuarantined):
        await apply(live, make.payment(9), invoice_id=others)


async def test_every_movement_of_money_has_its_entry_and_the_chain_holds(account: Connected) -> None:
    await apply(account, make.invoice(), make.payment())
    await apply(account, make.invoice(), make.refund("succeeded", 2_000))
    await apply(account, make.invoice(), make.refund("failed", 2_000))
    await apply(account, make.invoice(), make.dispute("needs_response", withdrawn=True))
    noted = [action for (action,) in await rows("SELECT action FROM audit_entry ORDER BY id")]
    assert noted == [
        "customer.created",
        "invoice.imported",
        "payment.received",
        "payment.refunded",
        "payment.refund_changed",
        "payment.disputed",
    ]
    assert (await verify()).intact


async def test_a_failed_collection_is_past_due_with_its_next_attempt(account: Connected) -> None:
    collection = CollectionSeen(UNKNOWN_INVOICE, 2, AT, "The card was declined.")
    said = await apply(account, make.invoice(), collection)
    assert "tried 2 times to collect it, the next attempt is due 20 Nov 2026. The card was declined." in said
    assert await rows(
        "SELECT shown_invoice_status(status, due_date, attempts > 0, '2026-11-20') FROM invoice"
    ) == [("past_due",)]


async def test_a_subscription_says_what_changed(account: Connected) -> None:
    await apply(account, make.product(), make.plan(), make.subscription("trialing"))
    assert await apply(account, make.subscription("past_due")) == "Pro: trialing → past due."
    assert await apply(account, make.subscription("past_due")) == ""
    said = await apply(account, make.subscription("past_due", cancel_at_period_end=True, quantity=3))
    assert said == "Pro: 1 → 3 seats, it will end."
    assert await rows("SELECT status, quantity, count(*) OVER () FROM subscription") == [("past_due", 3, 1)]


async def test_a_wish_ends_when_the_provider_shows_it(account: Connected) -> None:
    await apply(account, make.subscription())
    await rows("UPDATE subscription SET wish = 'cancel_at_period_end'")
    await apply(account, make.subscription())
    assert await rows("SELECT wish FROM subscription") == [("cancel_at_period_end",)]
    await apply(account, make.subscription(cancel_at_period_end=True))
    assert await rows("SELECT wish FROM subscription") == [("",)]


async def test_deleted_plans_and_products_are_marked_and_kept(account: Connected) -> None:
    await apply(account, make.product(), make.plan())
    await apply(account, replace(make.product(""), deleted=True), replace(make.plan(), deleted=True))
    assert await rows("SELECT name, active, deleted FROM product") == [("Pro", False, True)]
    assert await rows("SELECT words, active, deleted FROM plan") == [("$20.00 per month", False, True)]


async def test_saved_methods_come_change_and_go(account: Connected) -> None:
    saved = PaymentMethodSeen("pm_1", "cus_1", "card", "Visa ending 4242", 4, 2027, "", AT)
    assert await apply(account, saved) == "Visa ending 4242 was saved."
    assert await apply(account, saved) == ""
    assert "removed" in await apply(account, replace(saved, customer_external_id=None))


async def test_an_alert_is_raised_once_and_a_changed_account_is_checked(account: Connected) -> None:
    alert = AlertRaised("issfr_1", "fraud_warning", "The bank warns of fraud.", AT, UNKNOWN_INVOICE)
    assert "The bank warns of fraud." in await apply(account, make.invoice(), alert)
    assert await apply(account, make.invoice(), alert, AccountChanged()) == (
        "The account changed: its checks run again."
    )
    assert await rows("SELECT a.invoice = i.id FROM provider_alert a, invoice i") == [(True,)]
    await rows("UPDATE connected_account SET check_due_at = now()")
    async with transaction() as tx:
        assert await checks_due(tx.connection) == [account.id]
        await begin_checks(tx.connection, account.id)
        assert await checks_due(tx.connection) == []
