"""Why a payment did not go through: words for the customer, the whole truth for admins. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class DeclineGroup(StrEnum):
    """What the customer can do about it."""

    HIDDEN = "hidden"
    BANK = "bank"
    OTHER_METHOD = "other_method"
    INPUT = "input"
    CARD = "card"
    RETRY = "retry"
    AUTHENTICATE = "authenticate"
    DUPLICATE = "duplicate"
    BANK_ACCOUNT = "bank_account"


class CardField(StrEnum):
    """The input of the payment form that a decline points to."""

    NUMBER = "number"
    EXPIRY = "expiry"
    CVC = "cvc"
    POSTAL_CODE = "postal_code"


@dataclass(frozen=True, slots=True)
class Decline:
    """A refusal explained. `happened` and `advice` are fit for the customer; `admin` names the true code."""

    happened: str
    advice: str
    admin: str
    group: DeclineGroup
    field: CardField | None = None

    @property
    def customer(self) -> str:
        """What happened, that no money moved, what to do: in this order."""
        return f"{self.happened} {NOT_CHARGED} {self.advice}"


class CustomerText(NamedTuple):
    """What the pay page says for one code; an empty code stands for every other one."""

    code: str
    happened: str
    advice: str


class _Words(NamedTuple):
    group: DeclineGroup
    admin: str
    happened: str = ""
    advice: str = ""
    field: CardField | None = None


NOT_CHARGED = "You have not been charged."
DECLINED = "Your bank declined this card."
CONTACT = "Contact your bank or use another card."
BANK_REFUSED = "Your bank refused this payment."
BANK_CONTACT = "Contact your bank or pay another way."
ANOTHER = "Use another card."
NO_FUNDS = "There was not enough money in the account."
OTHER_ACCOUNT = "Use another account or a card."
FAILED_CHECK = "You closed the bank check, or your bank could not confirm that it was you."
TRY_CHECK = "Try again and follow its steps, or use another card."


def _same(group: DeclineGroup, **admin: str) -> dict[str, _Words]:
    return {code: _Words(group, text) for code, text in admin.items()}


def _wrong(field: CardField, part: str, *codes: str) -> dict[str, _Words]:
    words = _Words(
        DeclineGroup.INPUT,
        f"The {part} is wrong.",
        f"The {part} is not right.",
        f"Check the {part} and pay again.",
        field,
    )
    return dict.fromkeys(codes, words)


_HIDDEN = _same(
    DeclineGroup.HIDDEN,
    fraudulent="Stripe or the bank suspects fraud. Do not tell the customer.",
    lost_card="The card is reported lost. Do not tell the customer.",
    stolen_card="The card is reported stolen. Do not tell the customer.",
    pickup_card="The bank wants the card taken in, perhaps as lost or stolen. Do not tell the customer.",
    merchant_blacklist="The payment matches your Stripe block list. Do not tell the customer.",
)

_BANK = _same(
    DeclineGroup.BANK,
    generic_decline="The bank gave no reason.",
    call_issuer="The bank wants the customer to call it.",
    do_not_honor="The bank gave no reason.",
    no_action_taken="The bank gave no reason.",
    not_permitted="The card may not be used for this payment.",
    restricted_card="The card is restricted, perhaps as lost or stolen.",
    revocation_of_authorization="The customer told the bank to stop these payments.",
    revocation_of_all_authorizations="The customer told the bank to stop all payments to you.",
    security_violation="The bank gave no reason, only a security violation.",
    service_not_allowed="The bank does not allow this kind of payment.",
    stop_payment_order="The customer told the bank to stop this payment.",
    transaction_not_allowed="The bank does not allow this payment.",
    new_account_information_available="The card or its account has new details.",
    invalid_account="The card, or the account it belongs to, does not work.",
    card_declined="The bank declined the card.",
)

_OTHER_METHOD = {
    "card_velocity_exceeded": _Words(
        DeclineGroup.BANK,
        "The card is over its balance, credit or spending limit.",
        "This payment is over the card's limit.",
        CONTACT,
    ),
    "insufficient_funds": _Words(
        DeclineGroup.OTHER_METHOD,
        "There is not enough money on the card or account.",
        "Your bank declined this card: not enough funds.",
        "Try another card, or pay from your bank account.",
    ),
    "expired_card": _Words(
        DeclineGroup.OTHER_METHOD,
        "The card has expired.",
        "Your bank declined this card: this card has expired.",
        ANOTHER,
        CardField.EXPIRY,
    ),
    "pin_try_exceeded": _Words(
        DeclineGroup.OTHER_METHOD,
        "The PIN was entered wrongly too often.",
        "Your bank declined this card.",
        ANOTHER,
    ),
}

_INPUT = (
    _wrong(CardField.NUMBER, "card number", "incorrect_number", "invalid_number")
    | _wrong(CardField.CVC, "security code", "incorrect_cvc", "invalid_cvc")
    | _wrong(CardField.EXPIRY, "expiration date", "invalid_expiry_month", "invalid_expiry_year")
    | _wrong(CardField.POSTAL_CODE, "postal code", "incorrect_zip", "incorrect_postal_code")
    | _wrong(CardField.POSTAL_CODE, "billing address", "incorrect_address")
)

_CARD = {
    "card_not_supported": _Words(
        DeclineGroup.CARD,
        "The card cannot make this kind of payment.",
        "This card cannot be used for this payment.",
        CONTACT,
    ),
    "currency_not_supported": _Words(
        DeclineGroup.CARD,
        "The card cannot pay in this currency.",
        "This card cannot pay in this currency.",
        CONTACT,
    ),
    "invalid_amount": _Words(
        DeclineGroup.CARD,
        "The amount is over what the bank allows, or not valid for it.",
        "Your bank does not allow this amount on this card.",
        CONTACT,
    ),
}

_SOON = "Try again in a minute."
_NETWORK = "Something went wrong at the card network."
_RETRY = {
    code: _Words(DeclineGroup.RETRY, admin, _NETWORK, _SOON)
    for code, admin in {
        "processing_error": "An error at the card network or the bank.",
        "issuer_not_available": "The bank could not be reached.",
        "reenter_transaction": "The bank could not process it for an unknown reason.",
        "approve_with_id": "The bank could not approve it at once.",
        "try_again_later": "The bank gave no reason and says to try later.",
    }.items()
}

_CONFIRM = "Your bank wants to confirm it is you."
_FOLLOW = "Try again and follow its steps."
_AUTHENTICATE = {
    "authentication_required": _Words(
        DeclineGroup.AUTHENTICATE, "The bank asks for 3-D Secure.", _CONFIRM, _FOLLOW
    ),
    "authentication_not_handled": _Words(
        DeclineGroup.AUTHENTICATE, "The 3-D Secure step was not finished.", _CONFIRM, _FOLLOW
    ),
    "payment_intent_authentication_failure": _Words(
        DeclineGroup.AUTHENTICATE, "The customer did not pass or closed 3-D Secure.", FAILED_CHECK, TRY_CHECK
    ),
    "setup_intent_authentication_failure": _Words(
        DeclineGroup.AUTHENTICATE, "The customer did not pass or closed 3-D Secure.", FAILED_CHECK, TRY_CHECK
    ),
}

_DUPLICATE = {
    "duplicate_transaction": _Words(
        DeclineGroup.DUPLICATE,
        "A payment of the same amount was made very recently.",
        "Your bank saw the same payment a moment ago.",
        "Check your recent payments before you try again.",
    )
}

_CLOSED = "This bank account cannot be used: it is closed or was not found."
_NOT_VERIFIED = "The bank account could not be verified."
_BANK_ACCOUNT = {
    code: _Words(DeclineGroup.BANK_ACCOUNT, admin, happened, OTHER_ACCOUNT)
    for code, admin, happened in (
        ("account_closed", "The bank account is closed.", _CLOSED),
        ("no_account", "The bank knows no such account.", _CLOSED),
        ("debit_not_authorized", "The customer says that the debit was not authorised.", BANK_REFUSED),
        ("bank_account_declined", "The bank refused the debit.", BANK_REFUSED),
        ("bank_account_restricted", "The account takes no debits.", BANK_REFUSED),
        ("bank_account_unusable", "The account cannot be used.", BANK_REFUSED),
        (
            "payment_method_bank_account_blocked",
            "Stripe blocks the account after returned debits.",
            BANK_REFUSED,
        ),
        (
            "charge_exceeds_source_limit",
            "Over your account's weekly limit for bank debits.",
            "This payment is over the limit for bank payments.",
        ),
        (
            "charge_exceeds_transaction_limit",
            "Over your account's limit for one bank debit.",
            "This payment is over the limit for bank payments.",
        ),
        ("payment_method_microdeposit_failed", "The micro-deposits were returned.", _NOT_VERIFIED),
        (
            "payment_method_microdeposit_verification_attempts_exceeded",
            "Wrong micro-deposit amounts too often.",
            _NOT_VERIFIED,
        ),
        (
            "payment_method_microdeposit_verification_timeout",
            "The micro-deposits were not confirmed in time.",
            _NOT_VERIFIED,
        ),
    )
}

_BANK_FUNDS = _Words(
    DeclineGroup.BANK_ACCOUNT,
    "There is not enough money in the account.",
    "Your bank refused this payment: not enough funds.",
    OTHER_ACCOUNT,
)

_WORDS: dict[str, _Words] = {
    **_HIDDEN,
    **_BANK,
    **_OTHER_METHOD,
    **_INPUT,
    **_CARD,
    **_RETRY,
    **_AUTHENTICATE,
    **_DUPLICATE,
    **_BANK_ACCOUNT,
}

_ADVICE = {
    "confirm_card_data": ("Check the card details and pay again.", "Retry after checking the card details."),
    "try_again_later": ("Try again later or use another card.", "The bank says to try again later."),
    "do_not_try_again": (ANOTHER, "The bank says not to try this card again."),
}


def explain_decline(
    code: str | None, decline_code: str | None = None, advice_code: str | None = None, *, bank: bool = False
) -> Decline:
    """The words for Stripe's `code`, the bank's `decline_code` and `advice_code`; unknown ones are generic.

    `bank`: the money was to come from a bank account. Reasons that must stay hidden read like no reason.
    """
    true_code = decline_code if decline_code in _WORDS else (code or decline_code or "unknown")
    words = _words_for(true_code, bank=bank)
    happened = words.happened or (BANK_REFUSED if bank else DECLINED)
    advice = words.advice or _generic_advice(words.group, advice_code, bank=bank)
    admin = _admin_text(words.admin, decline_code or true_code, advice_code)
    return Decline(happened, advice, admin, words.group, words.field)


def customer_texts() -> tuple[CustomerText, ...]:
    """What the pay page may say: the codes that have words of their own, then the two generic ones.

    The code `""` stands for any other refusal of a card and `bank` for one of a bank account, so
    the codes that stay hidden are not in the page at all.
    """
    own = [
        CustomerText(code, words.happened, words.advice) for code, words in _WORDS.items() if words.happened
    ]
    return (*own, CustomerText("bank", BANK_REFUSED, BANK_CONTACT), CustomerText("", DECLINED, CONTACT))


def bank_returns() -> dict[str, str]:
    """Why a bank returned a debit, as a sentence for the customer, where its code says more."""
    own = {code: words for code, words in _BANK_ACCOUNT.items() if words.happened not in (BANK_REFUSED, "")}
    funds = {"insufficient_funds": NO_FUNDS}
    return {code: words.happened for code, words in own.items()} | funds


def _words_for(code: str, *, bank: bool) -> _Words:
    if bank and code == "insufficient_funds":
        return _BANK_FUNDS
    return _WORDS.get(
        code, _Words(DeclineGroup.BANK, "The payment was declined for a reason we do not know.")
    )


def _generic_advice(group: DeclineGroup, advice_code: str | None, *, bank: bool) -> str:
    contact = BANK_CONTACT if bank else CONTACT
    if bank or group is DeclineGroup.HIDDEN:
        return contact
    return _ADVICE.get(advice_code or "", (contact, ""))[0]


def _admin_text(reason: str, code: str, advice_code: str | None) -> str:
    advice = _ADVICE.get(advice_code or "", ("", ""))[1]
    return f"{reason} {advice} ({code})" if advice else f"{reason} ({code})"
