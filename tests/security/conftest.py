"""Two customers with an invoice each, whose every word can be found again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlsplit

import pytest

from portal.audit.services import SYSTEM
from portal.contract.accounts import Account
from portal.contract.loading import plugin_by_id
from portal.contract.payables import PayableInvoice, PaymentStart
from portal.database.transaction import transaction
from portal.invoices import services
from portal.invoices.sums import DraftLine
from portal.money import Money
from portal.settings import Settings
from tests.builders import KEYS, Connected, connect_account, make_customer

SECRETS = (KEYS["secret_key"], KEYS["webhook_secret"])


@dataclass(frozen=True, slots=True)
class Planted:
    """One customer's invoice."""

    id: int
    customer: int
    token: str
    words: tuple[str, ...]
    """Name, address, line, memo, the provider's ids, a client secret: for nobody who has no right to them."""
    order: int = 0
    """A subscription that was asked for."""


@dataclass(frozen=True, slots=True)
class Ground:
    """Both invoices, and the connection that collects them."""

    account: Connected
    ours: Planted
    theirs: Planted


async def plant(name: str, mark: str) -> Planted:
    """A finalised invoice that a provider has a copy of."""
    words: tuple[str, ...] = (
        name,
        f"{mark}@example.org",
        f"Sextant {mark}",
        f"Memo {mark}",
        f"in_{mark}",
        f"cus_{mark}",
    )
    words += (f"pi_{mark}_secret_{mark}",)
    customer = await make_customer(name, words[1])
    draft = services.DraftInvoice(
        customer_id=customer,
        currency="usd",
        due_date=date.today() + timedelta(days=14),  # noqa: DTZ011 - any day ahead will do
        memo=words[3],
        footer="",
        lines=(DraftLine(words[2], 1, Money(48_000, "usd")),),
    )
    invoice_id = await services.create_draft(draft, actor=SYSTEM)
    await services.finalise(invoice_id, actor=SYSTEM)
    async with transaction() as tx:
        await tx.connection.execute(
            "UPDATE invoice SET external_id = $2, hosted_url = $3 WHERE id = $1",
            invoice_id,
            words[4],
            f"https://invoice.stripe.com/i/{mark}",
        )
        order = await tx.connection.fetchval(
            """
            INSERT INTO subscription_order (account, mode, customer, plan_external_id, created_at)
            SELECT id, mode, $1, $2, now() FROM connected_account RETURNING id
            """,
            customer,
            f"price_{mark}",
        )
    link = await services.pay_link(invoice_id)
    assert link is not None
    return Planted(invoice_id, customer, urlsplit(link).path.rpartition("/")[2], words, order)


@pytest.fixture
async def ground(database: None, monkeypatch: pytest.MonkeyPatch) -> Ground:
    """Two planted invoices, whose provider gives a client secret and has nothing new."""

    async def start(_account: Account, invoice: PayableInvoice, _settings: Settings) -> PaymentStart:
        mark = str(invoice.customer_email).partition("@")[0]
        return PaymentStart({"publishable_key": "pk", "client_secret": f"pi_{mark}_secret_{mark}"})

    async def refresh(_account: Account, _invoice_id: int) -> None:
        return None

    plugin = plugin_by_id("stripe")
    monkeypatch.setattr(plugin, "start_payment", start)
    monkeypatch.setattr(plugin, "refresh_payment", refresh)
    account = await connect_account()
    return Ground(account, await plant("Zebulon Quill", "zquill"), await plant("Ottoline Marsh", "omarsh"))
