"""Mail that waits to be sent, and mail that was."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Text, Timestamptz
from piccolo.table import Table


class MailMessage(Table, tablename="mail_message"):
    """One message to one address. It is stored with what caused it, and sent after that is committed.

    What it says is put together when it is sent, from what is true then: no pay link lies here.
    """

    id: BigSerial
    id = BigSerial(primary_key=True)
    key = Text(null=False)
    """Names the occasion, such as `reminder:17:2026-12-01`: unique, so that nobody is written to twice."""
    kind = Text(null=False)
    """`invoice`, `reminder`, `receipt`, `new_link` or `payment_failed`."""
    subject_kind = Text(null=False)
    subject_id = BigInt(null=False)
    """What it is about: `invoice` and its id."""
    mode = Text(null=True, default=None)
    to_address = Text(null=False)
    title = Text(null=False, default="")
    """The subject line as it was sent."""
    sealed_body = Text(null=False, default="")
    """What a person added in words of their own, sealed. Emptied once it was sent."""
    state = Text(null=False, default="waiting")
    """`waiting`, `sending`, `sent`, `failed` or `dropped` (no longer true when its turn came)."""
    attempts = BigInt(null=False, default=0)
    due_at = Timestamptz(null=False)
    lease_until = Timestamptz(null=True, default=None)
    error = Text(null=False, default="")
    message_id = Text(null=False, default="")
    """The Message-ID header: one for each message, also when it has to be sent again."""
    created_at = Timestamptz(null=False)
    sent_at = Timestamptz(null=True, default=None)
