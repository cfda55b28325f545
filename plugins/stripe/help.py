"""The help pages of the plugin: which symptom each is about, and the codes that lead there."""

from __future__ import annotations

from dataclasses import dataclass

from plugins.stripe.domain.codes import Code
from plugins.stripe.domain.declines import explain_decline
from plugins.stripe.domain.events import ENDPOINT_EVENTS
from plugins.stripe.gateway.client import API_VERSION
from plugins.stripe.rights import RIGHTS
from portal.sdk import HelpPage


@dataclass(frozen=True, slots=True)
class DeclineHelp:
    """Codes that the same thing helps against, each with what it means."""

    helps: str
    codes: tuple[tuple[str, str], ...]


_DECLINES = {
    "The bank must explain: the customer calls it, or uses another card": (
        "generic_decline",
        "do_not_honor",
        "call_issuer",
        "restricted_card",
        "transaction_not_allowed",
        "card_velocity_exceeded",
    ),
    "Another card or another way to pay": ("insufficient_funds", "expired_card", "pin_try_exceeded"),
    "Correct what was typed": (
        "incorrect_number",
        "incorrect_cvc",
        "invalid_expiry_month",
        "invalid_expiry_year",
        "incorrect_zip",
    ),
    "The card cannot do this: another card": (
        "card_not_supported",
        "currency_not_supported",
        "invalid_amount",
    ),
    "Try again in a minute": ("processing_error", "issuer_not_available", "reenter_transaction"),
    "Finish the bank's step": ("authentication_required", "payment_intent_authentication_failure"),
    "Look for a payment that was made already": ("duplicate_transaction",),
    "Say no more than: contact your bank or use another card": (
        "fraudulent",
        "lost_card",
        "stolen_card",
        "merchant_blacklist",
    ),
    "Another bank account, or a card": (
        "account_closed",
        "no_account",
        "debit_not_authorized",
        "bank_account_unusable",
        "charge_exceeds_source_limit",
    ),
}


def _explained(code: str) -> tuple[str, str]:
    return code, explain_decline(None, code).admin.removesuffix(f" ({code})")


DECLINES = tuple(DeclineHelp(helps, tuple(map(_explained, codes))) for helps, codes in _DECLINES.items())

