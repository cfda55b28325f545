"""The tax rates to choose from. Invoices keep the rate that was chosen, whatever happens to it here."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from portal.audit.services import Actor, record
from portal.database.transaction import connection, transaction
from portal.errors import InvalidInput, NotFound


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A rate: `name` is printed on invoices, `percent` is from 0 to 100."""

    id: int
    name: str
    percent: Decimal
    active: bool

    @property
    def shown_percent(self) -> str:
        """Without zeros that say nothing: `19`, `8.875`."""
        text = f"{self.percent:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text


async def tax_rates(*, active: bool = False) -> list[TaxRate]:
    """Every rate, or those that may still be chosen; by name, then by percent."""
    async with connection() as held:
        rows = await held.fetch(
            "SELECT id, name, percent, active FROM tax_rate WHERE active OR NOT $1 "
            "ORDER BY active DESC, lower(name), percent",
            active,
        )
    return [TaxRate(**dict(row)) for row in rows]


async def add_tax_rate(name: str, percent: Decimal, *, actor: Actor) -> int:
    """Add a rate; one that is no longer offered comes back instead. Returns its id.

    Raises:
        InvalidInput: there is one of this name and percentage.
    """
    async with transaction() as tx:
        rate_id: int | None = await tx.connection.fetchval(
            """
            INSERT INTO tax_rate (name, percent, active, created_at) VALUES ($1, $2, true, now())
            ON CONFLICT (lower(name), percent) DO UPDATE SET active = true, name = excluded.name
            WHERE NOT tax_rate.active RETURNING id
            """,
            name,
            percent,
        )
        if rate_id is None:
            raise InvalidInput({"tax_name": "There is a rate of this name and percentage already."})
        await record(
            tx.connection,
            actor=actor,
            action="tax_rate.added",
            words=f"Added the tax rate {name} {percent:f}\u00a0%",
            subject=("tax_rate", rate_id),
        )
    return rate_id


async def set_active(rate_id: int, *, active: bool, actor: Actor) -> None:
    """Put a rate away, or offer it again. Saving what is so already changes nothing.

    Raises:
        NotFound: there is no such rate.
    """
    async with transaction() as tx:
        row = await tx.connection.fetchrow(
            "SELECT name, percent, active FROM tax_rate WHERE id = $1 FOR UPDATE", rate_id
        )
        if row is None:
            raise NotFound("There is no such tax rate.")
        if row["active"] == active:
            return
        said = "Offered again" if active else "Stopped offering"
        await tx.connection.execute("UPDATE tax_rate SET active = $2 WHERE id = $1", rate_id, active)
        await record(
            tx.connection,
            actor=actor,
            action="tax_rate.offered" if active else "tax_rate.put_away",
            words=f"{said} the tax rate {row['name']} {row['percent']:f}\u00a0%",
            subject=("tax_rate", rate_id),
        )
