"""Test beside live: what the checks saw in each mode, line by line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portal.accounts.check_runs import last_run, subject_of_account
from portal.accounts.validations import Outcome
from portal.contract.checks import Check, CheckResult, CheckStatus
from portal.contract.plugin import Plugin

UNKNOWN = "Not known yet"
ABSENT = "—"
STATES = {
    CheckStatus.PASSED: ("ok", "Green"),
    CheckStatus.WARNING: ("warn", "Needs attention"),
    CheckStatus.UNPROVED: ("warn", "Unproved"),
    CheckStatus.FAILED: ("bad", "Failed"),
    CheckStatus.SKIPPED: ("mute", "Not checked"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing in both modes."""

    label: str
    test: str
    live: str

    @property
    def differs(self) -> bool:
        """Whether both are known and are not the same."""
        return UNKNOWN not in (self.test, self.live) and self.test != self.live


@dataclass(frozen=True, slots=True)
class Group:
    """The lines of one check, and how it stands in live mode."""

    title: str
    tone: str
    state: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Both modes side by side."""

    groups: tuple[Group, ...]

    @property
    def green(self) -> int:
        """How many checks passed in live mode."""
        return sum(group.tone == "ok" for group in self.groups)


async def comparison_of(account_id: int, plugin: Plugin, live: Outcome | None) -> Comparison:
    """The saved test connection's last run beside a run with live keys, as far as there is one."""
    run = await last_run(subject_of_account(account_id))
    return compare(plugin.checks, run.results if run else {}, live.results if live else {})


def compare(
    checks: tuple[Check, ...], test: Mapping[str, CheckResult], live: Mapping[str, CheckResult]
) -> Comparison:
    """Line up what two runs saw; pure."""
    return Comparison(tuple(_group(check, test.get(check.id), live.get(check.id)) for check in checks))


def _group(check: Check, test: CheckResult | None, live: CheckResult | None) -> Group:
    tone, state = STATES[live.status] if live else ("mute", "Not run yet")
    labels = dict.fromkeys([*(test.shown if test else ()), *(live.shown if live else ())])
    lines = [Line(label, _seen(test, label), _seen(live, label)) for label in labels]
    return Group(check.title, tone, state, tuple(lines))


def _seen(result: CheckResult | None, label: str) -> str:
    return UNKNOWN if result is None else result.shown.get(label, ABSENT)
