"""When a task is tried again."""

from __future__ import annotations

import pytest

from portal.sync.rules import LONGEST_DELAY_SECONDS, retry_delay


@pytest.mark.parametrize("asked", [None, 30.0, 86_400.0, float("inf")])
def test_a_task_waits_as_long_as_it_is_asked_to_and_never_for_ever(asked: float | None) -> None:
    delay = retry_delay(1, asked=asked)
    assert min(asked or 0.0, LONGEST_DELAY_SECONDS) <= delay <= LONGEST_DELAY_SECONDS
