"""What the public page shows on which a customer changes how a subscription is paid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from portal.contract.payables import PayPage
from portal.database.transaction import connection
from portal.finance.services import organisation
from portal.invoices.pay_views import merchant_context
from portal.money import Money
from portal.security.tokens import Purpose, hash_token
from portal.subscriptions.queries import OPEN_INVOICE, PLAN_JOIN, PLAN_NAME, standing_of
from portal.subscriptions.rules import ENDED
from portal.subscriptions.statuses import Price, Standing

JUST_NOW = timedelta(hours=1)
"""Whoever comes back from a bank's page so soon after agreeing has agreed there."""


PATHS = {"start": "start", "result": "refresh", "pay": "pay"}
"""What the page asks for below its own address."""


class MethodState(StrEnum):
    """Which page the customer sees."""

    READY = "ready"
    SAVED = "saved"
    ENDED = "ended"
    UNAVAILABLE = "unavailable"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Method:
    """A saved method as its owner knows it."""

    words: str
    expires: str
    """`08/2028`; empty: it does not, or nobody knows."""

    @property
    def full(self) -> str:
        """`Visa ending 4242, expires 08/2028`."""
        return f"{self.words}, expires {self.expires}" if self.expires else self.words


@dataclass(frozen=True, slots=True)
class OwedInvoice:
    """The newest invoice of the subscription that is still to be paid. `next_at`: when it is tried again."""

    id: int
    amount: Money
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class PayerView:
    """The subscription that a link opens, with what its customer may see."""

    id: int
    external_id: str
    customer_external_id: str
    account_id: int
    mode: str
    plan: str
    price: Price
    standing: Standing
    method: Method | None
    """What it is charged to; None: nothing, or nobody knows."""
    agreed: Method | None
    """What it is to be charged to, and the provider has not confirmed."""
    adds: bool
    """Whether it is charged to nothing so far, and nothing was chosen."""
    agreed_at: datetime | None
    owed: OwedInvoice | None
    """What could not be charged so far, or is about to be; None: nothing, or it has ended."""
    expired: bool

    @property
    def trial_end(self) -> datetime | None:
        """When its trial ends and it is charged for the first time; None: it is not so."""
        at = self.standing.next_charge
        return at if self.standing.status == "trialing" and isinstance(at, datetime) else None

    @property
    def mark(self) -> str:
        """Changes with each word of the customer's."""
        return self.agreed_at.isoformat() if self.agreed_at else ""


async def payer_by_token(token: str) -> PayerView | None:
    """The subscription behind a link, or None for a wrong token."""
    async with connection() as held:
        row = await held.fetchrow(_PAYER, hash_token(token, Purpose.METHOD_LINK))
    return _payer(row) if row else None


def state_of(payer: PayerView, form: PayPage | None) -> MethodState:
    """What to show."""
    if payer.expired:
        return MethodState.EXPIRED
    if payer.standing.ended:
        return MethodState.ENDED
    return MethodState.READY if form else MethodState.UNAVAILABLE


def has_just_agreed(payer: PayerView) -> bool:
    """Whether the customer's last word is so fresh that a way back from a bank's page ends with it."""
    return payer.agreed_at is not None and datetime.now(UTC) - payer.agreed_at < JUST_NOW


async def page_context(
    payer: PayerView, state: MethodState, form: PayPage | None, token: str
) -> dict[str, Any]:
    """Everything that `templates/pay/method.html` needs."""
    return {
        **merchant_context(await organisation(), payer.mode),
        "state": state.value,
        "payer": payer,
        "pay": form,
        "returned": False,
        "trouble": "",
        "portal_url": None,
        "urls": {name: f"/method/{token}/{path}" for name, path in PATHS.items()},
    }


def _payer(row: Mapping[str, Any]) -> PayerView:
    amount = row["amount_minor"]
    price = None if amount is None else Money(amount, row["currency"])
    return PayerView(
        id=row["id"],
        external_id=row["external_id"],
        customer_external_id=row["customer_external_id"],
        account_id=row["account"],
        mode=row["mode"],
        plan=row["plan"],
        price=Price(price, row["interval"], row["interval_count"]),
        standing=standing_of(row),
        method=_method(row, "m"),
        agreed=_method(row, "w"),
        adds=row["method_external_id"] is None and not row["wish_method_external_id"],
        agreed_at=row["method_agreed_at"],
        owed=_owed(row),
        expired=row["expired"],
    )


def _owed(row: Mapping[str, Any]) -> OwedInvoice | None:
    if row["owed_id"] is None or row["status"] in ENDED:
        return None
    return OwedInvoice(row["owed_id"], Money(row["owed_minor"], row["owed_currency"]), row["owed_at"])


def _method(row: Mapping[str, Any], name: str) -> Method | None:
    if not row[f"{name}_words"]:
        return None
    month, year = row[f"{name}_month"], row[f"{name}_year"]
    return Method(row[f"{name}_words"], f"{month:02}/{year}" if month and year else "")


_PAYER = f"""
SELECT s.*, {PLAN_NAME} AS plan, o.next_attempt_at AS retry_at, l.expires_at <= now() AS expired,
       m.words AS m_words, m.expires_month AS m_month, m.expires_year AS m_year,
       w.words AS w_words, w.expires_month AS w_month, w.expires_year AS w_year,
       v.id AS owed_id, v.due_minor AS owed_minor, v.currency AS owed_currency, v.next_attempt_at AS owed_at
FROM method_link l JOIN subscription s ON s.id = l.subscription
     {PLAN_JOIN} {OPEN_INVOICE}
LEFT JOIN payment_method m ON m.account = s.account AND m.external_id = s.method_external_id
LEFT JOIN payment_method w ON w.account = s.account AND w.external_id = s.wish_method_external_id
LEFT JOIN LATERAL (
    SELECT i.id, i.currency, i.next_attempt_at,
           i.total_minor - i.amount_paid_minor - i.amount_returned_minor AS due_minor
    FROM invoice i
    WHERE i.account = s.account AND i.subscription_external_id = s.external_id
          AND i.status IN ('open', 'partly_paid')
          AND i.total_minor - i.amount_paid_minor - i.amount_returned_minor > 0
          AND (i.next_attempt_at IS NOT NULL OR i.attempts > 0
               OR s.status IN ('past_due', 'unpaid', 'incomplete'))
    ORDER BY i.created_at DESC, i.id DESC LIMIT 1
) v ON true
WHERE l.token_hash = $1
"""  # noqa: S608 - fragments of ours
