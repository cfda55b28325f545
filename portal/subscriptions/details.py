"""One subscription as its page shows it: the row, its customer's methods, its invoices and their attempts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from portal.contract.facts import Mode
from portal.contract.loading import plugin_by_id, provider_title
from portal.customers.details import SavedMethod, method_of
from portal.database.transaction import connection
from portal.errors import NotFound
from portal.invoices.rules import UNCOLLECTED
from portal.money import Money
from portal.subscriptions.declines import FailedTry, Step, dunning_steps
from portal.subscriptions.queries import OPEN_INVOICE, PLAN_JOIN, PLAN_NAME, standing_of
from portal.subscriptions.statuses import Price, Standing, monthly_share

INVOICES_SHOWN = 25
METHODS_SHOWN = 5
TRIES_SHOWN = 20
FIRST_PAYMENT = timedelta(hours=23)
"""So long the first payment may take."""


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """An invoice of the subscription. `reason` is for admins."""

    id: int
    number: str | None
    status: str
    """The stored one."""
    shown_status: str
    mode: str
    total: Money
    due: Money
    created_at: datetime
    attempts: int
    next_attempt_at: datetime | None
    reason: str
    hosted_url: str

    @property
    def name(self) -> str:
        """What people call it."""
        return self.number or f"Draft {self.id}"

    @property
    def owed(self) -> bool:
        """Whether it can still be paid."""
        return self.status in ("open", "partly_paid")

    @property
    def failed(self) -> bool:
        """Whether the provider tried in vain to collect what is owed."""
        return self.owed and self.attempts > 0


@dataclass(frozen=True, slots=True)
class SubscriptionDetail:
    """One subscription with what belongs to it. `wish`: what was asked for and is not confirmed yet."""

    id: int
    external_id: str
    mode: Mode
    plan: str
    plan_external_id: str
    plan_words: str
    unit: Money | None
    """The price of one; None: it depends on use, or is not known."""
    quantity: int
    metered: bool
    """Its plan counts use: no quantity is ordered."""
    currency: str
    price: Price
    standing: Standing
    started_at: datetime
    period_start: datetime | None
    canceled_at: datetime | None
    account_id: int
    customer_id: int
    customer_name: str
    customer_email: str
    account_title: str
    connected: bool
    provider: str
    href: str
    """Its page at the provider; empty: there is none."""
    plan_href: str
    wish: str
    wish_plan: str
    """The name of the plan that `change_plan` asks for."""
    wish_quantity: int
    wish_error: str
    """Why the provider could not be told; empty: it is on its way."""
    seen_at: datetime
    method: SavedMethod | None
    """What it is charged to; None: nothing, or not known."""
    has_method: bool
    """Whether it is charged to something, known or not."""
    agreed_to: str
    """What the customer agreed to and the provider has not confirmed; empty: nothing."""
    method_error: str
    """Why the provider could not be told of that; empty: it is on its way."""
    methods: tuple[SavedMethod, ...]
    """The newest first."""
    invoices: tuple[HistoryRow, ...]
    more_invoices: bool
    tries: tuple[FailedTry, ...]
    """Of the invoice in `failed`, oldest first."""

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.plan} for {self.customer_name}"

    @property
    def first_payment_until(self) -> datetime:
        """When one that is incomplete ends unpaid."""
        return self.started_at + FIRST_PAYMENT

    @property
    def lacks_method(self) -> bool:
        """Whether nothing is known to charge it to, and the customer chose nothing either."""
        return not self.has_method and not self.agreed_to and not self.standing.ended

    @property
    def trial_charge_at(self) -> datetime | None:
        """When a trial ends that has nothing to charge then; None: that is not so."""
        at = self.standing.next_charge
        waits = self.lacks_method and self.standing.status == "trialing"
        return at if waits and isinstance(at, datetime) else None

    @property
    def period_words(self) -> str:
        """What a period costs: `$20.00 / month`, or the plan's words where that depends on something."""
        return self.plan_words if self.price.amount is None and self.plan_words else self.price.words

    @property
    def share(self) -> Money | None:
        """Its part of the monthly recurring revenue."""
        return monthly_share(self.standing, self.price)

    @property
    def has_more_items(self) -> bool:
        """Whether a period costs something else than the plan alone: there are further items."""
        return bool(self.unit and self.price.amount and self.unit.times(self.quantity) != self.price.amount)

    @property
    def owed(self) -> HistoryRow | None:
        """The newest invoice that can still be paid."""
        return next((row for row in self.invoices if row.owed), None)

    @property
    def failed(self) -> HistoryRow | None:
        """The same when collecting it failed."""
        return self.owed if self.owed and self.owed.failed else None

    @property
    def steps(self) -> Sequence[Step]:
        """The way of the invoice in `failed` from the first attempt to the next one."""
        failed = self.failed
        return dunning_steps(failed.attempts, self.tries, failed.next_attempt_at) if failed else ()


