"""What the templates of the connected accounts show, gathered in values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from portal.accounts.services import AccountSummary
from portal.accounts.validations import DOUBTFUL
from portal.contract.checks import Check, CheckResult, CheckStatus, Repair
from portal.contract.descriptions import FieldFeedback
from portal.contract.help_pages import help_href
from portal.contract.plugin import LoadedPlugin, Plugin

CAPABILITIES = {
    "payments": ("credit-card", "Payments"),
    "subscriptions": ("repeat", "Subscriptions"),
    "invoice_sync": ("file-invoice", "Invoice sync"),
}
CHIPS = {
    CheckStatus.PASSED: "granted",
    CheckStatus.UNPROVED: "unknown",
    CheckStatus.SKIPPED: "unknown",
}
STATES = {
    "ready": FieldFeedback("ok", "Healthy"),
    "needs_attention": FieldFeedback("warn", "Needs attention"),
    "broken": FieldFeedback("bad", "Broken"),
    "disconnected": FieldFeedback("mute", "Disconnected"),
}


@dataclass(frozen=True, slots=True)
class ProviderCard:
    """One provider in the list: connected, not connected, or a package that failed to load."""

    package: str
    plugin: Plugin | None
    error: str
    accounts: tuple[AccountSummary, ...]

    @property
    def title(self) -> str:
        """Its name, or the package's when there is nothing else."""
        return self.plugin.manifest.title if self.plugin else self.package

    @property
    def href(self) -> str:
        """The provider's page."""
        return f"/settings/connected-accounts/{self.plugin.manifest.id}" if self.plugin else ""

    @property
    def capabilities(self) -> list[tuple[str, str]]:
        """(icon, words) of what it can do, in a steady order."""
        has = self.plugin.capabilities if self.plugin else frozenset()
        return [shown for name, shown in CAPABILITIES.items() if name in has]


@dataclass(frozen=True, slots=True)
class CheckRow:
    """One row of the check list."""

    id: str
    state: str
    title: str
    text: str
    tag: str = ""
    chips: tuple[tuple[str, str, str], ...] = ()
    """(label, `granted`, `missing`, `unknown` or `not checked`, more about it) of each part."""
    fix: str = ""
    steps: tuple[str, ...] = ()
    fix_url: str = ""
    fix_label: str = ""
    help_href: str = ""
    repairs: tuple[Repair, ...] = ()
    again: str = ""
    """The check's id, when it can be asked again."""

    @property
    def has_fix(self) -> bool:
        """Whether the row has a box that says what to do."""
        return bool(self.fix or self.steps or self.repairs)


@dataclass(frozen=True, slots=True)
class CheckBoard:
    """The whole card of checks: a headline with its tone, and the rows."""

    headline: str
    tone: str
    rows: tuple[CheckRow, ...] = field(default=())
    ran: bool = False


def cards(plugins: Sequence[LoadedPlugin], accounts: Sequence[AccountSummary]) -> list[ProviderCard]:
    """A card for every entry of the plugin list, with its accounts."""
    return [
        ProviderCard(
            entry.package,
            entry.plugin,
            entry.error or "",
            tuple(a for a in accounts if entry.plugin and a.plugin == entry.plugin.manifest.id),
        )
        for entry in plugins
    ]


def waiting_board(checks: Sequence[Check]) -> CheckBoard:
    """Before the first run."""
    return CheckBoard("Not run yet", "mute", tuple(_waiting_row(check) for check in checks))


def finished_board(checks: Sequence[Check], results: Mapping[str, CheckResult]) -> CheckBoard:
    """After a run."""
    rows = tuple(
        result_row(check, results[check.id]) if check.id in results else _waiting_row(check)
        for check in checks
    )
    # The run may be of a release that had other checks.
    tone, headline = headline_of({check.id: results[check.id] for check in checks if check.id in results})
    return CheckBoard(headline, tone, rows, ran=True)


def row_id(check: Check) -> str:
    """The id of the check's row in the page."""
    return f"check-{check.id}"


def checking_row(check: Check) -> CheckRow:
    """While the check runs."""
    return replace(_waiting_row(check), state="checking")


def result_row(check: Check, result: CheckResult) -> CheckRow:
    """After the check ended."""
    return CheckRow(
        id=row_id(check),
        state=result.status.value,
        title=check.title,
        text=result.message,
        tag=result.tag,
        chips=_chips(check, result),
        fix=result.fix,
        steps=result.steps,
        fix_url=result.fix_url,
        fix_label=result.fix_label,
        help_href=help_href(result.code) if result.code else "",
        repairs=result.repairs,
        again="" if result.status is CheckStatus.PASSED else check.id,
    )


def _waiting_row(check: Check) -> CheckRow:
    return CheckRow(row_id(check), "waiting", check.title, check.waiting, chips=_parts(check))


def _parts(check: Check) -> tuple[tuple[str, str, str], ...]:
    """What the check will tell of, before it did: the row has its height from the start."""
    return tuple((label, "not checked", "") for label in check.parts)


def _chips(check: Check, result: CheckResult) -> tuple[tuple[str, str, str], ...]:
    if result.status is CheckStatus.SKIPPED and not result.items:
        return _parts(check)
    return tuple((item.label, CHIPS.get(item.status, "missing"), item.detail) for item in result.items)


def headline_of(results: Mapping[str, CheckResult]) -> tuple[str, str]:
    """(tone, words) of a finished run: `All 6 checks passed`, `1 problem, 1 warning`."""
    problems = sum(result.status is CheckStatus.FAILED for result in results.values())
    warnings = sum(result.status in DOUBTFUL for result in results.values())
    found = ((problems, "problem"), (warnings, "warning"))
    if parts := [_counted(number, noun) for number, noun in found if number]:
        return ("bad" if problems else "warn"), ", ".join(parts)
    skipped = sum(result.status is CheckStatus.SKIPPED for result in results.values())
    if skipped:
        return "ok", f"{len(results) - skipped} of {len(results)} checks passed"
    return "ok", f"All {len(results)} checks passed"


def connect_anyway(doubts: Sequence[str], *, verb: str = "Connect") -> str:
    """The button that saves with warnings: `Connect with 1 warning`."""
    return f"{verb} with {_counted(len(doubts), 'warning')}"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
