"""Whether Stripe signed a body, and recently. Two-sided: the SDK alone accepts timestamps from the future."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import stripe as stripe_sdk

from portal.sdk import EventRefused, Secret

TOLERANCE_SECONDS = 300


def verify_signature(body: bytes, header: str, secrets: Sequence[Secret], now: datetime) -> None:
    """Accept the body when one of the secrets signed it within five minutes of `now`.

    Raises:
        EventRefused: unsigned, signed by somebody else, too old, from the future, or not readable.
    """
    _refuse_other_times(header, now)
    for secret in secrets:
        if secret and _signed_by(body, header, secret):
            return
    raise EventRefused("The signature does not fit any signing secret of this connection.")


def _refuse_other_times(header: str, now: datetime) -> None:
    stamp = next((part[2:] for part in header.split(",") if part.startswith("t=")), "")
    if not (stamp.isascii() and stamp.isdecimal() and len(stamp) <= 12):
        raise EventRefused("The delivery carries no signature.")
    if abs(now.timestamp() - int(stamp)) > TOLERANCE_SECONDS:
        raise EventRefused("The delivery was signed more than 5 minutes ago, or ahead of time.")


def _signed_by(body: bytes, header: str, secret: Secret) -> bool:
    try:
        stripe_sdk.WebhookSignature.verify_header(body, header, secret.reveal(), None)
    # Non-ASCII signatures and bodies that are not UTF-8 raise these before anything is compared.
    except (stripe_sdk.SignatureVerificationError, ValueError, TypeError):
        return False
    return True
