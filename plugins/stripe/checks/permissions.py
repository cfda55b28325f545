"""The permissions check: every right is asked for by a harmless read and a harmless change, all at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from plugins.stripe.checks.learning import probe_of
from plugins.stripe.checks.words import answers_in_words, counted, dashboard_url
from plugins.stripe.domain.codes import Code
from plugins.stripe.gateway.probes import Probe
from plugins.stripe.rights import RIGHTS, Right
from portal.sdk import AccountAuthFailed, CheckContext, CheckItem, CheckResult, CheckStatus


@dataclass(frozen=True, slots=True)
class _Row:
    """A right and what its probes found."""

    right: Right
    probe: Probe

    @property
    def sentence(self) -> str:
        """What is missing and what it switches off."""
        right, level = self.right, self.right.level.lower()
        called = f" (Stripe calls it {self.probe.right})" if self.probe.right else ""
        return f"{right.title}: {level} is missing{called}, so {right.without}."

    @property
    def chip(self) -> CheckItem:
        """The right as the page shows it."""
        match self.probe.allowed:
            case True:
                return CheckItem(self.right.title, CheckStatus.PASSED, self.right.level)
            case False:
                return CheckItem(self.right.title, CheckStatus.FAILED, self.probe.right)
            case None:
                return CheckItem(self.right.title, CheckStatus.UNPROVED, self.probe.why)


@answers_in_words
async def check_permissions(context: CheckContext) -> CheckResult:
    """Name each right that is missing, with the feature that it switches off."""
    rows = await _ask_all(context)
    missing = [row for row in rows if row.probe.allowed is False]
    unknown = [row for row in rows if row.probe.allowed is None]
    items, there = tuple(row.chip for row in rows), len(rows) - len(missing) - len(unknown)
    tag = f"{there} of {len(rows)}"
    if missing:
        return _lacking(context, missing, unknown, items=items, tag=tag)
    if unknown:
        return _doubtful(unknown, items=items, tag=tag)
    return CheckResult(CheckStatus.PASSED, f"All {len(rows)} permissions are there.", tag=tag, items=items)


async def _ask_all(context: CheckContext) -> list[_Row]:
    answers = await asyncio.gather(*(probe_of(context, right) for right in RIGHTS), return_exceptions=True)
    # Every call has ended here, so no stray one can fail unseen. A refused key outranks other errors.
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    for error in sorted(errors, key=lambda found: not isinstance(found, AccountAuthFailed)):
        raise error
    return [_Row(r, a) for r, a in zip(RIGHTS, answers, strict=True) if isinstance(a, Probe)]


def _lacking(
    context: CheckContext,
    missing: Sequence[_Row],
    unknown: Sequence[_Row],
    *,
    items: tuple[CheckItem, ...],
    tag: str,
) -> CheckResult:
    needed = [row for row in missing if row.right.needed]
    many = "it" if len(missing) == 1 else "them"
    return CheckResult(
        CheckStatus.FAILED if needed else CheckStatus.WARNING,
        f"This key is missing {counted(len(missing), 'permission')} that the portal uses.{_rest(unknown)}",
        fix=f"Edit the key in Stripe and allow {many}, then choose Validate again."
        + ("" if needed else f" You can also connect without {many}."),
        steps=tuple(row.sentence for row in missing),
        fix_url=dashboard_url(context, "apikeys"),
        fix_label="Edit this key in Stripe",
        tag=tag,
        code=Code.PERMISSION_MISSING,
        items=items,
        features_off={row.right.feature_id: row.sentence for row in missing},
    )


def _doubtful(unknown: Sequence[_Row], *, items: tuple[CheckItem, ...], tag: str) -> CheckResult:
    nothing = len(unknown) == len(RIGHTS)
    why = unknown[0].probe.why
    return CheckResult(
        CheckStatus.FAILED if nothing else CheckStatus.UNPROVED,
        f"No permission could be checked. {why}" if nothing else f"Nothing is missing.{_rest(unknown)}",
        fix="Check again in a moment.",
        steps=() if nothing else tuple(f"{row.right.title}: {row.probe.why}" for row in unknown),
        tag=tag,
        code=Code.PERMISSION_UNKNOWN,
        items=items,
        unanswered=nothing,
    )


def _rest(unknown: Sequence[_Row]) -> str:
    return f" {counted(len(unknown), 'permission')} could not be checked." if unknown else ""
