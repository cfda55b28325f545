"""A message that is being sent, and what the timeline of its subject says of it."""

from __future__ import annotations

from dataclasses import dataclass

from portal.audit.services import SYSTEM, record
from portal.database.transaction import Connection
from portal.mail.rules import masked
from portal.mail.servers import Handed
from portal.security.sealing import open_sealed

BY_HAND = "hand:"
"""How the keys of messages begin that a person sent."""
ADD_METHOD = "add_method"
NAMES = {
    "invoice": "Invoice",
    "reminder": "Reminder",
    "receipt": "Receipt",
    "new_link": "New pay link",
    "payment_failed": "Notice of the failed payment",
    "method_link": "Link to update the payment method",
    ADD_METHOD: "Link to add a payment method",
}
"""What people call each kind."""


@dataclass(frozen=True, slots=True)
class ClaimedMail:
    """A message that this process sends now, unless its lease ends first."""

    id: int
    key: str
    kind: str
    subject_kind: str
    subject_id: int
    mode: str
    to_address: str
    sealed_body: str
    attempts: int
    message_id: str

    @property
    def by_hand(self) -> bool:
        """Whether a person sent it."""
        return self.key.startswith(BY_HAND)

    @property
    def words(self) -> str:
        """What a person added."""
        return open_sealed(self.sealed_body, context=place_of(self.key)).reveal() if self.sealed_body else ""


def place_of(key: str) -> tuple[str, ...]:
    """What a message's own words are sealed for."""
    return ("mail", key)


async def tell(held: Connection, mail: ClaimedMail, story: tuple[str, str]) -> None:
    """Write an entry into the timeline of what the message is about."""
    action, words = story
    await record(
        held,
        actor=SYSTEM,
        action=action,
        words=words,
        subject=(mail.subject_kind, mail.subject_id),
        mode=mail.mode or None,
        details={"mail": mail.id, "kind": mail.kind},
    )


def story_of(mail: ClaimedMail, state: str, error: str, handed: Handed | None) -> tuple[str, str]:
    """Action and sentence."""
    what = f"{NAMES.get(mail.kind, 'Email')} to {masked(mail.to_address)}"
    if handed is not None and handed.file:
        return "mail.written", f"{what}: no mail server is set up, so it was written to {handed.file}."
    if handed is not None:
        return "mail.sent", f"{what}: taken by the mail server."
    if state == "dropped":
        return "mail.dropped", f"{what}: not sent. {error}"
    return "mail.failed", f"{what}: failed. {error}"
