"""The check that asks nobody: are the three values what their fields want?"""

from __future__ import annotations

from plugins.stripe.checks.words import DASHBOARD
from plugins.stripe.domain import keys
from plugins.stripe.domain.codes import Code
from portal.sdk import CheckContext, CheckResult, CheckStatus

LABELS = {
    "publishable_key": "Publishable key",
    "secret_key": "Secret key",
    "webhook_secret": "Webhook signing secret",
}


async def check_format(context: CheckContext) -> CheckResult:
    """Prefix, length and mode of every key, as the form tells them while typing."""
    values = {name: context.credentials[name].reveal() for name in LABELS}
    verdicts = {name: keys.judge(name, values, finished=True) for name in LABELS}
    problems = [f"{LABELS[name]}: {v.message}" for name, v in verdicts.items() if v.blocks]
    problems += [f"{LABELS[name]}: it is missing." for name, value in values.items() if not keys.clean(value)]
    if problems:
        return CheckResult(
            CheckStatus.FAILED,
            " ".join(problems),
            fix="Copy the keys again from the API keys page.",
            fix_url=f"{DASHBOARD}/apikeys",
            fix_label="API keys in Stripe",
            code=Code.KEY_FORMAT,
        )
    if doubts := [f"{LABELS[name]}: {v.message}" for name, v in verdicts.items() if v.tone == "warn"]:
        return CheckResult(CheckStatus.WARNING, " ".join(doubts), code=Code.KEY_UNFAMILIAR)
    mode = keys.shared_mode(values)
    return CheckResult(CheckStatus.PASSED, f"All three values are well formed and belong to {mode} mode.")
