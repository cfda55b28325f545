"""What the lines of an invoice add up to: discount, tax by rate, total. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from portal.money import Money, step, total


@dataclass(frozen=True, slots=True)
class DraftLine:
    """One line as it is typed: `quantity` times `unit`, taxed at `tax_rate` percent under `tax_name`."""

    description: str
    quantity: int
    unit: Money
    tax_rate: Decimal = Decimal(0)
    tax_name: str = ""

    @property
    def amount(self) -> Money:
        """Without tax."""
        return self.unit.times(self.quantity)


@dataclass(frozen=True, slots=True)
class Discount:
    """What is taken off the subtotal: `percent` of it, or a fixed `amount`. Never both."""

    percent: Decimal | None = None
    amount: Money | None = None

    def of(self, subtotal: Money) -> Money:
        """The amount, never more than there is to take it from."""
        nothing = Money(0, subtotal.currency)
        wanted = self.amount or nothing if self.percent is None else subtotal.percent(self.percent)
        return Money(max(min(wanted.amount_minor, subtotal.amount_minor), 0), subtotal.currency)


@dataclass(frozen=True, slots=True)
class TaxLine:
    """One rate of an invoice: `tax` is `rate` percent of `net`, what is charged at that rate."""

    name: str
    rate: Decimal
    net: Money
    tax: Money

    @property
    def title(self) -> str:
        """What the sums call it: `VAT 19 %`, or `Tax` alone where the rate is not known."""
        name = self.name or "Tax"
        return f"{name} {shown_rate(self.rate)}\u00a0%" if self.rate else name


@dataclass(frozen=True, slots=True)
class Totals:
    """`total` is `subtotal` less `discount`, and `tax`. `taxes` has a line for each rate above zero."""

    subtotal: Money
    discount: Money
    taxes: tuple[TaxLine, ...]
    tax: Money
    total: Money


def totals(lines: Iterable[DraftLine], currency: str, discount: Discount | None = None) -> Totals:
    """Add the lines up. Tax is computed once for each rate, half up, on what the discount left of it."""
    sums: dict[tuple[str, Decimal], Money] = {}
    for line in lines:
        group = (line.tax_name, line.tax_rate)
        sums[group] = sums.get(group, Money(0, currency)) + line.amount
    subtotal = total(list(sums.values()), currency)
    off = (discount or Discount()).of(subtotal)
    taxes = tuple(
        TaxLine(name, rate, net, net.percent(rate))
        for (name, rate), net in _discounted(sums, subtotal, off).items()
        if rate
    )
    tax = total([each.tax for each in taxes], currency)
    return Totals(subtotal, off, taxes, tax, subtotal - off + tax)


def stored_taxes(
    lines: Iterable[DraftLine], *, subtotal: Money, discount: Money, tax: Money
) -> tuple[TaxLine, ...]:
    """The tax of a stored invoice by rate; in one line without a rate where its lines do not explain it."""
    found = totals(lines, subtotal.currency, Discount(amount=discount))
    if (found.subtotal, found.discount, found.tax) == (subtotal, discount, tax):
        return found.taxes
    return (TaxLine("", Decimal(0), subtotal - discount, tax),) if tax.amount_minor else ()


def discount_title(percent: Decimal | None) -> str:
    """What the sums call a discount: `Discount 10 %`, or `Discount` for a fixed amount."""
    return f"Discount {shown_rate(percent)}\u00a0%" if percent else "Discount"


def shown_rate(rate: Decimal) -> str:
    """A percentage without zeros that say nothing: `19`, `8.1`, `0`."""
    text = f"{rate:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _discounted(
    sums: Mapping[tuple[str, Decimal], Money], subtotal: Money, off: Money
) -> dict[tuple[str, Decimal], Money]:
    """Each sum less its share of the discount. The shares add up to it, in chargeable steps if it is one."""
    if not off.amount_minor:
        return dict(sums)
    least = step(off.currency) if off.amount_minor % step(off.currency) == 0 else 1
    steps = off.amount_minor // least
    exact = {group: divmod(steps * each.amount_minor, subtotal.amount_minor) for group, each in sums.items()}
    left = steps - sum(whole for whole, _ in exact.values())
    by_rest = sorted(exact, key=lambda group: exact[group][1], reverse=True)
    extra = set(by_rest[:left])
    return {
        group: each - Money((exact[group][0] + (group in extra)) * least, off.currency)
        for group, each in sums.items()
    }
