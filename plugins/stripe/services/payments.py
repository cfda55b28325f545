"""The pay page's side: start a payment, and look how it stands."""

from __future__ import annotations

import asyncio
import logging

from plugins.stripe.domain.declines import bank_returns, customer_texts
from plugins.stripe.domain.events import Follow
from plugins.stripe.domain.invoices import Raw
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.client import api_base_for
from plugins.stripe.gateway.payments import open_customer_session
from plugins.stripe.rights import SAVED_ON_PAGES_FEATURE, WALLETS_FEATURE
from plugins.stripe.services.links import linked_ids
from portal.sdk import (
    Account,
    AccountOption,
    Conflict,
    PayableInvoice,
    PaymentStart,
    PayPage,
    ProviderError,
    ProviderUnavailable,
    Settings,
    Subject,
    payable_invoice,
    refresh_subject,
)

OFFER_SAVED = AccountOption(
    "offer_saved_methods",
    "Offer saved payment methods on pay pages",
    "Customers may keep a card for the next invoice. Whoever has a pay link of theirs, also if it was only "
    "forwarded, then sees its brand and last four digits and can pay their invoices with it.",
)
SESSION_SECONDS = 3.0
STRIPE_JS = "https://js.stripe.com"
STRIPE_JS_FILE = f"{STRIPE_JS}/endive/stripe.js"
HOSTED_ON = "invoice.stripe.com"
TEST_CARD = "4242 4242 4242 4242"
logger = logging.getLogger("portal.stripe")


class NothingToPay(Conflict):
    """The invoice needs no payment (any more)."""

    code = "NOTHING_TO_PAY"


def pay_page(account: Account, settings: Settings) -> PayPage:
    """The form's partial and scripts; with a sandbox, its stand-in takes the place of Stripe's script."""
    script, sandbox = script_of(account, settings)
    return PayPage(
        template="stripe/pay.html",
        context={
            "declines": customer_texts(),
            "bank_returns": bank_returns(),
            "test_card": TEST_CARD if account.mode == "test" else None,
            "express": account.can(WALLETS_FEATURE),
        },
        scripts=(script, "plugins/stripe/pay.js"),
        csp=form_csp(sandbox),
        hosted_on=(HOSTED_ON,),
    )


async def start_payment(account: Account, invoice: PayableInvoice, settings: Settings) -> PaymentStart:
    """The publishable key and the client secret of the invoice's one payment intent.

    Raises:
        ProviderUnavailable: Stripe does not have the invoice yet, or does not answer.
        NothingToPay: it was paid or closed meanwhile; the portal's row is brought up to date first.
    """
    if invoice.external_id is None:
        raise ProviderUnavailable("The invoice is on its way to Stripe.", hint="Try again in a few seconds.")
    secret, raw = await reads.client_secret_of(account, settings, invoice.external_id)
    if secret is None or raw["status"] not in ("open", "uncollectible"):
        await _apply(account, invoice.external_id)
        await _refuse_again(invoice.id, raw)
        raise NothingToPay("There is nothing to pay any more.")
    if int(raw["amount_remaining"]) != invoice.amount_due.amount_minor:
        await _apply(account, invoice.external_id)
        _refuse_older_debt(raw)
        raise NothingToPay("The amount changed.", hint="Load the page again.")
    return PaymentStart(
        {
            "publishable_key": account.credentials["publishable_key"].reveal(),
            "client_secret": secret,
            **await _saved_methods(account, settings, raw.get("customer")),
        }
    )


async def _saved_methods(account: Account, settings: Settings, customer: object) -> dict[str, str]:
    """What lets the form show and save the customer's methods, where an admin wants that.

    Paying never waits long for it, nor fails with it.
    """
    wanted = account.options.get(OFFER_SAVED.name) and account.can(SAVED_ON_PAGES_FEATURE)
    if not wanted or not isinstance(customer, str):
        return {}
    try:
        async with asyncio.timeout(SESSION_SECONDS):
            return {"customer_session": await open_customer_session(account, settings, customer)}
    except (ProviderError, TimeoutError) as error:
        logger.info("saved methods are not offered: %s", type(error).__name__)
        return {}


async def refresh_payment(account: Account, invoice_id: int) -> None:
    """Read the invoice at Stripe now and apply what it says."""
    invoice = await payable_invoice(invoice_id)
    if invoice.external_id is not None:
        await _apply(account, invoice.external_id)


async def _apply(account: Account, stripe_invoice: str) -> None:
    groups = await linked_ids(account.id, stripe_invoice)
    await refresh_subject(account, Subject(f"{Follow.INVOICE}:{stripe_invoice}", groups))


async def _refuse_again(invoice_id: int, raw: Raw) -> None:
    """Of what a bank did not pay after all Stripe's copy stays paid: it cannot be paid a second time."""
    if raw["status"] == "paid" and (await payable_invoice(invoice_id)).amount_due.amount_minor:
        raise NothingToPay(
            "The bank took this payment back, and it cannot be repeated here.",
            hint="Ask who sent you this invoice how to pay it.",
        )


def _refuse_older_debt(raw: Raw) -> None:
    """With what the customer owes from before Stripe asks for more than the invoice says: so it stays."""
    if int(raw.get("starting_balance") or 0) > 0:
        raise NothingToPay(
            "Stripe asks for an older debt of the customer as well.",
            hint="Ask who sent you this invoice how to pay it.",
        )


def script_of(account: Account, settings: Settings) -> tuple[str, str | None]:
    """The address of Stripe's script, and the sandbox's origin where its stand-in takes that place."""
    sandbox = api_base_for(account.credentials["publishable_key"], settings)
    return (f"{sandbox}/_sandbox/stripe.js" if sandbox else STRIPE_JS_FILE), sandbox


def form_csp(sandbox: str | None) -> dict[str, tuple[str, ...]]:
    """Where a form of Stripe's may connect."""
    return _sandbox_csp(sandbox) if sandbox else _stripe_csp()


def _stripe_csp() -> dict[str, tuple[str, ...]]:
    own = (STRIPE_JS, "https://*.js.stripe.com")
    return {
        "script-src": own,
        "frame-src": (*own, "https://hooks.stripe.com"),
        "connect-src": ("https://api.stripe.com",),
    }


def _sandbox_csp(origin: str) -> dict[str, tuple[str, ...]]:
    return {"script-src": (origin,), "frame-src": (origin,), "connect-src": (origin,)}
