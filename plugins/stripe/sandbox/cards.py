"""Stripe's test cards: what each number does, and the ready-made tokens and methods named after it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Decline:
    """Why a card was refused."""

    message: str = "Your card was declined."
    code: str = "card_declined"
    decline_code: str | None = "generic_decline"
    advice_code: str | None = "try_again_later"
    network_decline_code: str | None = "01"
    param: str | None = None
    blocked: bool = False
    """Stripe's own fraud rules refused it; the network was not asked."""


@dataclass(frozen=True, slots=True)
class Card:
    """One test card."""

    number: str
    names: tuple[str, ...] = ()
    """What follows `tok_` and `pm_card_`."""
    brand: str = "visa"
    funding: str = "credit"
    country: str = "US"
    decline: Decline | None = None
    attaches: bool = True
    """Whether it can be saved to a customer."""
    challenge: str = "never"
    """3-D Secure: `never`, `once` (not again after set-up) or `always`."""
    dispute: str | None = None
    """Reason of the dispute that follows a payment."""
    inquiry: bool = False
    fraud_warning: bool = False
    refund: str = "succeeded"
    """How refunds of it end: `succeeded`, `pending` (succeeded later) or `failed` (succeeded at first)."""

    @property
    def last4(self) -> str:
        """The last four digits."""
        return self.number[-4:]

    @property
    def fingerprint(self) -> str:
        """The same for each use of a number."""
        return hashlib.sha256(self.number.encode()).hexdigest()[:16]


GENERIC = Decline()
INSUFFICIENT_FUNDS = Decline("Your card has insufficient funds.", decline_code="insufficient_funds")
INSUFFICIENT_FUNDS = replace(INSUFFICIENT_FUNDS, network_decline_code="51")
LOST = Decline(decline_code="lost_card", advice_code="do_not_try_again", network_decline_code="41")
STOLEN = Decline(decline_code="stolen_card", advice_code="do_not_try_again", network_decline_code="43")
FRAUDULENT = Decline(decline_code="fraudulent", advice_code="do_not_try_again", network_decline_code="59")
EXPIRED = Decline(
    "Your card has expired.",
    code="expired_card",
    decline_code="expired_card",
    advice_code="do_not_try_again",
    network_decline_code="54",
    param="exp_month",
)
INCORRECT_CVC = Decline(
    "Your card's security code is incorrect.",
    code="incorrect_cvc",
    decline_code="incorrect_cvc",
    advice_code="confirm_card_data",
    network_decline_code="82",
    param="cvc",
)
PROCESSING_ERROR = Decline(
    "An error occurred while processing your card. Try again in a little bit.",
    code="processing_error",
    decline_code="processing_error",
    network_decline_code="96",
)
VELOCITY = Decline(
    "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
    decline_code="card_velocity_exceeded",
    network_decline_code="65",
)
BLOCKED = Decline(
    decline_code="fraudulent", advice_code="do_not_try_again", network_decline_code=None, blocked=True
)
AUTHENTICATION_REQUIRED = Decline(
    "Your card was declined. This transaction requires authentication.",
    code="authentication_required",
    decline_code="authentication_required",
    advice_code=None,
    network_decline_code="1A",
)


def _refused(number: str, name: str, decline: Decline) -> Card:
    return Card(number, (name, f"visa_{name}"), decline=decline, attaches=False)


