"""The frame of `make bench`; what it measures is no matter for a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench.figures import Figure, beside_peers, keep, table

OURS = Figure("F1", "deliveries", 6_000.0, "/s", "5,000 /s", race="intake")
PEERS = [
    Figure("peer", "slow", 60.0, "/s", race="intake"),
    Figure("peer", "fast", 1_500.0, "/s", race="intake"),
]


def test_a_figure_is_compared_with_the_fastest_peer_of_its_race() -> None:
    elsewhere = Figure("peer", "another race", 9_000.0, "/s", race="backfill")
    (found,) = beside_peers([OURS, *PEERS, elsewhere])
    assert (found.value, found.met) == (4.0, True)
    assert "4.0 times" in table([OURS, *PEERS])


def test_a_peer_that_is_not_installed_is_a_row_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Figure("peer", "sync-engine: not installed: there is no npm", None)
    monkeypatch.setattr(bench, "_run", lambda _name, _flags, kept: keep(row, kept))
    assert bench.main(["peers"]) == 0
    assert beside_peers([OURS, row]) == []


def test_a_measurement_that_fails_is_a_row_and_the_next_one_is_made(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(name: str, _flags: tuple[str, ...], kept: Path) -> str:
        if name == "intake":
            return "failed (exit code 1), see above"
        keep(OURS, kept)
        return ""

    monkeypatch.setattr(bench, "_run", run)
    assert bench.main(["intake", "memory", "--short"]) == 1
    said = capsys.readouterr().out
    assert "intake: failed (exit code 1)" in said
    assert "6,000 /s" in said


def test_peers_are_measured_only_when_they_are_asked_for() -> None:
    assert "peers" not in bench.Wanted.of(["--short"]).names
    assert bench.Wanted.of(["--peers", "intake"]).names == ("intake", "peers")
    assert bench.Wanted.of(["--quick", "intakes"]).unknown == {"--quick", "intakes"}