HELP_PAGES = (
    HelpPage(
        "key-refused",
        "Stripe refuses the key",
        "The key is not taken, or the form says that something is wrong with it.",
        "stripe/help/key_refused.html",
        (Code.KEY_REFUSED, Code.KEY_FORMAT, Code.KEY_UNFAMILIAR),
    ),
    HelpPage(
        "keys-of-two-accounts",
        "The keys do not belong together",
        "The publishable and the secret key are of two accounts, or one is live and the other is test.",
        "stripe/help/keys_of_two_accounts.html",
        (Code.KEYS_OF_TWO_ACCOUNTS, Code.PUBLISHABLE_KEY_REFUSED, Code.PAIR_UNPROVED),
    ),
    HelpPage(
        "permission-missing",
        "A permission is missing",
        "A restricted key may not do something that the portal uses, and a feature is switched off.",
        "stripe/help/permission_missing.html",
        (Code.PERMISSION_MISSING, Code.PERMISSION_UNKNOWN),
        {"rights": RIGHTS},
    ),
    HelpPage(
        "account-cannot-take-payments",
        "The account cannot take payments",
        "Charges or payouts are off, Stripe wants details, or the account's state is unknown.",
        "stripe/help/account_cannot_take_payments.html",
        (
            Code.CHARGES_OFF,
            Code.PAYOUTS_OFF,
            Code.DETAILS_DUE,
            Code.ACCOUNT_HIDDEN,
            "STRIPE_ACCOUNT_UNKNOWN",
        ),
    ),
    HelpPage(
        "payment-methods-missing",
        "Payment methods or wallets are missing",
        "Cards, bank debits, Apple Pay or Google Pay do not appear on the pay page.",
        "stripe/help/payment_methods_missing.html",
        (
            Code.CARDS_OFF,
            Code.METHODS_HIDDEN,
            Code.DOMAIN_NOT_REGISTERED,
            Code.DOMAIN_INACTIVE,
            Code.DOMAIN_UNKNOWN,
        ),
    ),
    HelpPage(
        "webhook-endpoint",
        "The webhook endpoint needs attention",
        "Its address is not in Stripe, is not quite right, is disabled, or does not send everything.",
        "stripe/help/webhook_endpoint.html",
        (
            Code.ENDPOINT_NOT_FOUND,
            Code.ENDPOINT_NEAR_MISS,
            Code.ENDPOINT_DISABLED,
            Code.ENDPOINT_EVENTS,
            Code.ENDPOINT_VERSION,
            Code.ENDPOINT_TWINS,
            Code.ENDPOINT_ORPHANS,
            Code.ENDPOINT_LIMIT,
            Code.ENDPOINT_NOT_PUBLIC,
            Code.ENDPOINT_NOT_HTTPS,
            Code.ENDPOINT_EXISTS,
            Code.ENDPOINT_GONE,
            Code.ENDPOINT_HIDDEN,
        ),
        {"version": API_VERSION, "events": ENDPOINT_EVENTS},
    ),
    HelpPage(
        "webhook-signature",
        "Webhook signatures do not match",
        "Stripe delivers events, and the portal refuses them with 400.",
        "stripe/help/webhook_signature.html",
        (
            Code.SIGNING_SECRET_FORMAT,
            Code.SIGNING_SECRET_IS_KEY,
            Code.SIGNING_SECRET_UNKNOWN,
            Code.SIGNING_SECRET_PREVIOUS,
            Code.SIGNING_SECRET_CURRENT,
            Code.SIGNING_SECRET_OTHER_MODE,
            Code.SIGNING_CLOCK,
            Code.SIGNING_BODY_CHANGED,
            Code.SIGNING_UNSIGNED,
            Code.SIGNING_UNPROVED,
        ),
    ),
    HelpPage(
        "no-event-arrives",
        "No event arrives",
        "Payments are made in Stripe, and the portal does not hear of them.",
        "stripe/help/no_event_arrives.html",
        (Code.DELIVERY_NONE, Code.DELIVERY_INTERCEPTED),
    ),
    HelpPage(
        "test-versus-live",
        "Test or live: a payment is in the other one",
        "What is separate in the two modes, why a payment does not show, and how to go live.",
        "stripe/help/test_versus_live.html",
    ),
    HelpPage(
        "payments-fail",
        "A customer's payment fails",
        "A card is declined, has expired, wants 3-D Secure, or a bank debit comes back.",
        "stripe/help/payments_fail.html",
        context={"declines": DECLINES},
    ),
    HelpPage(
        "invoice-not-sent",
        "An invoice does not get to Stripe",
        "It waits to be sent, Stripe adds up to another sum, or the amount is too small. Or a refund or a "
        "credit fails.",
        "stripe/help/invoice_not_sent.html",
        (
            "STRIPE_AMOUNTS_DIFFER",
            "STRIPE_AMOUNT_TOO_SMALL",
            "STRIPE_CUSTOMER_OWES",
            "NOTHING_TO_PAY",
            "STRIPE_NOTHING_TO_REFUND",
            "STRIPE_NOTHING_TO_CREDIT",
            "STRIPE_MAY_NOT_REPORT",
        ),
    ),
    HelpPage(
        "stripe-does-not-answer",
        "Stripe does not answer, or refuses a call",
        "Stripe is away, asks to slow down, or says no to one thing while the key is fine.",
        "stripe/help/stripe_does_not_answer.html",
        (
            Code.UNAVAILABLE,
            Code.SLOW_DOWN,
            Code.CALL_REFUSED,
            "STRIPE_FAILURE_REPLAYED",
            "STRIPE_NOT_CHARGED",
            "STRIPE_OBJECT_MISSING",
        ),
    ),
    HelpPage(
        "rotating-keys",
        "Change keys or secrets without a gap",
        "In which order to change a key or the signing secret, also when one got into wrong hands.",
        "stripe/help/rotating_keys.html",
    ),
    HelpPage(
        "disconnecting",
        "Disconnect Stripe, and connect again",
        "What stops, what goes on in Stripe, and how to come back without losing anything.",
        "stripe/help/disconnecting.html",
    ),
)
