"""What the page of a subscription shows of the way it is paid, and what an admin may do about it."""

from __future__ import annotations

from dataclasses import dataclass

from portal.invoices.pay_views import collector_for
from portal.mail.letters import can_be_written_to
from portal.mail.servers import mail_ready
from portal.settings import current_settings
from portal.subscriptions.details import SubscriptionDetail
from portal.subscriptions.method_links import MethodAddress, read_link
from portal.web.request import Role


@dataclass(frozen=True, slots=True)
class MethodPanel:
    """What may be done now. The link is for admins alone: whoever has it can change the method."""

    can_link: bool = False
    can_send: bool = False
    link: MethodAddress | None = None
    reason: str = ""
    """Why something is not offered, in sentences."""


async def method_panel(subscription: SubscriptionDetail, role: Role) -> MethodPanel:
    """For somebody with this role."""
    if not role.covers(Role.ADMIN) or subscription.standing.ended:
        return MethodPanel()
    collector = await collector_for(subscription.account_id)
    if collector is None:
        return MethodPanel(
            reason=f"The method cannot be changed while {subscription.provider} is disconnected."
        )
    settings = current_settings()
    if collector.plugin.method_page(collector.account, settings) is None:
        return MethodPanel(
            reason=f"Customers cannot change the method: the keys of {subscription.provider} do not allow "
            "it. The settings of the connection say which right they lack."
        )
    link = await read_link(subscription.id)
    if not mail_ready(settings):
        return MethodPanel(can_link=True, link=link, reason="The link cannot be mailed: mail is not set up.")
    if not can_be_written_to(subscription.customer_email):
        reason = "The link cannot be mailed: no email address of the customer is known."
        return MethodPanel(can_link=True, link=link, reason=reason)
    return MethodPanel(can_link=True, can_send=True, link=link)
