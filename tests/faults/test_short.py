"""The quick rows of the fault model; `make faults` runs them all."""

from __future__ import annotations

import pytest

from tests.faults.runs import judged
from tests.faults.schedules import Row, rows
from tests.faults.worlds import World

SEED = 1


@pytest.mark.parametrize("row", [row for row in rows() if row.quick], ids=lambda row: row.name)
async def test_every_promise_is_kept_through_a_fault(row: Row, world: World) -> None:
    verdict = await judged(row, world, SEED)
    assert not verdict.broken, "\n".join(verdict.broken)
