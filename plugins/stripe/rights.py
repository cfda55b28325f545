"""What a key must be allowed to do: each right with the feature that it carries and the calls that use it.

A test reads the gateway and fails when it makes a call that no row names, or a row names a call that is not
made. A right without calls is asked for ahead of time, so that keys need not be edited later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from portal.sdk import Feature

Level = Literal["Read", "Write"]


@dataclass(frozen=True, slots=True)
class Right:
    """One right of a restricted key."""

    service: str
    """The SDK's service that probes ask."""
    title: str
    """As Stripe's own page for editing a key calls it."""
    level: Level
    """Write implies Read."""
    feature_id: str
    feature_title: str
    without: str
    """What a person could not do without it; completes "so …"."""
    calls: tuple[str, ...] = ()
    """The calls of the gateway that need it, as `service.method`, and what it reads along with others, as
    `expand path`; empty: nothing uses it yet."""
    probe_id: str = ""
    """An id that cannot exist: changing it is refused either for want of the right or as unknown."""
    needed: bool = False
    """Without it a connection is of no use, so it cannot be saved."""

    @property
    def feature(self) -> Feature:
        """What the right makes possible."""
        return Feature(self.feature_id, self.feature_title, ready=bool(self.calls))


RIGHTS = (
    Right(
        "customers",
        "Customers",
        "Write",
        "customers",
        "Customers in Stripe",
        "customers cannot be sent to Stripe",
        calls=(
            "customers.create",
            "customers.delete",
            "customers.list",
            "customers.retrieve",
            "customers.update",
        ),
        probe_id="cus_portalprobe0",
        needed=True,
    ),
    Right(
        "invoices",
        "Invoices",
        "Write",
        "invoices",
        "Invoices in Stripe",
        "invoices cannot be sent to Stripe or paid there",
        calls=(
            "invoices.add_lines",
            "invoices.attach_payment",
            "invoices.create",
            "invoices.finalize_invoice",
            "invoices.line_items.list",
            "invoices.list",
            "invoices.mark_uncollectible",
            "invoices.pay",
            "invoices.retrieve",
            "invoices.void_invoice",
            "invoice_payments.list",
        ),
        probe_id="in_portalprobe0",
        needed=True,
    ),
    Right(
        "payment_intents",
        "Payment Intents",
        "Write",
        "payments",
        "Payments of invoices",
        "nobody can pay an invoice",
        # Read with the invoice that they pay, which needs the right as a call of their own would.
        calls=("expand payments.data.payment.payment_intent",),
        probe_id="pi_portalprobe0",
        needed=True,
    ),
    Right(
        "refunds",
        "Charges and Refunds",
        "Write",
        "refunds",
        "Refunds from an invoice",
        "a payment cannot be refunded from its invoice",
        calls=("refunds.create", "refunds.list"),
        probe_id="re_portalprobe0",
    ),
    Right(
        "webhook_endpoints",
        "Webhook Endpoints",
        "Write",
        "webhook_endpoint",
        "The webhook endpoint is checked, made and mended for you",
        "the webhook endpoint cannot be checked, made or mended for you",
        calls=(
            "webhook_endpoints.create",
            "webhook_endpoints.delete",
            "webhook_endpoints.list",
            "webhook_endpoints.update",
        ),
        probe_id="we_portalprobe0",
    ),
    Right(
        "setup_intents",
        "Setup Intents",
        "Write",
        "pair_proof",
        "Proof that both keys belong together, and another method for a subscription",
        "it cannot be proved that both keys belong to the same account, and customers cannot change how a "
        "subscription is paid",
        calls=(
            "setup_intents.cancel",
            "setup_intents.create",
            "setup_intents.list",
            "setup_intents.retrieve",
        ),
        probe_id="seti_portalprobe0",
    ),
    Right(
        "payment_method_domains",
        "Payment Method Domains",
        "Write",
        "wallet_domain",
        "The domain of wallets is registered for you",
        "the domain for Apple Pay and Google Pay cannot be checked or registered for you",
        calls=(
            "payment_method_domains.create",
            "payment_method_domains.list",
            "payment_method_domains.update",
            "payment_method_domains.validate",
        ),
        probe_id="pmd_portalprobe0",
    ),
    Right(
        "subscriptions",
        "Subscriptions",
        "Write",
        "subscriptions",
        "Subscriptions are shown, started, cancelled and paused from here",
        "subscriptions cannot be shown or changed here, and nobody can tell before a disconnect how many "
        "keep charging",
        calls=(
            "subscription_items.list",
            "subscriptions.cancel",
            "subscriptions.create",
            "subscriptions.list",
            "subscriptions.resume",
            "subscriptions.retrieve",
            "subscriptions.update",
        ),
        probe_id="sub_portalprobe0",
    ),
    Right(
        "products",
        "Products",
        "Read",
        "plan_names",
        "Names of plans",
        "plans have no names",
        calls=("expand items.data.price.product", "products.list", "products.retrieve"),
    ),
    Right(
        "prices",
        "Prices",
        "Read",
        "plan_prices",
        "Prices of plans",
        "plans have no prices",
        calls=("expand items.data.price.tiers", "prices.list", "prices.retrieve"),
    ),
    Right(
        "credit_notes",
        "Credit Notes",
        "Write",
        "credit_notes",
        "Credits on an invoice",
        "nothing can be credited on an invoice, and what a credit note took off it may not be seen",
        calls=("credit_notes.create", "credit_notes.list"),
        probe_id="cn_portalprobe0",
    ),
    Right(
        "payment_records",
        "Payment Records",
        "Write",
        "payment_records",
        "Stripe hears of parts that were paid elsewhere",
        "Stripe asks for the whole sum of an invoice of which a part was paid elsewhere, and nobody can pay "
        "the rest by its link",
        calls=(
            "expand payments.data.payment.payment_record",
            "payment_records.list",
            "payment_records.report_payment",
        ),
        probe_id="pr_portalprobe0",
    ),
    Right(
        "disputes",
        "Disputes",
        "Read",
        "disputes",
        "Disputes of payments",
        "nobody is told when a customer's bank takes a payment back",
        calls=("disputes.list",),
    ),
    Right(
        "payment_methods",
        "Payment Methods",
        "Read",
        "saved_methods",
        "Saved payment methods of customers",
        "saved payment methods are not shown",
        calls=("payment_methods.retrieve",),
    ),
    Right(
        "customer_sessions",
        "Customer Sessions",
        "Write",
        "saved_on_pages",
        "Saved payment methods on pay pages, where they are switched on",
        "pay pages cannot offer saved payment methods",
        calls=("customer_sessions.create",),
        probe_id="cus_portalprobe0",
    ),
    Right(
        "billing_portal.sessions",
        "Customer portal",
        "Write",
        "customer_portal",
        "Stripe's customer portal, where it is switched on",
        "customers cannot be sent to Stripe's customer portal",
        calls=("sessions.create",),
        probe_id="cus_portalprobe0",
    ),
    Right(
        "events",
        "Events",
        "Read",
        "event_lookup",
        "Events that did not arrive are looked up and fetched",
        "nobody can look up or fetch events that did not arrive",
        calls=("events.list",),
    ),
    Right(
        "payment_method_configurations",
        "Payment Method Configurations",
        "Read",
        "payment_methods",
        "Payment methods are known where the account is hidden",
        "the payment methods stay unknown where the account is hidden",
        calls=("payment_method_configurations.list",),
    ),
    Right(
        "accounts",
        "Accounts",
        "Read",
        "account_status",
        "Name and status of the account",
        "the account's name and status stay unknown",
        calls=("accounts.retrieve_current",),
    ),
    Right(
        "balance",
        "Balance",
        "Read",
        "key_proof",
        "Proof of the key where the account is hidden",
        "the key's mode cannot be proved where the account is hidden",
        calls=("balance.retrieve",),
    ),
)
ENDPOINT_FEATURE = "webhook_endpoint"
DOMAIN_FEATURE = "wallet_domain"
EVENTS_FEATURE = "event_lookup"
SETUP_FEATURE = "pair_proof"
SUBSCRIPTIONS_FEATURE = "subscriptions"
PORTAL_FEATURE = "customer_portal"
SAVED_ON_PAGES_FEATURE = "saved_on_pages"
WALLETS_FEATURE = "wallets"
"""No right of a key: the portal's domain has to be registered, as the check of payment methods finds out."""


def right_for(feature: str) -> Right:
    """The right that carries a feature."""
    return next(right for right in RIGHTS if right.feature_id == feature)


def titles(level: str) -> str:
    """The rights of one level as a list for people: `Customers, Invoices`."""
    return ", ".join(right.title for right in RIGHTS if right.level == level)
