"""Why deliveries were refused lately, in sentences."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from portal.webhooks.refusals import refusals_since

WORDS = {
    "signature": "{n} carried a signature that fits no secret of this connection: was the secret rolled?",
    "clock": "{n} came with a time that is more than 5 minutes off: check this machine's clock.",
    "unsigned": "{n} carried no signature: something else than the provider calls this address.",
    "body": "{n} could not be read as an event: something on the way may change the body.",
}
DAY = timedelta(hours=24)


async def refusal_words(account_id: int) -> tuple[str, ...]:
    """One sentence for each reason of the last day, the most frequent first."""
    counts: Counter[str] = Counter()
    for row in await refusals_since(account_id, datetime.now(UTC) - DAY):
        counts[row.reason] += row.refused
    return tuple(WORDS[reason].format(n=f"{number:,}") for reason, number in counts.most_common())
