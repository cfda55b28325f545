"""The permissions check: every right is asked for by a harmless read, all at once."""

from __future__ import annotations

import asyncio

from plugins.stripe.checks.words import counted, dashboard_url, skipped_when_refused
from plugins.stripe.gateway import accounts
from plugins.stripe.rights import RIGHTS, Right
from portal.sdk import AccountAuthFailed, CheckContext, CheckItem, CheckResult, CheckStatus

Missing = tuple[Right, str]


@skipped_when_refused
async def check_permissions(context: CheckContext) -> CheckResult:
    """Name each right that is missing, with the feature that it switches off."""
    probes = await _probe_all(context)
    items = tuple(
        CheckItem(right.title, CheckStatus.PASSED if probe.allowed else CheckStatus.FAILED)
        for right, probe in zip(RIGHTS, probes, strict=True)
    )
    missing = [(r, probe.right) for r, probe in zip(RIGHTS, probes, strict=True) if not probe.allowed]
    tag = f"{len(RIGHTS) - len(missing)} of {len(RIGHTS)}"
    if not missing:
        return CheckResult(
            CheckStatus.PASSED, f"All {len(RIGHTS)} permissions are there.", tag=tag, items=items
        )
    return CheckResult(
        CheckStatus.FAILED if any(right.needed for right, _ in missing) else CheckStatus.WARNING,
        f"This key is missing {counted(len(missing), 'permission')} that the portal uses.",
        fix=" ".join([*map(_sentence, missing), "Set it in Stripe, then choose Validate again."]),
        fix_url=dashboard_url(context, "apikeys"),
        fix_label="Edit this key in Stripe",
        tag=tag,
        code="STRIPE_PERMISSION_MISSING",
        items=items,
    )


async def _probe_all(context: CheckContext) -> list[accounts.Probe]:
    key, settings = context.credentials["secret_key"], context.settings
    answers = await asyncio.gather(
        *(accounts.probe_right(key, settings, right.service) for right in RIGHTS), return_exceptions=True
    )
    # Every call has ended here, so no stray one can fail unseen. A refused key outranks other errors.
    errors = [answer for answer in answers if isinstance(answer, BaseException)]
    for error in sorted(errors, key=lambda found: not isinstance(found, AccountAuthFailed)):
        raise error
    return [answer for answer in answers if isinstance(answer, accounts.Probe)]


def _sentence(missing: Missing) -> str:
    right, name = missing
    called = f" (Stripe calls it {name})" if name else ""
    return f"{right.title}: {right.level.lower()} is switched off{called}, so {right.without}."