async def find_subscription(subscription_id: int, *, today: date) -> SubscriptionDetail:
    """The subscription with what belongs to it, read in one snapshot.

    Raises:
        NotFound: there is none.
    """
    async with connection() as held, held.transaction(isolation="repeatable_read", readonly=True):
        row = await held.fetchrow(_SUBSCRIPTION, subscription_id)
        if row is None:
            raise NotFound("There is no such subscription.")
        invoices = await held.fetch(_INVOICES, row["account"], row["external_id"], today, INVOICES_SHOWN + 1)
        method = await held.fetchrow(_METHOD, row["account"], row["method_external_id"])
        methods = await held.fetch(_METHODS, row["account"], row["customer_external_id"], METHODS_SHOWN)
        shown = tuple(_history(invoice) for invoice in invoices[:INVOICES_SHOWN])
        failed = next((one.id for one in shown if one.owed), None)
        tries = await held.fetch(_TRIES, failed, TRIES_SHOWN) if failed else []
    return SubscriptionDetail(
        **{name: row[name] for name in _PLAIN},
        **_prices(row),
        **_provider(row),
        mode=Mode(row["mode"]),
        standing=standing_of(row),
        method=method_of(method, today) if method else None,
        methods=tuple(method_of(method, today) for method in methods),
        invoices=shown,
        more_invoices=len(invoices) > INVOICES_SHOWN,
        tries=tuple(_try(each) for each in reversed(tries)),
    )


def _prices(row: Mapping[str, Any]) -> dict[str, Any]:
    amount, unit = row["amount_minor"], row["unit_minor"]
    total = None if amount is None else Money(amount, row["currency"])
    return {
        "unit": None if unit is None else Money(unit, row["plan_currency"]),
        "price": Price(total, row["interval"], row["interval_count"]),
    }


def _provider(row: Mapping[str, Any]) -> dict[str, Any]:
    mode, plugin = Mode(row["mode"]), plugin_by_id(row["plugin"])
    return {
        "provider": provider_title(row["plugin"]),
        "href": plugin.object_page(mode, "subscription", row["external_id"]) if plugin else "",
        "plan_href": plugin.object_page(mode, "plan", row["plan_external_id"]) if plugin else "",
    }


def _history(row: Mapping[str, Any]) -> HistoryRow:
    currency = row["currency"]
    return HistoryRow(
        total=Money(row["total_minor"], currency),
        due=Money(max(row["due_minor"], 0), currency),
        **{name: row[name] for name in _HISTORY},
    )


def _try(row: Mapping[str, Any]) -> FailedTry:
    amount = Money(row["amount_minor"], row["currency"])
    return FailedTry(amount, row["method"], row["code"], row["reason"], row["occurred_at"])


