"""Whether Stripe signed a body, and recently. Two-sided: the SDK alone accepts timestamps from the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import stripe as stripe_sdk

from portal.sdk import EventRefused, Secret

TOLERANCE_SECONDS = 300


def verify_signature(body: bytes, header: str, secrets: Sequence[Secret], now: datetime) -> int:
    """Which of the secrets signed the body within five minutes of `now`; the first one that fits.

    Raises:
        EventRefused: unsigned, signed by somebody else, too old, from the future, or not readable.
    """
    stamp = _stamp(header)
    # The time is judged last: that it is wrong means something only where the signature is right.
    for place, secret in enumerate(secrets):
        if secret and _signed_by(body, header, secret):
            _refuse_other_times(stamp, now)
            return place
    raise EventRefused("The signature does not fit any signing secret of this connection.")


def _stamp(header: str) -> int:
    parts = header.split(",")  # as the SDK reads it: a stamp that only one of us sees could be a lie
    stamp = next((part[2:] for part in parts if part.startswith("t=")), "")
    readable = stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12
    if not readable or not any(part.startswith("v1=") for part in parts):
        raise EventRefused("The delivery carries no signature.", reason="unsigned")
    return int(stamp)


def _refuse_other_times(stamp: int, now: datetime) -> None:
    if abs(now.timestamp() - stamp) > TOLERANCE_SECONDS:
        raise EventRefused(
            "The delivery was signed more than 5 minutes ago, or ahead of time.", reason="clock"
        )


def _signed_by(body: bytes, header: str, secret: Secret) -> bool:
    try:
        stripe_sdk.WebhookSignature.verify_header(body, header, secret.reveal(), None)
    # Non-ASCII signatures and bodies that are not UTF-8 raise these before anything is compared.
    except (stripe_sdk.SignatureVerificationError, ValueError, TypeError):
        return False
    return True
