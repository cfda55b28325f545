"""The page on which a customer changes how a subscription is paid: its form, and a look at what they did."""

from __future__ import annotations

from datetime import UTC, datetime

from plugins.stripe.domain.agreements import METHOD_KEY, agreement_in, deposits_page, newest, unsent_secret
from plugins.stripe.domain.declines import customer_texts
from plugins.stripe.domain.events import Follow
from plugins.stripe.gateway import reads
from plugins.stripe.gateway.setups import create_setup, open_customer_portal, setups_of
from plugins.stripe.rights import PORTAL_FEATURE, SETUP_FEATURE, SUBSCRIPTIONS_FEATURE
from plugins.stripe.services.payments import TEST_CARD, form_csp, script_of
from plugins.stripe.services.subscription_changes import ENDED
from plugins.stripe.services.turns import refresh_object
from portal.sdk import (
    Account,
    AccountOption,
    Conflict,
    PaymentStart,
    PayPage,
    Settings,
    connection,
    current_settings,
)

OFFER_PORTAL = AccountOption(
    "offer_customer_portal",
    "Offer Stripe's customer portal",
    "On the page where customers change how a subscription is paid, a button leads to Stripe's own pages. "
    "Set them up first in Stripe under Settings, Billing, Customer portal: there you also choose what "
    "customers may do.",
)
PORTAL_HOST = "https://billing.stripe.com"


def method_page(account: Account, settings: Settings) -> PayPage | None:
    """The form's partial and scripts; None: the key lacks a right that it needs."""
    if not (account.can(SETUP_FEATURE) and account.can(SUBSCRIPTIONS_FEATURE)):
        return None
    script, sandbox = script_of(account, settings)
    return PayPage(
        template="stripe/method.html",
        context={
            "declines": customer_texts(),
            "provider": "Stripe",
            "test_card": TEST_CARD if account.mode == "test" else None,
        },
        scripts=(script, "plugins/stripe/method.js"),
        csp=form_csp(sandbox),
        hosted_on=(sandbox or PORTAL_HOST,),
    )


async def start_method(account: Account, subscription: str, settings: Settings) -> PaymentStart:
    """The publishable key and the client secret of a setup intent for the subscription's customer.

    `deposits_page` is where a bank account of theirs is still to be proved; empty: none is. The form of a
    page that is loaded again gets the setup intent of the first time, until something was sent with it.

    Raises:
        Conflict: it has ended; the portal's row is brought up to date first.
    """
    raw = await reads.retrieve_subscription(account, settings, subscription, with_products=False)
    if raw["status"] in ENDED:
        await refresh_object(account, Follow.SUBSCRIPTION, subscription)
        raise Conflict("This subscription has ended.")
    customer = str(raw["customer"]["id"])
    made = await setups_of(account, settings, customer=customer)
    secret = unsent_secret(made, subscription, datetime.now(UTC)) or await create_setup(
        account, settings, customer=customer, metadata={METHOD_KEY: subscription}
    )
    key = account.credentials["publishable_key"].reveal()
    page = deposits_page(made, subscription)
    return PaymentStart({"publishable_key": key, "client_secret": secret, "deposits_page": page})


def portal_offered(account: Account) -> bool:
    """Whether an admin wants it and the key allows it."""
    return bool(account.options.get(OFFER_PORTAL.name)) and account.can(PORTAL_FEATURE)


async def customer_portal(account: Account, customer: str, return_url: str, settings: Settings) -> str:
    """Where this customer sees to their methods at Stripe, for one visit."""
    return await open_customer_portal(account, settings, customer=customer, return_url=return_url)


async def refresh_method(account: Account, subscription: str) -> None:
    """Find the customer's last word about this subscription, and read the method that it names.

    Which setup intent it was is asked of Stripe: nothing that a browser says is believed.
    """
    customer = await _customer_of(account.id, subscription)
    if customer is None:
        return
    found = await setups_of(account, current_settings(), customer=customer)
    last = newest(agreement_in(raw) for raw in found).get(subscription)
    if last is not None:
        await refresh_object(account, Follow.PAYMENT_METHOD, last.method)


async def _customer_of(account_id: int, subscription: str) -> str | None:
    async with connection() as held:
        found: str | None = await held.fetchval(
            "SELECT customer_external_id FROM subscription WHERE account = $1 AND external_id = $2",
            account_id,
            subscription,
        )
    return found
