"""A subscription that was ordered with a trial: its customer is asked for a payment method at the start."""

from __future__ import annotations

from typing import Any

from portal.audit.services import SYSTEM, Note
from portal.audit.sources import Source
from portal.contract.facts import SubscriptionSeen
from portal.database.transaction import Connection
from portal.mail.claims import ADD_METHOD, BY_HAND, NAMES
from portal.mail.letters import can_be_written_to
from portal.mail.rules import masked
from portal.mail.servers import mail_ready
from portal.mail.services import Mail, queue_mail
from portal.settings import current_settings
from portal.subscriptions.method_links import make_link


async def ask_for_method(held: Connection, source: Source, order_id: int, fact: SubscriptionSeen) -> None:
    """Make the link to add a method, and mail it where that was wanted. The caller does so once for an order.

    Nothing is charged in a trial, so nothing else would ask for a method before it ends.
    """
    if fact.status != "trialing" or fact.method_external_id:
        return
    row = await held.fetchrow(_STARTED, order_id)
    if row is None:
        return
    if await make_link(held, row["subscription"], source.mode.value):
        _note(
            source, row["subscription"], "link_renewed", "Link to add a payment method made, for the trial."
        )
    if row["send_link"] and can_be_written_to(row["email"]) and mail_ready(current_settings()):
        await _mail(held, source, order_id, row)


async def _mail(held: Connection, source: Source, order_id: int, row: Any) -> None:
    """A person ticked the box, so it is a message by hand."""
    about = ("subscription", int(row["subscription"]))
    mail = Mail(f"{BY_HAND}trial-{order_id}", ADD_METHOD, about, source.mode.value, row["email"])
    if await queue_mail(held, mail) is not None:
        _note(
            source, row["subscription"], "link_sent", f"{NAMES[ADD_METHOD]} sent to {masked(row['email'])}."
        )


def _note(source: Source, subscription_id: int, action: str, words: str) -> None:
    about = ("subscription", subscription_id)
    source.notes.append(Note(SYSTEM, f"subscription.{action}", words, about, source.mode.value))
    source.announce(f"subscription:{subscription_id}")


_STARTED = """
SELECT o.send_link, s.id AS subscription, c.email
FROM subscription_order o
     JOIN subscription s ON s.account = o.account AND s.external_id = o.external_id
     JOIN customer c ON c.id = s.customer
WHERE o.id = $1
"""
