"""What a person may ask of a subscription as it stands, and why the rest is not offered. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from portal.subscriptions.rules import OPPOSITES, Shown, is_granted
from portal.subscriptions.statuses import Standing
from portal.web.request import Role

CHANGES = ("change_plan", "cancel_at_period_end", "keep", "pause", "resume", "cancel_now")


@dataclass(frozen=True, slots=True)
class SubscriptionActions:
    """What the person may ask for now. What does not apply is absent from the page, not disabled."""

    offered: tuple[str, ...] = ()
    """Wishes, as `services.WISHES` names them."""
    see_reasons: bool = False
    """Decline codes and reasons are for admins alone."""
    absent: tuple[str, ...] = ()
    """Why the rest is not offered, in sentences."""


def actions_for(
    standing: Standing, role: Role, *, wish: str, connected: bool, provider: str
) -> SubscriptionActions:
    """What somebody with this role may ask for."""
    if not role.covers(Role.ADMIN):
        return SubscriptionActions()
    reason = _nothing(standing, wish, connected=connected, provider=provider)
    if reason:
        return SubscriptionActions(see_reasons=True, absent=(reason,))
    offered = tuple(change for change in CHANGES if _is_offered(standing, change, wish))
    return SubscriptionActions(offered, see_reasons=True, absent=tuple(_reasons(standing, wish)))


def _nothing(standing: Standing, wish: str, *, connected: bool, provider: str) -> str:
    if standing.ended:
        return "It has ended: nothing can be changed any more. A new one is started in its place."
    if not connected:
        return f"Nothing can be changed while {provider} is disconnected."
    if wish == "cancel_now":
        return "It is being cancelled: nothing else can be asked for."
    return ""


def _is_offered(standing: Standing, change: str, wish: str) -> bool:
    if change == "cancel_now":
        return True
    if change == "change_plan":
        return not _plan_stays(standing, wish)
    if (
        wish == "change_plan"
        or standing.status == "incomplete"
        or (standing.status, change) == ("paused", "cancel_at_period_end")
    ):
        return False
    if wish:
        return OPPOSITES[wish] == change
    return not _is_so(standing, change)


def _is_so(standing: Standing, change: str) -> bool:
    return is_granted(change, Shown(standing.status, standing.ends_later, standing.pause))


def _plan_stays(standing: Standing, wish: str) -> str:
    """Why the plan cannot be changed now; empty: it can."""
    if standing.status == "incomplete":
        return "The plan cannot be changed before the first payment."
    if standing.paused:
        return "The plan cannot be changed while it is paused."
    if standing.ends_later:
        return "The plan cannot be changed while it is to end: keep it first."
    if wish and wish != "change_plan":
        return "The plan can be changed when what was asked for is confirmed."
    return ""


def _reasons(standing: Standing, wish: str) -> list[str]:
    said = [_plan_stays(standing, wish)]
    if standing.status == "incomplete":
        said.append("Ending it later and pausing are not offered before the first payment.")
    elif wish == "change_plan":
        said.append("Ending it later and pausing are offered when the other plan is confirmed.")
    elif wish:
        said.append("Everything but taking it back waits until what was asked for is confirmed.")
    elif standing.status == "paused" and not standing.ends_later:
        said.append("Ending it later is not offered while it is paused: no period runs that could end.")
    return [reason for reason in said if reason]
