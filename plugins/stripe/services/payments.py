"""The pay page's side: start a payment, and look how it stands."""

from __future__ import annotations

from plugins.stripe.domain.declines import customer_texts
from plugins.stripe.domain.events import Follow
from plugins.stripe.gateway import payments as gateway
from plugins.stripe.gateway.client import api_base_for
from plugins.stripe.services.webhooks import read_invoice_now
from portal.sdk import (
    Account,
    Conflict,
    PayableInvoice,
    PaymentStart,
    PayPage,
    ProviderUnavailable,
    Settings,
    apply_reading,
    object_lock,
    payable_invoice,
)

STRIPE_JS = "https://js.stripe.com"
STRIPE_JS_FILE = f"{STRIPE_JS}/endive/stripe.js"
TEST_CARD = "4242 4242 4242 4242"


class NothingToPay(Conflict):
    """The invoice needs no payment (any more)."""

    code = "NOTHING_TO_PAY"


def pay_page(account: Account, settings: Settings) -> PayPage:
    """The form's partial and scripts; with a sandbox, its stand-in takes the place of Stripe's script."""
    sandbox = api_base_for(account.credentials["publishable_key"], settings)
    script = f"{sandbox}/_sandbox/stripe.js" if sandbox else STRIPE_JS_FILE
    return PayPage(
        template="stripe/pay.html",
        context={"declines": customer_texts(), "test_card": TEST_CARD if account.mode == "test" else None},
        scripts=(script, "plugins/stripe/pay.js"),
        csp=_sandbox_csp(sandbox) if sandbox else _stripe_csp(),
    )


async def start_payment(account: Account, invoice: PayableInvoice, settings: Settings) -> PaymentStart:
    """The publishable key and the client secret of the invoice's one payment intent.

    Raises:
        ProviderUnavailable: Stripe does not have the invoice yet, or does not answer.
        NothingToPay: it was paid or closed meanwhile; the portal's row is brought up to date first.
    """
    if invoice.external_id is None:
        raise ProviderUnavailable("The invoice is on its way to Stripe.", hint="Try again in a few seconds.")
    secret, raw = await gateway.client_secret_of(account, settings, invoice.external_id)
    if secret is None or raw["status"] not in ("open", "uncollectible"):
        await _apply(account, invoice.external_id)
        raise NothingToPay("There is nothing to pay any more.")
    if int(raw["amount_remaining"]) != invoice.amount_due.amount_minor:
        await _apply(account, invoice.external_id)
        raise NothingToPay("The amount changed.", hint="Load the page again.")
    return PaymentStart(
        {"publishable_key": account.credentials["publishable_key"].reveal(), "client_secret": secret}
    )


async def refresh_payment(account: Account, invoice_id: int) -> None:
    """Read the invoice at Stripe now and apply what it says."""
    invoice = await payable_invoice(invoice_id)
    if invoice.external_id is not None:
        await _apply(account, invoice.external_id)


async def _apply(account: Account, stripe_invoice: str) -> None:
    async with object_lock(account.id, f"{Follow.INVOICE}:{stripe_invoice}") as held:
        reading = await read_invoice_now(account, stripe_invoice)
        async with held.transaction():
            await apply_reading(held, account, reading)


def _stripe_csp() -> dict[str, tuple[str, ...]]:
    own = (STRIPE_JS, "https://*.js.stripe.com")
    return {
        "script-src": own,
        "frame-src": (*own, "https://hooks.stripe.com"),
        "connect-src": ("https://api.stripe.com",),
    }


def _sandbox_csp(origin: str) -> dict[str, tuple[str, ...]]:
    return {"script-src": (origin,), "frame-src": (origin,), "connect-src": (origin,)}
