"""Every documented code has words, hidden ones read like no reason, and the truth stays with admins."""

import pytest

from plugins.stripe.domain.declines import (
    CONTACT,
    DECLINED,
    NOT_CHARGED,
    CardField,
    DeclineGroup,
    customer_texts,
    explain_decline,
)

GENERIC = f"{DECLINED} {NOT_CHARGED} {CONTACT}"
HIDDEN = "fraudulent lost_card stolen_card merchant_blacklist pickup_card".split()
DOCUMENTED = {
    DeclineGroup.HIDDEN: HIDDEN,
    DeclineGroup.BANK: (
        "generic_decline call_issuer do_not_honor no_action_taken not_permitted restricted_card "
        "revocation_of_authorization revocation_of_all_authorizations security_violation service_not_allowed "
        "stop_payment_order transaction_not_allowed new_account_information_available invalid_account "
        "card_velocity_exceeded"
    ).split(),
    DeclineGroup.OTHER_METHOD: "insufficient_funds expired_card pin_try_exceeded".split(),
    DeclineGroup.INPUT: (
        "incorrect_number invalid_number incorrect_cvc invalid_cvc invalid_expiry_month invalid_expiry_year "
        "incorrect_zip incorrect_address"
    ).split(),
    DeclineGroup.CARD: "card_not_supported currency_not_supported invalid_amount".split(),
    DeclineGroup.RETRY: (
        "processing_error issuer_not_available reenter_transaction approve_with_id try_again_later"
    ).split(),
    DeclineGroup.AUTHENTICATE: "authentication_required authentication_not_handled".split(),
    DeclineGroup.DUPLICATE: ["duplicate_transaction"],
    DeclineGroup.BANK_ACCOUNT: "account_closed no_account debit_not_authorized".split(),
}
CASES = [(group, code) for group, codes in DOCUMENTED.items() for code in codes]


@pytest.mark.parametrize(("group", "code"), CASES)
def test_documented_code_has_its_group_and_words(group: DeclineGroup, code: str) -> None:
    decline = explain_decline("card_declined", code)

    assert decline.group is group
    assert code in decline.admin
    assert NOT_CHARGED in decline.customer
    assert code not in decline.customer


@pytest.mark.parametrize("advice", [None, "confirm_card_data", "try_again_later", "do_not_try_again"])
@pytest.mark.parametrize("code", HIDDEN)
def test_hidden_reason_reads_like_no_reason(code: str, advice: str | None) -> None:
    assert explain_decline("card_declined", code, advice).customer == GENERIC


def test_hidden_codes_are_not_in_the_page() -> None:
    assert not {text.code for text in customer_texts()} & set(HIDDEN)


@pytest.mark.parametrize(
    ("code", "decline_code", "words"),
    [
        (
            "card_declined",
            "insufficient_funds",
            "not enough funds. You have not been charged. Try another card",
        ),
        (
            "expired_card",
            "expired_card",
            "this card has expired. You have not been charged. Use another card.",
        ),
        ("expired_card", None, "this card has expired"),
        (
            "processing_error",
            None,
            "Something went wrong at the card network. You have not been charged. Try again",
        ),
        ("card_declined", "card_velocity_exceeded", "over the card's limit"),
        ("card_declined", "authentication_required", "Your bank wants to confirm it is you."),
        ("payment_intent_authentication_failure", None, "You closed the bank check"),
        ("card_declined", "a_code_of_next_year", GENERIC),
        (None, None, GENERIC),
    ],
)
def test_customer_reads_what_to_do(code: str | None, decline_code: str | None, words: str) -> None:
    assert words in explain_decline(code, decline_code).customer


@pytest.mark.parametrize(
    ("code", "field"),
    [
        ("incorrect_number", CardField.NUMBER),
        ("incorrect_cvc", CardField.CVC),
        ("invalid_expiry_year", CardField.EXPIRY),
        ("incorrect_zip", CardField.POSTAL_CODE),
        ("generic_decline", None),
    ],
)
def test_wrong_input_points_to_its_field(code: str, field: CardField | None) -> None:
    assert explain_decline(code).field is field


@pytest.mark.parametrize(
    ("advice", "customer", "admin"),
    [
        ("confirm_card_data", "Check the card details and pay again.", "checking the card details"),
        ("try_again_later", "Try again later or use another card.", "try again later"),
        ("do_not_try_again", "Use another card.", "not to try this card again"),
    ],
)
def test_advice_of_the_bank_is_passed_on(advice: str, customer: str, admin: str) -> None:
    decline = explain_decline("card_declined", "generic_decline", advice)

    assert decline.advice == customer
    assert admin in decline.admin


def test_admin_sees_the_banks_code_even_when_it_is_new() -> None:
    assert "a_code_of_next_year" in explain_decline("card_declined", "a_code_of_next_year").admin


@pytest.mark.parametrize("code", ["insufficient_funds", "generic_decline", None])
def test_bank_account_is_never_called_a_card(code: str | None) -> None:
    decline = explain_decline(code, bank=True)

    assert "this card" not in decline.customer
    assert "another card" not in decline.customer


def test_page_has_a_text_for_every_other_refusal() -> None:
    codes = [text.code for text in customer_texts()]

    assert codes[-2:] == ["bank", ""]
    assert len(codes) == len(set(codes))