_PLAIN = (
    "id",
    "external_id",
    "plan",
    "plan_external_id",
    "currency",
    "plan_words",
    "quantity",
    "metered",
    "started_at",
    "period_start",
    "canceled_at",
    "account_id",
    "agreed_to",
    "has_method",
    "method_error",
    "customer_id",
    "customer_name",
    "customer_email",
    "account_title",
    "connected",
    "wish",
    "wish_plan",
    "wish_quantity",
    "wish_error",
    "seen_at",
)
_HISTORY = (
    "id",
    "number",
    "status",
    "shown_status",
    "mode",
    "created_at",
    "attempts",
    "next_attempt_at",
    "reason",
    "hosted_url",
)
_SUBSCRIPTION = f"""
SELECT s.*, s.account AS account_id, s.customer AS customer_id,
       c.name AS customer_name, c.email AS customer_email,
       {PLAN_NAME} AS plan, coalesce(p.words, '') AS plan_words,
       coalesce(p.metered, false) AS metered, p.amount_minor AS unit_minor,
       p.currency AS plan_currency, a.plugin, a.title AS account_title,
       coalesce((SELECT coalesce(nullif(wd.name, ''), nullif(w.words, ''), w.external_id) FROM plan w
                 LEFT JOIN product wd ON wd.account = w.account AND wd.external_id = w.product_external_id
                 WHERE w.account = s.account AND w.external_id = s.wish_plan_external_id), '') AS wish_plan,
       a.state <> 'disconnected' AS connected, o.next_attempt_at AS retry_at,
       coalesce((SELECT t.error FROM sync_task t WHERE t.kind = 'change_subscription' AND t.subject_id = s.id
                 AND t.account = s.account AND t.state = 'failed' AND s.wish <> ''), '')
       AS wish_error,
       s.method_external_id IS NOT NULL AS has_method,
       CASE WHEN s.wish_method_external_id = '' THEN ''
            ELSE coalesce((SELECT m.words FROM payment_method m WHERE m.account = s.account
                           AND m.external_id = s.wish_method_external_id), 'another method') END AS agreed_to,
       coalesce((SELECT t.error FROM sync_task t WHERE t.kind = 'use_method' AND t.subject_id = s.id
                 AND t.account = s.account AND t.state = 'failed'
                 AND s.wish_method_external_id <> ''), '') AS method_error
FROM subscription s JOIN customer c ON c.id = s.customer JOIN connected_account a ON a.id = s.account
     {PLAN_JOIN} {OPEN_INVOICE}
WHERE s.id = $1
"""  # noqa: S608 - fragments of ours
_INVOICES = f"""
SELECT i.id, i.number, i.status,
       shown_invoice_status(i.status, i.due_date, {UNCOLLECTED}, $3) AS shown_status,
       i.mode, i.currency, i.total_minor,
       i.total_minor - i.amount_paid_minor - i.amount_returned_minor AS due_minor, i.created_at,
       i.attempts, i.next_attempt_at, i.hosted_url,
       coalesce(nullif(i.collection_failure, ''),
                (SELECT t.reason FROM payment_attempt t WHERE t.invoice = i.id AND t.state = 'failed'
                 ORDER BY t.occurred_at DESC, t.id DESC LIMIT 1), '') AS reason
FROM invoice i WHERE i.account = $1 AND i.subscription_external_id = $2
ORDER BY i.created_at DESC, i.id DESC LIMIT $4
"""  # noqa: S608 - a fragment of ours
_METHOD = """
SELECT words, mode, expires_month, expires_year, blocked FROM payment_method
WHERE account = $1 AND external_id = $2
"""
_METHODS = """
SELECT words, mode, expires_month, expires_year, blocked FROM payment_method
WHERE account = $1 AND customer_external_id = $2 ORDER BY id DESC LIMIT $3
"""
_TRIES = """
SELECT amount_minor, currency, method, code, reason, occurred_at FROM payment_attempt
WHERE invoice = $1 AND state = 'failed' ORDER BY occurred_at DESC, id DESC LIMIT $2
"""
