"""What ought to become of invoices and subscriptions: a few rules, written down a second time."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Bill:
    """An invoice and its money. Amounts in minor units."""

    external_id: str
    total: int
    parts: int = 0
    """What people recorded as paid elsewhere."""
    credited: int = 0
    """What credit notes took off that was still owed."""
    voided: int = 0
    """What credit notes took off until they were voided: nobody here may have heard of that yet."""
    brought: int = 0
    """What came through Stripe, or was said there to have come."""
    returned: int = 0
    on_its_way: int = 0
    """What a bank has not brought back yet: it is still ours."""
    debit: int = 0
    """How much a bank debit is to bring that is under way."""
    closed: str = ""
    """`void` or `uncollectible`."""

    @property
    def owed(self) -> bool:
        """Whether somebody may pay it now."""
        return self.brought == 0 and not self.debit and self.closed != "void"

    @property
    def untouched(self) -> bool:
        """Whether nothing of it was paid or credited."""
        return self.owed and not self.paid

    @property
    def paid(self) -> int:
        """All that arrived or was let go."""
        return self.parts + self.credited + self.brought

    @property
    def left(self) -> int:
        """How much is still ours."""
        return self.paid - self.returned

    @property
    def refundable(self) -> int:
        """How much can be given back."""
        return self.brought - self.returned - self.on_its_way

    @property
    def status(self) -> str:
        """As the portal calls it."""
        money = self.parts + self.brought
        if money or self.credited == self.total:
            if money and self.returned == money:
                return "refunded"
            return "paid" if self.paid >= self.total else "processing" if self.debit else "partly_paid"
        if self.closed == "void":
            return "void"
        return "processing" if self.debit else self.closed or ("partly_paid" if self.credited else "open")

    def pay(self, amount: int) -> None:
        """It arrives, whatever was declared before."""
        assert self.owed or self.debit
        self.brought, self.debit = amount, 0

    def give_back(self, amount: int, *, at_once: bool) -> None:
        """A part goes back to who paid."""
        assert 0 < amount <= self.refundable
        if at_once:
            self.returned += amount
        else:
            self.on_its_way += amount

    def close(self, how: str) -> None:
        """It is declared void, or lost."""
        assert self.untouched
        self.closed = how


@dataclass
class Subscribed:
    """A subscription."""

    external_id: str
    item: str
    plan: str
    status: str = "active"
    ends: bool = False
    """At the end of its period."""


@dataclass
class Buyer:
    """A customer at the provider."""

    external_id: str
    name: str
    deleted: bool = False


@dataclass
class Shadow:
    """Everything that a history made."""

    bills: list[Bill] = field(default_factory=list)
    subscriptions: list[Subscribed] = field(default_factory=list)
    buyers: list[Buyer] = field(default_factory=list)
    ranks: dict[str, int] = field(default_factory=dict)
    """By invoice: how far it was seen to be. It never goes back."""

    def allows(self, bill: Bill, seen: str) -> bool:
        """Whether an invoice may be seen like this now; what was seen before is remembered."""
        rank = {"void": 1, "paid": 2, "refunded": 3}.get(seen, 0)
        if seen == "paid" and bill.returned < bill.paid:
            self.ranks[bill.external_id] = max(rank, self.ranks.get(bill.external_id, 0))
        before = self.ranks.get(bill.external_id, 0)
        self.ranks[bill.external_id] = max(rank, before)
        return rank >= before
