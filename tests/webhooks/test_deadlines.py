"""Deadlines that share a timer end each what is late, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from portal.webhooks.deadlines import Deadlines


async def wait_under(deadlines: Deadlines, event: asyncio.Event) -> str:
    try:
        with deadlines.begin():
            await event.wait()
    except TimeoutError:
        return "late"
    return "done"


async def test_those_that_take_too_long_end_and_the_others_go_on() -> None:
    deadlines, never, soon = Deadlines(0.02), asyncio.Event(), asyncio.Event()
    waiting = [asyncio.create_task(wait_under(deadlines, event)) for event in (never, soon, never)]
    await asyncio.sleep(0)
    soon.set()
    assert await asyncio.gather(*waiting) == ["late", "done", "late"]


async def test_who_begins_after_the_timer_was_set_has_the_whole_time() -> None:
    deadlines, never = Deadlines(0.05), asyncio.Event()
    loop = asyncio.get_running_loop()
    first = asyncio.create_task(wait_under(deadlines, never))
    await asyncio.sleep(0.03)
    begun = loop.time()
    assert await wait_under(deadlines, never) == "late"
    assert loop.time() - begun >= deadlines.seconds
    assert await first == "late"


async def test_a_cancellation_from_elsewhere_stays_one() -> None:
    deadlines, never = Deadlines(0.01), asyncio.Event()
    both = asyncio.create_task(wait_under(deadlines, never))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError), deadlines.begin():
        await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert await both == "late"
    left = asyncio.create_task(wait_under(Deadlines(10), never))
    await asyncio.sleep(0)
    left.cancel()
    with pytest.raises(asyncio.CancelledError):
        await left


async def test_what_ended_in_time_is_not_touched_afterwards() -> None:
    deadlines = Deadlines(0.01)
    with deadlines.begin():
        pass
    await asyncio.sleep(0.03)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    assert await wait_under(deadlines, asyncio.Event()) == "late"


def test_another_event_loop_gets_a_timer_of_its_own() -> None:
    async def end_at_once() -> None:
        with deadlines.begin():
            pass

    deadlines = Deadlines(0.01)
    asyncio.run(end_at_once())
    assert asyncio.run(asyncio.wait_for(wait_under(deadlines, asyncio.Event()), 5)) == "late"
