"""The jobs that send mail, and those that find what is to be sent."""

from __future__ import annotations

from datetime import timedelta

import dramatiq

from portal.database.transaction import transaction
from portal.mail import services as mail
from portal.mail.claims import ClaimedMail
from portal.mail.letters import Letter
from portal.messages.composing import compose
from portal.messages.method_letters import compose_method_link
from portal.messages.new_links import PRESENT, renew_link
from portal.messages.reminders import queue_reminders
from portal.queue.schedule import periodic


@dramatiq.actor(actor_name=mail.ACTOR, max_retries=0)
async def send_one(mail_id: int) -> None:
    """Send one message."""
    await mail.send_mail(mail_id, _compose)


async def _compose(claimed: ClaimedMail) -> Letter:
    return await (compose_method_link if claimed.subject_kind == "subscription" else compose)(claimed)


@dramatiq.actor(actor_name="portal.renew_link", max_retries=0)
async def answer_who_asked(invoice_id: int, former_id: int = PRESENT) -> None:
    """Answer a customer who asked for a new pay link."""
    await renew_link(invoice_id, former_id)


@periodic(name="portal.sweep_mail", every=timedelta(seconds=30))
@dramatiq.actor(actor_name="portal.sweep_mail", max_retries=0)
async def sweep_mail() -> None:
    """Ring again for what a lost ring or a killed worker left behind, and for what was to be sent later."""
    async with transaction() as tx:
        await mail.release_due(tx.connection)


@periodic(name="portal.remind", every=timedelta(minutes=15))
@dramatiq.actor(actor_name="portal.remind", max_retries=0)
async def remind() -> None:
    """Store the reminders of the day."""
    await queue_reminders()
