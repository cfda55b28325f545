"""The message with which a customer gets the link to change how a subscription is paid."""

from __future__ import annotations

from portal.audit.services import SYSTEM, Actor, record
from portal.database.transaction import transaction
from portal.errors import Conflict, NotFound
from portal.finance.services import organisation
from portal.mail.claims import BY_HAND, NAMES, ClaimedMail
from portal.mail.letters import Letter, can_be_written_to
from portal.mail.rules import masked
from portal.mail.servers import MailNotSetUp, mail_ready
from portal.mail.services import Mail, NoLongerTrue, queue_mail
from portal.settings import current_settings
from portal.subscriptions.details import SubscriptionDetail, find_subscription
from portal.subscriptions.method_links import lock_running, usable_link

KIND = "method_link"


async def send_method_link(subscription_id: int, form_key: str, *, actor: Actor) -> str:
    """Send the customer the link, once for a form; returns the masked address.

    Raises:
        Conflict: the subscription has ended, or no address is known.
        MailNotSetUp: nothing can be sent.
        NotFound: there is no such subscription.
    """
    if not mail_ready(current_settings()):
        raise MailNotSetUp
    async with transaction() as tx:
        held = tx.connection
        mode = await lock_running(held, subscription_id)
        address: str = await held.fetchval(
            "SELECT c.email FROM subscription s JOIN customer c ON c.id = s.customer WHERE s.id = $1",
            subscription_id,
        )
        if not can_be_written_to(address):
            raise Conflict("No email address of this customer is known.", hint="Add one, or copy the link.")
        subject = ("subscription", subscription_id)
        mail = Mail(f"{BY_HAND}{form_key}", KIND, subject, mode, address)
        if await queue_mail(held, mail) is not None:
            told = f"{NAMES[KIND]} sent to {masked(address)}."
            await record(
                held, actor=actor, action="subscription.link_sent", words=told, subject=subject, mode=mode
            )
    return masked(address)


async def compose_method_link(mail: ClaimedMail) -> Letter:
    """The letter, with a link that works when it is sent.

    Raises:
        NoLongerTrue: the subscription has ended, or the customer's data was erased.
    """
    company = await organisation()
    if company is None:
        raise NoLongerTrue("The portal is not set up.")
    try:
        found = await find_subscription(mail.subject_id, today=company.today)
        link = await usable_link(mail.subject_id, actor=SYSTEM)
    except (Conflict, NotFound) as gone:
        raise NoLongerTrue(gone.message) from None
    questions = "Questions? Just reply to this email." if company.contact_email else ""
    said = (*_paragraphs(found, company.name, link), questions, company.name)
    return Letter(
        title=f"{'[Test] ' if found.mode == 'test' else ''}Update how you pay for {found.plan}",
        text="\n\n".join(part for part in said if part) + "\n",
        from_name=company.name,
        reply_to=company.contact_email,
    )


def _paragraphs(found: SubscriptionDetail, company: str, link: str) -> tuple[str, ...]:
    test = "This is a test. No money is asked for." if found.mode == "test" else ""
    what = f"{company} asks you to update the payment method of your subscription"
    charged = f" It is charged to {found.method.words} now." if found.method else ""
    return (
        test,
        f"Hello {found.customer_name},",
        f"{what}: {found.plan}, {found.price.words}.{charged}",
        f"Enter a card or bank account here:\n{link}",
        "Whoever has this link can do so. Do not pass it on.",
    )
