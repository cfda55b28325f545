"""How often one thing may be done."""

from __future__ import annotations

from portal.web.allowances import MOST_KEPT, SECONDS, Allowance


def test_so_many_in_a_minute_for_each_key() -> None:
    allowance = Allowance(3)
    assert [allowance.take(b"a", now=at) for at in (0, 10, 20, 30)] == [True, True, True, False]
    assert allowance.take(b"b", now=30)
    assert allowance.take(b"a", now=SECONDS), "the first one is over, and what was refused does not count"
    assert not allowance.take(b"a", now=SECONDS + 9)
    assert allowance.take(b"a", now=SECONDS + 10)


def test_keys_with_nothing_left_to_count_are_forgotten() -> None:
    allowance = Allowance(1)
    for number in range(MOST_KEPT + 1):
        allowance.take(b"%d" % number, now=0)
    assert not allowance.take(b"0", now=1), "nothing is forgotten while it counts"
    allowance.take(b"new", now=SECONDS)
    assert len(allowance._taken) == 1
