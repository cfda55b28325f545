"""What a person may do to an invoice as it stands, and why the rest is not offered. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from babel.dates import format_date
from babel.lists import format_list

from portal.invoices.rules import PAYABLE, InvoiceStatus
from portal.web.formats import DATE, LOCALE
from portal.web.request import Role

VOIDABLE = frozenset({InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE})
WITHOUT_LINK = frozenset({InvoiceStatus.DRAFT, InvoiceStatus.VOID})
MONEY_ACTIONS = {
    "void": "Void",
    "uncollectible": "Mark as uncollectible",
    "record": "Record payment",
    "refund": "Refund",
    "credit": "Credit",
}
"""Actions whose absence is explained, and what people call them."""
_CLOSED = {
    InvoiceStatus.PARTLY_PAID: "once a part is paid or credited: credit what is left instead",
    InvoiceStatus.PAID: "because nothing is owed any more",
    InvoiceStatus.REFUNDED: "because the money went back, and nothing is owed",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that decides what is offered. `provider` is what people call it; empty: there is none."""

    status: InvoiceStatus
    provider: str = ""
    made_there: bool = False
    """Whether the invoice was made at the provider, and is only followed here."""
    paid_here: bool = False
    """Whether it can have a pay link though it was made there: a subscription bills it."""
    connected: bool = True
    """Whether the connection with the provider still stands."""
    copied: bool = False
    """Whether the provider has the invoice."""
    refundable: bool = False
    """Whether the provider holds a payment of which something can go back."""
    has_lines: bool = True
    collected: bool = False
    """Whether the provider tried in vain to collect what is owed."""
    failed: bool = False
    """Whether the provider could not be told of the last change."""
    expected: date | None = None
    """When the payment that is under way should have ended."""

    @property
    def asks_provider(self) -> bool:
        """Whether money that goes back and credits are the provider's to give."""
        return bool(self.provider)


@dataclass(frozen=True, slots=True)
class InvoiceActions:
    """What the person may do now. What does not apply is absent from the page, not disabled."""

    edit: bool = False
    finalise: bool = False
    record: bool = False
    refund: bool = False
    credit: bool = False
    uncollectible: bool = False
    void: bool = False
    collect: bool = False
    """Have the provider charge the saved method again, now."""
    duplicate: bool = False
    link: bool = False
    """Replace the pay link, or change how long it works."""
    retry: bool = False
    see_reasons: bool = False
    """Decline codes and reasons are for admins alone."""
    absent: tuple[str, ...] = ()
    """Why the rest is not offered, in sentences."""


def actions_for(now: Situation, role: Role) -> InvoiceActions:
    """What somebody with this role may do."""
    if not role.covers(Role.ADMIN):
        return InvoiceActions()
    here, draft = not now.made_there, now.status is InvoiceStatus.DRAFT
    offered = _money_actions(now)
    return InvoiceActions(
        edit=draft and here,
        finalise=draft and here and now.has_lines,
        collect=now.made_there and now.collected and now.connected,
        duplicate=here,
        link=_may_have_link(now),
        retry=now.failed,
        see_reasons=True,
        absent=tuple(_reasons(now, offered)),
        **offered,
    )


def _may_have_link(now: Situation) -> bool:
    """Of what was made at the provider only while it is owed: before that nobody made a link."""
    if now.made_there:
        return now.paid_here and now.status in PAYABLE
    return now.status not in WITHOUT_LINK


def _money_actions(now: Situation) -> dict[str, bool]:
    """Which of `MONEY_ACTIONS` are offered. While a payment is under way none is: it may end either way."""
    payable = now.status in PAYABLE
    reached = not now.asks_provider or (now.connected and now.copied)
    refundable = now.refundable and now.connected
    return {
        "void": now.status in VOIDABLE,
        "uncollectible": now.status is InvoiceStatus.OPEN,
        "record": payable,
        "refund": refundable and now.status is not InvoiceStatus.PROCESSING,
        "credit": payable and reached,
    }


def _reasons(now: Situation, offered: dict[str, bool]) -> list[str]:
    missing = {name: words for name, words in MONEY_ACTIONS.items() if not offered[name]}
    if now.status is InvoiceStatus.PROCESSING:
        when = f": expected {format_date(now.expected, DATE, locale=LOCALE)}" if now.expected else ""
        return [f"{_listed(missing)} are not offered while a payment is under way{when}."]
    if now.status is InvoiceStatus.DRAFT:
        where = f" in {now.provider}" if now.made_there else ""
        return [f"Payments, credits and voiding come once it is finalised{where}."]
    if now.status is InvoiceStatus.VOID:
        return ["Nothing can be paid on a void invoice, and it stays void."]
    return [*_of_debt(now, missing), *_of_refund(now, missing), *_of_origin(now)]


def _of_debt(now: Situation, missing: dict[str, str]) -> list[str]:
    closed = {name: words for name, words in missing.items() if name != "refund"}
    said = []
    if "credit" in closed and now.status in PAYABLE:
        closed.pop("credit")
        said.append(
            f"Credit is not offered before {now.provider} has the invoice."
            if now.connected
            else f"Credit is not offered while {now.provider} is disconnected."
        )
    if now.status in _CLOSED:
        said.insert(0, f"{_listed(closed)} are not offered {_CLOSED[now.status]}.")
    return said


def _of_refund(now: Situation, missing: dict[str, str]) -> list[str]:
    if "refund" not in missing or now.status is InvoiceStatus.REFUNDED:
        return []
    if now.refundable:
        return [f"Refund is not offered while {now.provider} is disconnected."]
    if now.status in (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE):
        return ["Refund is not offered before money has arrived."]
    return ["Refund is not offered: no provider holds a payment of which something is left."]


def _of_origin(now: Situation) -> list[str]:
    if not now.made_there:
        return []
    if now.paid_here:
        return [f"It was made in {now.provider}."]
    return [f"It was made in {now.provider}: its pay link is there, too."]


def _listed(words: dict[str, str]) -> str:
    first, *others = words.values()
    text: str = format_list([first, *(word[0].lower() + word[1:] for word in others)], locale=LOCALE)
    return text
