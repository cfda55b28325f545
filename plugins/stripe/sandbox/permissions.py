"""Rights of restricted keys: the `rak_` name that each route asks for."""

from __future__ import annotations

import functools

from plugins.stripe.sandbox.errors import ApiError
from plugins.stripe.sandbox.spec.routes import Route

_RESOURCES = {
    "account": "accounts_kyc_basic",
    "accounts": "accounts_kyc_basic",
    "balance": "balance",
    "balance_transactions": "balance_transaction_source",
    "billing_portal": "customer_portal",
    "charges": "charge",
    "checkout": "checkout_session",
    "coupons": "coupon",
    "credit_notes": "credit_note",
    "customer_sessions": "customer_session",
    "customers": "customer",
    "disputes": "dispute",
    "events": "event",
    "invoice_payments": "invoice",
    "invoiceitems": "invoice",
    "invoices": "invoice",
    "mandates": "mandate",
    "payment_intents": "payment_intent",
    "payment_method_configurations": "payment_method_configuration",
    "payment_method_domains": "payment_method_domain",
    "payment_methods": "payment_method",
    "payment_records": "payment_record",
    "prices": "plan",
    "products": "product",
    "promotion_codes": "promotion_code",
    "refunds": "charge",
    "setup_attempts": "setup_intent",
    "setup_intents": "setup_intent",
    "subscription_items": "subscription",
    "subscription_schedules": "subscription",
    "subscriptions": "subscription",
    "tax_rates": "tax_rate",
    "test_helpers": "billing_clock",
    "tokens": "token",
    "webhook_endpoints": "webhook",
}

READY_MADE = frozenset(
    f"rak_{resource}_{level}"
    for resource in _RESOURCES.values()
    if resource != "accounts_kyc_basic"
    for level in ("read", "write")
)
"""Everything but reading the account: what the restricted key of each world holds."""

_BROWSER_CALLS = frozenset(
    {
        "GET /v1/payment_intents/{intent}",
        "POST /v1/payment_intents/{intent}/confirm",
        "POST /v1/payment_intents/{intent}/verify_microdeposits",
        "GET /v1/setup_intents/{intent}",
        "POST /v1/setup_intents/{intent}/confirm",
        "POST /v1/setup_intents/{intent}/verify_microdeposits",
        "POST /v1/payment_methods",
        "POST /v1/tokens",
    }
)


@functools.cache
def needed_permission(route: Route) -> str:
    """The right this route asks for; Write implies Read."""
    resource = route.template.split("/")[2]
    level = "read" if route.method == "GET" else "write"
    return f"rak_{_RESOURCES.get(resource, resource.rstrip('s'))}_{level}"


def is_allowed(permissions: frozenset[str], needed: str) -> bool:
    """Whether a key with these rights may do what needs this one."""
    return needed in permissions or (
        needed.endswith("_read") and f"{needed.removesuffix('_read')}_write" in permissions
    )


def is_browser_call(route: Route) -> bool:
    """Whether a publishable key may make this call."""
    return route.key in _BROWSER_CALLS


def more_permissions_required(key: str, account: str, needed: str) -> ApiError:
    """A restricted key lacks a right; the message names it."""
    return ApiError(
        403,
        f"The provided key '{key}' does not have the required permissions for this endpoint on account "
        f"'{account}'. Having the '{needed}' permission would allow this request to continue.",
        code="more_permissions_required",
    )
