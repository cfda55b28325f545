"""What the last run of checks found, so that a row can be repeated alone and Save asks only what is open."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from portal.contract.checks import Check, CheckResult, CheckStatus
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, connection
from portal.security.keyrings import current_keyring

FRESH = timedelta(minutes=10)
"""How long a passed check of a form stands for Save."""
_results = msgspec.json.Decoder(dict[str, CheckResult])


@dataclass(frozen=True, slots=True)
class CheckRun:
    """A finished run: whose, of which exact values, and what it found."""

    subject: str
    fingerprint: str
    results: Mapping[str, CheckResult]
    ran_at: datetime

    def passed(self) -> dict[str, CheckResult]:
        """What need not be asked again soon."""
        fresh = datetime.now(UTC) - self.ran_at < FRESH
        return {name: r for name, r in self.results.items() if fresh and r.status is CheckStatus.PASSED}

    def all_but(self, name: str, checks: Sequence[Check]) -> dict[str, CheckResult]:
        """What stands when one check is repeated: not itself, nor what it lacks, nor what was skipped."""
        needs = next((check.needs for check in checks if check.id == name), ())
        return {
            other: result
            for other, result in self.results.items()
            if other != name
            and result.status is not CheckStatus.SKIPPED
            and (other not in needs or result.status is CheckStatus.PASSED)
        }


def subject_of_account(account_id: int) -> str:
    """The subject of a saved connection's runs."""
    return f"account:{account_id}"


def subject_of_form(plugin_id: str, person_id: int) -> str:
    """The subject of the runs of a form that one person fills in."""
    return f"form:{plugin_id}:{person_id}"


def fingerprint_of(values: Mapping[str, Secret], *more: str) -> str:
    """Names these exact values, and nothing else, without telling them."""
    content = json.dumps([sorted((name, value.reveal()) for name, value in values.items()), *more])
    key = current_keyring().derive("checked-values")
    return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()


async def remember_run(
    subject: str, fingerprint: str, results: Mapping[str, CheckResult], *, held: Connection | None = None
) -> None:
    """Keep the newest run of a subject; in the caller's transaction when `held` is given."""
    if held is not None:
        await _store(held, subject, fingerprint, results)
        return
    async with connection() as own:
        await _store(own, subject, fingerprint, results)


async def last_run(subject: str, fingerprint: str | None = None) -> CheckRun | None:
    """The newest run of a subject; with `fingerprint`, only if it was of those exact values."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT subject, fingerprint, results, ran_at FROM check_run
            WHERE subject = $1 AND ($2::text IS NULL OR fingerprint = $2)
            """,
            subject,
            fingerprint,
        )
    if row is None:
        return None
    try:
        results = _results.decode(row["results"])
    except msgspec.MsgspecError:
        return None  # another release wrote it, and checks can be run again
    return CheckRun(row["subject"], row["fingerprint"], results, row["ran_at"])


async def forget_old_runs() -> None:
    """Delete runs of forms that nobody goes on with; those of connections stay."""
    async with connection() as held:
        await held.execute(
            "DELETE FROM check_run WHERE subject LIKE 'form:%' AND ran_at < now() - interval '1 day'"
        )
        await held.execute(
            "DELETE FROM check_allowance WHERE NOT EXISTS "
            "(SELECT FROM unnest(runs) AS run WHERE run > now() - interval '1 day')"
        )


async def _store(
    held: Connection, subject: str, fingerprint: str, results: Mapping[str, CheckResult]
) -> None:
    await held.execute(
        """
        INSERT INTO check_run (subject, fingerprint, results, ran_at) VALUES ($1, $2, $3, now())
        ON CONFLICT (subject) DO UPDATE SET fingerprint = $2, results = $3, ran_at = now()
        """,
        subject,
        fingerprint,
        msgspec.json.encode(results).decode(),
    )
