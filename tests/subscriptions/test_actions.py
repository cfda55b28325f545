"""What may be asked of a subscription, by its standing, what was asked already, and who asks."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from portal.subscriptions.actions import SubscriptionActions, actions_for
from portal.subscriptions.statuses import Standing
from portal.web.request import Role

SOON = datetime(2026, 12, 1, tzinfo=UTC)
END, KEEP, PAUSE, RESUME, NOW = "cancel_at_period_end", "keep", "pause", "resume", "cancel_now"
PLAN = "change_plan"


def asked(
    standing: Standing, role: Role = Role.ADMIN, *, wish: str = "", connected: bool = True
) -> SubscriptionActions:
    return actions_for(standing, role, wish=wish, connected=connected, provider="Stripe")


@pytest.mark.parametrize(
    ("standing", "offered"),
    [
        (Standing("active"), (PLAN, END, PAUSE, NOW)),
        (Standing("trialing"), (PLAN, END, PAUSE, NOW)),
        (Standing("past_due"), (PLAN, END, PAUSE, NOW)),
        (Standing("unpaid"), (PLAN, END, PAUSE, NOW)),
        (Standing("active", cancel_at_period_end=True), (KEEP, PAUSE, NOW)),
        (Standing("active", cancel_at=SOON), (KEEP, PAUSE, NOW)),
        (Standing("active", pause="void"), (END, RESUME, NOW)),
        (Standing("paused"), (RESUME, NOW)),
        (Standing("paused", cancel_at=SOON), (KEEP, RESUME, NOW)),
        (Standing("incomplete"), (NOW,)),
        (Standing("canceled"), ()),
        (Standing("incomplete_expired"), ()),
    ],
)
def test_what_applies_is_offered_and_nothing_else(standing: Standing, offered: tuple[str, ...]) -> None:
    assert asked(standing).offered == offered
    assert asked(standing, Role.OWNER).offered == offered


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (Standing("canceled"), "It has ended"),
        (Standing("incomplete"), "before the first payment"),
        (Standing("paused"), "no period runs"),
        (Standing("incomplete"), "The plan cannot be changed before the first payment."),
        (Standing("paused"), "The plan cannot be changed while it is paused."),
        (Standing("active", pause="void"), "The plan cannot be changed while it is paused."),
        (Standing("active", cancel_at=SOON), "while it is to end: keep it first."),
    ],
)
def test_the_rest_has_its_reason(standing: Standing, words: str) -> None:
    assert words in " ".join(asked(standing).absent)


def test_who_may_read_is_offered_nothing_and_told_no_reasons() -> None:
    assert asked(Standing("active"), Role.VIEWER) == SubscriptionActions()


def test_nothing_is_offered_without_a_connection() -> None:
    found = asked(Standing("active"), connected=False)
    assert found.offered == ()
    assert found.absent == ("Nothing can be changed while Stripe is disconnected.",)


@pytest.mark.parametrize(
    ("wish", "offered"),
    [
        (END, (KEEP, NOW)),
        (PAUSE, (RESUME, NOW)),
        (PLAN, (PLAN, NOW)),
        (NOW, ()),
    ],
)
def test_a_wish_under_way_can_be_taken_back_but_for_an_end_at_once(
    wish: str, offered: tuple[str, ...]
) -> None:
    assert asked(Standing("active"), wish=wish).offered == offered


def test_what_waits_for_another_wish_is_said() -> None:
    assert asked(Standing("active"), wish=PAUSE).absent == (
        "The plan can be changed when what was asked for is confirmed.",
        "Everything but taking it back waits until what was asked for is confirmed.",
    )
    assert asked(Standing("active"), wish=PLAN).absent == (
        "Ending it later and pausing are offered when the other plan is confirmed.",
    )
