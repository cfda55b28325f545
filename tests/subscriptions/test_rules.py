"""When what the portal asked of a subscription has come true."""

from __future__ import annotations

import pytest

from portal.subscriptions.rules import Shown, WishedPlan, is_granted, plain

GOES_ON = Shown("active", ends_later=False, pause="")
ENDS_LATER = Shown("active", ends_later=True, pause="")
HELD_BACK = Shown("active", ends_later=False, pause="keep_as_draft")
PAUSED = Shown("paused", ends_later=False, pause="")
ENDED = Shown("canceled", ends_later=False, pause="")


@pytest.mark.parametrize(
    ("wish", "granted"),
    [
        ("cancel_now", [ENDED]),
        ("cancel_at_period_end", [ENDS_LATER, ENDED]),
        ("keep", [GOES_ON, HELD_BACK, PAUSED, ENDED]),
        ("pause", [HELD_BACK, PAUSED, ENDED]),
        ("resume", [GOES_ON, ENDS_LATER, ENDED]),
    ],
)
def test_a_wish_is_over_when_the_subscription_is_as_it_was_asked(wish: str, granted: list[Shown]) -> None:
    shown = [each for each in (GOES_ON, ENDS_LATER, HELD_BACK, PAUSED, ENDED) if is_granted(wish, each)]
    assert shown == granted


@pytest.mark.parametrize(
    ("plan", "quantity", "wished", "granted"),
    [
        ("price_2", 3, WishedPlan("price_2", 3), True),
        ("price_2", 1, WishedPlan("price_2", 3), False),
        ("price_1", 3, WishedPlan("price_2", 3), False),
        ("price_2", 1, WishedPlan("price_2", 0), True),
        ("price_1", 1, WishedPlan("price_2", 0), False),
    ],
)
def test_another_plan_is_granted_when_plan_and_quantity_are_seen(
    plan: str, quantity: int, wished: WishedPlan, *, granted: bool
) -> None:
    shown = Shown("active", ends_later=False, pause="", plan=plan, quantity=quantity)
    assert is_granted("change_plan", shown, wished) is granted
    assert is_granted("change_plan", ENDED, wished)


def test_statuses_read_as_words() -> None:
    assert [plain(status) for status in ("past_due", "canceled")] == ["past due", "cancelled"]
