"""Which failed collections another attempt can mend, and the steps from the first attempt to the next."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plugins.stripe.domain.declines import explain_decline
from portal.money import Money
from portal.subscriptions.declines import DeclineKind, FailedTry, Step, dunning_steps, kind_of

FIRST, SECOND, NEXT = (datetime(2026, 11, day, 9, tzinfo=UTC) for day in (20, 23, 28))


def tried(at: datetime, code: str = "insufficient_funds") -> FailedTry:
    return FailedTry(Money(2_000, "usd"), "Visa ending 0341", code, "", at)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("insufficient_funds", "soft"),
        ("generic_decline", "soft"),
        ("processing_error", "soft"),
        ("expired_card", "soft"),
        ("something_new", "soft"),
        ("", "soft"),
        ("stolen_card", "hard"),
        ("lost_card", "hard"),
        ("pickup_card", "hard"),
        ("incorrect_number", "hard"),
        ("revocation_of_all_authorizations", "hard"),
        ("account_closed", "hard"),
        ("debit_not_authorized", "hard"),
        ("authentication_required", "customer"),
        ("payment_intent_authentication_failure", "customer"),
    ],
)
def test_the_code_tells_whether_another_attempt_can_help(code: str, kind: str) -> None:
    found = kind_of(code, "")
    assert found == kind
    assert found.label
    assert found.advice


def test_a_bank_that_says_not_to_try_again_makes_any_decline_a_hard_one() -> None:
    words = explain_decline("card_declined", "generic_decline", "do_not_try_again").admin
    assert kind_of("generic_decline", words) is DeclineKind.HARD
    later = explain_decline("card_declined", "generic_decline", "try_again_later").admin
    assert kind_of("generic_decline", later) is DeclineKind.SOFT


def test_steps_lead_over_every_attempt_to_the_next_one() -> None:
    assert dunning_steps(2, [tried(FIRST), tried(SECOND)], NEXT) == [
        Step(1, FIRST),
        Step(2, SECOND),
        Step(3, NEXT, planned=True),
    ]


def test_attempts_that_nobody_told_of_are_the_older_ones_and_have_no_day() -> None:
    assert dunning_steps(3, [tried(SECOND)], None) == [Step(1, None), Step(2, None), Step(3, SECOND)]


def test_attempts_that_the_provider_does_not_count_are_steps_too() -> None:
    assert dunning_steps(1, [tried(FIRST), tried(SECOND)], None) == [Step(1, FIRST), Step(2, SECOND)]
