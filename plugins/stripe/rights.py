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
        calls=("customers.create", "customers.delete", "customers.list", "customers.retrieve"),
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
            "invoices.create",
            "invoices.finalize_invoice",
            "invoices.list",
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
        "Proof that both keys belong together",
        "it cannot be proved that both keys belong to the same account",
        calls=("setup_intents.cancel", "setup_intents.create", "setup_intents.retrieve"),
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
        "Read",
        "subscriptions",
        "What keeps charging is counted before a disconnect",
        "nobody can tell before a disconnect how many subscriptions keep charging",
        calls=("subscriptions.list",),
    ),
    Right(
        "products",
        "Products",
        "Read",
        "plan_names",
        "Names of plans",
        "plans have no names",
    ),
    Right(
        "prices",
        "Prices",
        "Read",
        "plan_prices",
        "Prices of plans",
        "plans have no prices",
    ),
    Right(
        "events",
        "Events",
        "Read",
        "event_lookup",
        "Why a test event did not arrive is looked up",
        "it cannot be looked up why a test event did not arrive",
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
SUBSCRIPTIONS_FEATURE = "subscriptions"


def right_for(feature: str) -> Right:
    """The right that carries a feature."""
    return next(right for right in RIGHTS if right.feature_id == feature)


def titles(level: str) -> str:
    """The rights of one level as a list for people: `Customers, Invoices`."""
    return ", ".join(right.title for right in RIGHTS if right.level == level)
