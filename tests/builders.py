"""Rows for tests: a company, a connection, a customer, an invoice."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import date, timedelta

from portal.audit.services import SYSTEM
from portal.contract.facts import Mode
from portal.contract.secrets import Secret
from portal.database.transaction import transaction
from portal.invoices import services as invoices
from portal.invoices.sums import Discount, DraftLine
from portal.money import Money
from portal.security.keyrings import current_keyring
from portal.security.sealing import seal
from portal.security.tokens import Purpose, hash_token, new_token

WEBHOOK_SECRET = "whsec_test_of_the_suite_0123456789abcdef"
KEYS = {
    "publishable_key": "pk_test_51SuiteAAAAAAAAAAAAAAAAAA",
    "secret_key": "sk_test_51SuiteAAAAAAAAAAAAAAAAAA",
    "webhook_secret": WEBHOOK_SECRET,
}


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection with the token of its webhook address."""

    id: int
    mode: Mode
    token: str

    @property
    def webhook_path(self) -> str:
        return f"/webhooks/stripe/{self.token}"


async def make_organisation() -> None:
    """The company, with this installation's id."""
    async with transaction() as tx:
        await tx.connection.execute(
            """
            INSERT INTO organisation
                (id, instance_id, name, contact_email, default_currency, time_zone, created_at)
            VALUES (1, $1, 'Northwind Studio', 'billing@northwind.example', 'usd', 'UTC', now())
            ON CONFLICT DO NOTHING
            """,
            uuid.UUID(current_keyring().instance),
        )


async def connect_account(
    *, mode: Mode = Mode.TEST, external_id: str = "acct_suite", keys: dict[str, str] | None = None
) -> Connected:
    """A ready Stripe connection whose keys are sealed as the product seals them."""
    await make_organisation()
    token = new_token()
    async with transaction() as tx:
        account_id: int = await tx.connection.fetchval(
            """
            INSERT INTO connected_account
                (plugin, mode, external_account_id, title, webhook_token_hash, connected_at)
            VALUES ('stripe', $1, $2, 'Northwind', $3, now()) RETURNING id
            """,
            mode.value,
            external_id,
            hash_token(token, Purpose.WEBHOOK),
        )
        place = ("connected_account", str(account_id), mode.value)
        sealed = {name: seal(Secret(text), context=(*place, name)) for name, text in (keys or KEYS).items()}
        await tx.connection.execute(
            """
            UPDATE connected_account SET sealed_credentials = to_jsonb($2::json), sealed_webhook_token = $3
            WHERE id = $1
            """,
            account_id,
            json.dumps(sealed),
            seal(Secret(token), context=(*place, "webhook_token")),
        )
    return Connected(account_id, mode, token)


async def make_customer(name: str = "Globex Trading", email: str = "ap@globex.example") -> int:
    """A customer; returns the id."""
    async with transaction() as tx:
        found: int = await tx.connection.fetchval(
            """
            INSERT INTO customer (name, email, created_at, updated_at)
            VALUES ($1, $2, now(), now()) RETURNING id
            """,
            name,
            email,
        )
    return found


async def make_invoice(
    amount_minor: int = 48_000,
    *,
    currency: str = "usd",
    final: bool = True,
    lines: tuple[DraftLine, ...] = (),
    discount: Discount | None = None,
) -> int:
    """An invoice over one line, or over `lines`, finalised unless told otherwise; returns the id."""
    draft = invoices.DraftInvoice(
        customer_id=await make_customer(),
        currency=currency,
        due_date=date.today() + timedelta(days=14),  # noqa: DTZ011 - any day ahead will do
        memo="",
        footer="",
        lines=lines or (DraftLine("Brand guidelines", 1, Money(amount_minor, currency)),),
        discount=discount,
    )
    invoice_id = await invoices.create_draft(draft, actor=SYSTEM)
    if final:
        await invoices.finalise(invoice_id, actor=SYSTEM)
    return invoice_id
