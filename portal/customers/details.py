"""Everything on a customer's page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from portal.contract.facts import Mode
from portal.contract.loading import plugin_by_id, provider_title
from portal.customers.lists import ROWS, LinkState, link_state
from portal.customers.matches import Matches, matches_of
from portal.customers.rules import is_expired
from portal.customers.sums import amounts
from portal.database.transaction import Connection, connection
from portal.errors import NotFound
from portal.money import Money

INVOICES_SHOWN = 25
OTHERS_SHOWN = 50
"""Methods and subscriptions: more than anybody has, by far."""


@dataclass(frozen=True, slots=True)
class ProviderLink:
    """The customer as a provider knows it."""

    id: int
    plugin: str
    account_title: str
    mode: Mode
    external_id: str
    deleted: bool
    seen_at: datetime
    href: str
    """Its page at the provider; empty: there is none."""

    @property
    def provider(self) -> str:
        """`Stripe`."""
        return provider_title(self.plugin)


@dataclass(frozen=True, slots=True)
class SavedMethod:
    """A saved way to pay. `words` names it: `Visa ending 4242`."""

    words: str
    mode: Mode
    expires: str
    """`04/2027`; empty: it does not."""
    expired: bool
    blocked: str
    """Why it cannot be used; empty: it can."""


@dataclass(frozen=True, slots=True)
class CustomerInvoice:
    """An invoice in the list below a customer."""

    id: int
    number: str | None
    status: str
    total: Money
    due_date: date | None
    mode: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerSubscription:
    """A subscription in the list below a customer. `amount` None: it depends on use."""

    id: int
    name: str
    status: str
    amount: Money | None
    interval: str
    interval_count: int
    quantity: int
    period_end: datetime | None
    ends_at: datetime | None
    """When it ends or ended, where that is known."""
    ended: bool
    mode: Mode


@dataclass(frozen=True, slots=True)
class CustomerDetail:
    """One customer. Sums are of the mode that was asked for."""

    id: int
    name: str
    email: str
    address: str
    tax_id: str
    created_at: datetime
    updated_at: datetime
    """Also the version that an edit form carries."""
    merged_into: int | None
    erased_at: datetime | None
    state: LinkState
    balance: tuple[Money, ...]
    paid: tuple[Money, ...]
    links: tuple[ProviderLink, ...]
    methods: tuple[SavedMethod, ...]
    invoices: tuple[CustomerInvoice, ...]
    more_invoices: bool
    subscriptions: tuple[CustomerSubscription, ...]
    matches: Matches
    merged_ids: tuple[int, ...]
    """Customers that were merged into this one: what happened to them is part of its story."""


async def find_customer(customer_id: int, *, today: date, mode: Mode) -> CustomerDetail:
    """One customer with whatever belongs to it.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held:
        rows = await held.fetch(ROWS, [customer_id], mode.value)
        if not rows:
            raise NotFound("There is no such customer.")
        return await _with_belongings(held, rows[0], today)


async def _with_belongings(held: Connection, row: Any, today: date) -> CustomerDetail:
    customer_id = row["id"]
    invoices = await held.fetch(_INVOICES, customer_id, today, INVOICES_SHOWN + 1)
    links = await held.fetch(_LINKS, customer_id)
    methods = await held.fetch(_METHODS, customer_id, OTHERS_SHOWN)
    subscriptions = await held.fetch(_SUBSCRIPTIONS, customer_id, OTHERS_SHOWN)
    merged = await held.fetch("SELECT id FROM customer WHERE merged_into = $1 ORDER BY id", customer_id)
    profile = (
        "id",
        "name",
        "email",
        "address",
        "tax_id",
        "created_at",
        "updated_at",
        "merged_into",
        "erased_at",
    )
    return CustomerDetail(
        **{name: row[name] for name in profile},
        state=link_state(row),
        balance=amounts(row["currencies"], row["owed"]),
        paid=amounts(row["currencies"], row["paid"]),
        links=tuple(_link(link) for link in links),
        methods=tuple(method_of(method, today) for method in methods),
        invoices=tuple(_invoice(invoice) for invoice in invoices[:INVOICES_SHOWN]),
        more_invoices=len(invoices) > INVOICES_SHOWN,
        subscriptions=tuple(_subscription(one) for one in subscriptions),
        matches=await matches_of(held, customer_id),
        merged_ids=tuple(one["id"] for one in merged),
    )


def _link(row: Any) -> ProviderLink:
    plugin, mode = plugin_by_id(row["plugin"]), Mode(row["mode"])
    href = plugin.object_page(mode, "customer", row["external_id"]) if plugin and not row["deleted"] else ""
    return ProviderLink(**{**dict(row), "mode": mode}, href=href)


def method_of(row: Any, today: date) -> SavedMethod:
    """A row of `payment_method` as people see it."""
    month, year = row["expires_month"], row["expires_year"]
    return SavedMethod(
        row["words"],
        Mode(row["mode"]),
        f"{month:02}/{year}" if month and year else "",
        is_expired(month, year, today),
        row["blocked"],
    )


def _invoice(row: Any) -> CustomerInvoice:
    total = Money(row["total_minor"], row["currency"])
    return CustomerInvoice(
        row["id"], row["number"], row["status"], total, row["due_date"], row["mode"], row["created_at"]
    )


def _subscription(row: Any) -> CustomerSubscription:
    amount = row["amount_minor"]
    at_period_end = row["period_end"] if row["cancel_at_period_end"] else None
    return CustomerSubscription(
        id=row["id"],
        name=row["name"],
        status="paused" if row["pause"] else row["status"],
        amount=None if amount is None else Money(amount, row["currency"]),
        interval=row["interval"],
        interval_count=row["interval_count"],
        quantity=row["quantity"],
        period_end=row["period_end"],
        ends_at=row["ended_at"] or row["cancel_at"] or at_period_end,
        ended=row["ended_at"] is not None,
        mode=Mode(row["mode"]),
    )


_LINKS = """
SELECT l.id, a.plugin, a.title AS account_title, l.mode, l.external_id, l.deleted, l.seen_at
FROM customer_link l JOIN connected_account a ON a.id = l.account WHERE l.customer = $1 ORDER BY l.id
"""
_METHODS = """
SELECT m.words, m.mode, m.expires_month, m.expires_year, m.blocked
FROM customer_link l JOIN payment_method m ON m.account = l.account AND m.customer_external_id = l.external_id
WHERE l.customer = $1 AND NOT l.deleted ORDER BY m.id DESC LIMIT $2
"""
_INVOICES = """
SELECT id, number, shown_invoice_status(
           status, due_date, origin = 'provider' AND due_date IS NULL AND attempts > 0, $2) AS status,
       currency, total_minor, due_date,
       mode, created_at
FROM invoice WHERE customer = $1 ORDER BY id DESC LIMIT $3
"""
_SUBSCRIPTIONS = """
SELECT s.*, coalesce(nullif(d.name, ''), nullif(p.words, ''), s.plan_external_id) AS name
FROM subscription s
     LEFT JOIN plan p ON p.account = s.account AND p.external_id = s.plan_external_id
     LEFT JOIN product d ON d.account = s.account AND d.external_id = p.product_external_id
WHERE s.customer = $1 ORDER BY s.ended_at IS NOT NULL, s.id DESC LIMIT $2
"""
