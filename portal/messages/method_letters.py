"""The message with which a customer gets the link to change how a subscription is paid."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from babel.dates import format_date

from portal.audit.services import SYSTEM, Actor, record
from portal.database.transaction import transaction
from portal.errors import Conflict, NotFound
from portal.finance.services import Organisation, organisation
from portal.mail.claims import ADD_METHOD, BY_HAND, NAMES, ClaimedMail
from portal.mail.letters import Letter, can_be_written_to
from portal.mail.rules import masked
from portal.mail.servers import MailNotSetUp, mail_ready
from portal.mail.services import Mail, NoLongerTrue, queue_mail
from portal.messages.texts import LONG_DATE
from portal.settings import current_settings
from portal.subscriptions.details import SubscriptionDetail, find_subscription
from portal.subscriptions.method_links import lock_running, usable_link
from portal.subscriptions.method_panels import method_panel
from portal.web.request import Role

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
        row = await held.fetchrow(_CUSTOMER, subscription_id)
        assert row is not None  # noqa: S101 - it was locked; this tells the type checker
        address, kind = str(row["email"]), ADD_METHOD if row["lacks"] else KIND
        if not can_be_written_to(address):
            raise Conflict("No email address of this customer is known.", hint="Add one, or copy the link.")
        subject = ("subscription", subscription_id)
        mail = Mail(f"{BY_HAND}{form_key}", kind, subject, mode, address)
        if await queue_mail(held, mail) is not None:
            told = f"{NAMES[kind]} sent to {masked(address)}."
            await record(
                held, actor=actor, action="subscription.link_sent", words=told, subject=subject, mode=mode
            )
    return masked(address)


async def compose_method_link(mail: ClaimedMail) -> Letter:
    """The letter, with a link that works when it is sent.

    Raises:
        NoLongerTrue: the subscription has ended, has got a method meanwhile, or its link leads to nothing.
    """
    company = await organisation()
    if company is None:
        raise NoLongerTrue("The portal is not set up.")
    try:
        found = await find_subscription(mail.subject_id, today=company.today)
        await _check(found, mail.kind)
        link = await usable_link(mail.subject_id, actor=SYSTEM)
    except (Conflict, NotFound) as gone:
        raise NoLongerTrue(gone.message) from None
    questions = "Questions? Just reply to this email." if company.contact_email else ""
    said = (*_paragraphs(found, company, link), questions, company.name)
    title = "Add a payment method for" if found.lacks_method else "Update how you pay for"
    return Letter(
        title=f"{'[Test] ' if found.mode == 'test' else ''}{title} {found.plan}",
        text="\n\n".join(part for part in said if part) + "\n",
        from_name=company.name,
        reply_to=company.contact_email,
    )


async def _check(found: SubscriptionDetail, kind: str) -> None:
    if kind == ADD_METHOD and not found.lacks_method:
        raise NoLongerTrue("It has a payment method by now, or has ended.")
    panel = await method_panel(found, Role.ADMIN)
    if not panel.can_link:
        raise NoLongerTrue(panel.reason or "It has ended.")


def _paragraphs(found: SubscriptionDetail, company: Organisation, link: str) -> tuple[str, ...]:
    test = "This is a test. No money is asked for." if found.mode == "test" else ""
    return (
        test,
        f"Hello {found.customer_name},",
        _occasion(found, company),
        f"Enter a card or bank account here:\n{link}",
        "Whoever has this link can do so. Do not pass it on.",
    )


def _occasion(found: SubscriptionDetail, company: Organisation) -> str:
    if found.trial_charge_at:
        ends = found.trial_charge_at.astimezone(ZoneInfo(company.time_zone))
        return (
            f"Your trial of {found.plan} runs until {format_date(ends, LONG_DATE, locale='en')}. Nothing is "
            f"charged before then. After that it costs {found.period_words}, and {company.name} needs a "
            "payment method of yours to charge it to."
        )
    does = "add a payment method to" if found.lacks_method else "update the payment method of"
    charged = f" It is charged to {found.method.words} now." if found.method else ""
    return (
        f"{company.name} asks you to {does} your subscription: {found.plan}, {found.period_words}.{charged}"
    )


_CUSTOMER = """
SELECT c.email, s.method_external_id IS NULL AND s.wish_method_external_id = '' AS lacks
FROM subscription s JOIN customer c ON c.id = s.customer WHERE s.id = $1
"""