CARDS: tuple[Card, ...] = (
    Card("4242424242424242", ("visa",)),
    Card("4000056655665556", ("visa_debit",), funding="debit"),
    Card("5555555555554444", ("mastercard",), brand="mastercard"),
    Card("2223003122003222", brand="mastercard"),
    Card("5200828282828210", ("mastercard_debit",), brand="mastercard", funding="debit"),
    Card("5105105105105100", ("mastercard_prepaid",), brand="mastercard", funding="prepaid"),
    Card("378282246310005", ("amex",), brand="amex"),
    Card("371449635398431", brand="amex"),
    Card("6011111111111117", ("discover",), brand="discover"),
    Card("3056930009020004", ("diners",), brand="diners"),
    Card("3566002020360505", ("jcb",), brand="jcb"),
    Card("6200000000000005", ("unionpay",), brand="unionpay"),
    Card("4000002760000016", ("de",), country="DE"),
    Card("4000008260000000", ("gb",), country="GB"),
    Card("4000000000000077", ("bypassPending",)),
    _refused("4000000000000002", "chargeDeclined", GENERIC),
    _refused("4000000000009995", "chargeDeclinedInsufficientFunds", INSUFFICIENT_FUNDS),
    _refused("4000000000009987", "chargeDeclinedLostCard", LOST),
    _refused("4000000000009979", "chargeDeclinedStolenCard", STOLEN),
    _refused("4000000000000069", "chargeDeclinedExpiredCard", EXPIRED),
    _refused("4000000000000127", "chargeDeclinedIncorrectCvc", INCORRECT_CVC),
    _refused("4000000000000119", "chargeDeclinedProcessingError", PROCESSING_ERROR),
    _refused("4000000000006975", "chargeDeclinedVelocityLimitExceeded", VELOCITY),
    _refused("4100000000000019", "radarBlock", BLOCKED),
    _refused("4000000000000036", "chargeDeclinedFraudulent", FRAUDULENT),
    Card("4000000000000341", ("chargeCustomerFail", "visa_chargeCustomerFail"), decline=GENERIC),
    Card("4000002500003155", ("authenticationRequiredOnSetup", "threeDSecureOptional"), challenge="once"),
    Card(
        "4000002760003184",
        ("authenticationRequired", "threeDSecure2Required", "threeDSecureRequired"),
        challenge="always",
    ),
    Card("4000000000003220", challenge="always"),
    Card(
        "4000008260003178",
        ("authenticationRequiredChargeDeclinedInsufficientFunds",),
        challenge="always",
        decline=INSUFFICIENT_FUNDS,
    ),
    Card("4000000000000259", ("createDispute",), dispute="fraudulent"),
    Card("4000000000002685", ("createDisputeProductNotReceived",), dispute="product_not_received"),
    Card("4000000000001976", ("createDisputeInquiry",), dispute="fraudulent", inquiry=True),
    Card("4000000000005423", ("createIssuerFraudWarning",), fraud_warning=True),
    Card("4000000000007726", ("pendingRefund",), refund="pending"),
    Card("4000000000005126", ("refundFail",), refund="failed"),
)

_BY_NUMBER = {card.number: card for card in CARDS}
_BY_NAME = {name: card for card in CARDS for name in card.names}

_BRANDS = (
    (("34", "37"), "amex"),
    (("30", "36", "38"), "diners"),
    (("35",), "jcb"),
    (("4",), "visa"),
    (("51", "52", "53", "54", "55", "22", "23", "24", "25", "26", "27"), "mastercard"),
    (("60", "64", "65"), "discover"),
    (("62",), "unionpay"),
)


def by_number(number: str) -> Card:
    """The test card of a number; any other valid number pays like an ordinary card of its brand."""
    known = _BY_NUMBER.get(number)
    if known is not None:
        return known
    brand = next((b for heads, b in _BRANDS if number.startswith(heads)), "unknown")
    return Card(number, brand=brand)


def by_token(token: str) -> Card | None:
    """The card behind `tok_…` or `pm_card_…`."""
    for head in ("tok_", "pm_card_"):
        if token.startswith(head):
            return _BY_NAME.get(token.removeprefix(head))
    return None


def is_valid_number(number: str) -> bool:
    """Whether the check digit is right."""
    if not number.isdecimal() or not 12 <= len(number) <= 19:
        return False
    digits = [int(d) for d in reversed(number)]
    doubled = [d * 2 - 9 if d > 4 else d * 2 for d in digits[1::2]]
    return (sum(digits[::2]) + sum(doubled)) % 10 == 0
