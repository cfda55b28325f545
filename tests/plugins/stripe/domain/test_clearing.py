"""When a bank debit is decided: four business days, where the banks are."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from plugins.stripe.domain.clearing import decided_by


@pytest.mark.parametrize(
    ("started", "decided"),
    [
        (datetime(2026, 11, 23, 15, tzinfo=UTC), date(2026, 11, 27)),  # Monday -> Friday
        (datetime(2026, 11, 24, 15, tzinfo=UTC), date(2026, 11, 30)),  # Tuesday -> over the weekend
        (datetime(2026, 11, 24, 1, tzinfo=UTC), date(2026, 11, 27)),  # Monday, 20:00 in New York
        (datetime(2026, 11, 24, 2, tzinfo=UTC), date(2026, 11, 30)),  # 21:00 there is the next day's
        (datetime(2026, 11, 28, 15, tzinfo=UTC), date(2026, 12, 4)),  # Saturday counts as Monday
        (datetime(2026, 11, 28, 3, tzinfo=UTC), date(2026, 12, 4)),  # Friday after 21:00 as well
    ],
)
def test_a_debit_is_decided_on_the_fourth_business_day(started: datetime, decided: date) -> None:
    assert decided_by(started).date() == decided
