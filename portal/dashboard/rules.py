"""How a figure compares with the month before, in words. Pure."""

from __future__ import annotations

from portal.money import Money


def compare(collected: tuple[Money, ...], collected_before: tuple[Money, ...]) -> tuple[str, str]:
    """`(tone, words)` for the first sum against the same currency in the whole month before."""
    now = collected[0]
    before = next((m for m in collected_before if m.currency == now.currency), Money(0, now.currency))
    if before.amount_minor <= 0:
        return "mute", "Nothing in the month before" if now.amount_minor else ""
    change = round((now.amount_minor - before.amount_minor) * 100 / before.amount_minor)
    if change == 0:
        return "mute", f"As in the month before ({before.format()})"
    direction = "more" if change > 0 else "less"
    return ("ok" if change > 0 else "mute"), f"{abs(change)}% {direction} than the whole month before"


def join_sums(sums: tuple[Money, ...]) -> str:
    """`$42.00`, or `$42.00 and €10.00` in several currencies."""
    return " and ".join(money.format() for money in sums)
