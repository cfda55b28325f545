"""The checks of a Stripe connection, in the order of the page."""

from plugins.stripe.checks.accounts import PARTS as ACCOUNT_PARTS
from plugins.stripe.checks.accounts import check_account
from plugins.stripe.checks.endpoints import check_endpoint
from plugins.stripe.checks.formats import check_format
from plugins.stripe.checks.methods import check_methods
from plugins.stripe.checks.permissions import check_permissions
from plugins.stripe.checks.signatures import check_signing_secret
from plugins.stripe.gateway.methods import METHODS
from plugins.stripe.rights import RIGHTS
from portal.sdk import Check

NOT_ASKED = "Not checked because the keys are not well formed."
FORMAT = ("key_format",)

CHECKS: tuple[Check, ...] = (
    Check("key_format", "Key format", "Prefix, length, and the same mode for every key.", check_format),
    Check(
        "account",
        "Account",
        "Name, country, and whether charges and payouts are on.",
        check_account,
        needs=FORMAT,
        skipped_because=NOT_ASKED,
        parts=ACCOUNT_PARTS,
    ),
    Check(
        "permissions",
        "Permissions",
        "Each permission the portal uses, one by one.",
        check_permissions,
        needs=FORMAT,
        skipped_because=NOT_ASKED,
        parts=tuple(right.title for right in RIGHTS),
    ),
    Check(
        "payment_methods",
        "Payment methods",
        "Which methods your customers will be offered.",
        check_methods,
        needs=FORMAT,
        skipped_because=NOT_ASKED,
        parts=tuple(METHODS.values()),
    ),
    Check(
        "webhook_endpoint",
        "Webhook endpoint",
        "Exists, enabled, and subscribed to the right events.",
        check_endpoint,
        needs=FORMAT,
        skipped_because=NOT_ASKED,
    ),
    Check("signing_secret", "Signing secret", "Matches the endpoint.", check_signing_secret),
)
