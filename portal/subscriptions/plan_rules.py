"""Another plan or quantity for a subscription: what a choice costs, from when, what is wrong in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from portal.money import Money
from portal.subscriptions.statuses import Price, Standing
from portal.web.forms import Form, Problems

PRORATIONS: Mapping[str, str] = {
    "next_invoice": "With the next invoice",
    "at_once": "Charge or credit at once",
    "not_at_all": "Not at all",
}
"""How the rest of a period counts that has begun, in words."""
MOST_QUANTITY = 999_999
FIELDS = ("plan", "quantity", "proration")
_LONGEST_NUMBER = 9


@dataclass(frozen=True, slots=True)
class PlanOffer:
    """A plan that can be chosen. `unit` None: it depends on something, as `words` say."""

    external_id: str
    name: str
    words: str
    unit: Money | None
    interval: str
    interval_count: int
    by_use: bool = False
    """Use is counted, and nobody orders a quantity."""

    @property
    def title(self) -> str:
        """`Pro ($20.00 per month)`."""
        return self.name if self.name == self.words else f"{self.name} ({self.words})"

    def counted(self, quantity: int) -> str:
        """`3 × Pro ($20.00 per month)`; without a number where none is ordered."""
        return self.title if self.by_use or quantity < 1 else f"{quantity:,} × {self.title}"

    def price(self, quantity: int) -> Price:
        """What a period costs."""
        total = None if self.unit is None else self.unit.times(quantity)
        return Price(total, self.interval, self.interval_count)


@dataclass(frozen=True, slots=True)
class PlanChange:
    """What somebody chose. `quantity` 0: none is ordered."""

    plan_external_id: str
    quantity: int
    proration: str


def read_choice(form: Form, offers: Sequence[PlanOffer], *, now: tuple[str, int] | None) -> PlanChange:
    """The choice of a form; `now`: plan and quantity as they are, unless a change of them is under way.

    Raises:
        InvalidInput: with what to do about each field.
    """
    problems = Problems()
    offer = next((each for each in offers if each.external_id == form.text("plan")), None)
    problems.add("plan", None if offer else "Choose a plan of the list.")
    by_use = offer is not None and offer.by_use
    quantity = 0 if by_use else _whole(form.text("quantity"))
    if not by_use and not 1 <= quantity <= MOST_QUANTITY:
        problems.add("quantity", f"Enter a whole number from 1 to {MOST_QUANTITY:,}.")
    if form.text("proration") not in PRORATIONS:
        problems.add("proration", "Choose how the rest of the period counts.")
    if offer and now and offer.external_id == now[0] and (by_use or quantity == now[1]):
        problems.add("plan", "It is that way already: choose another plan or another quantity.")
    problems.raise_if_any()
    return PlanChange(form.text("plan"), quantity, form.text("proration"))


def effect_of(offer: PlanOffer, quantity: int, standing: Standing, now: Price, *, zone: ZoneInfo) -> str:
    """What is charged after the change and from when, as a sentence."""
    price = offer.price(quantity)
    cost = offer.words if price.amount is None else price.words
    if standing.status == "trialing":
        return f"{cost}{_from(standing.trial_end, zone)}, when the trial ends."
    if (price.interval, price.interval_count) != (now.interval, now.interval_count):
        return f"{cost} from now on: a new period begins at once, and is charged for then."
    if standing.period_end is None:
        return f"{cost} from the next period on."
    return f"{cost}{_from(standing.period_end, zone)}, with the next period."


def _from(at: datetime | None, zone: ZoneInfo) -> str:
    return f" from {at.astimezone(zone):%-d %b %Y} on" if at else ""


def _whole(text: str) -> int:
    plain = text.replace(",", "")
    return int(plain) if plain.isascii() and plain.isdecimal() and len(plain) <= _LONGEST_NUMBER else 0
