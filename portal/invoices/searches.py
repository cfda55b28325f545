"""What a search of the list of invoices finds, and the values that its statements are given."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from portal.database.transaction import Connection
from portal.web.keysets import prefix_range

FEW = 500
"""So many invoices or customers that a search finds are gathered at once."""


@dataclass(slots=True)
class Arguments:
    """The values of a statement that is being written."""

    values: list[Any] = field(default_factory=list)

    def add(self, value: Any, cast: str) -> str:
        """Bind a value; its name in the statement."""
        return f"{self.bare(value)}::{cast}"

    def bare(self, value: Any) -> str:
        """The same without its type."""
        self.values.append(value)
        return f"${len(self.values)}"


@dataclass(frozen=True, slots=True)
class Search:
    """What a search finds: few ids, or None for many, which have to be found again."""

    ends: tuple[str, str]
    """Whatever it finds lies between them."""
    invoices: list[int] | None
    customers: list[int] | None

    @property
    def few(self) -> bool:
        """Whether all that it finds is known."""
        return self.invoices is not None and self.customers is not None

    def by_keys(self, arguments: Arguments) -> str:
        """The condition of a gathering: each half of it has a key."""
        halves = []
        if self.invoices is None:
            halves.append(self._starts("i.number", arguments))
        elif self.invoices:
            halves.append(f"i.id = ANY({arguments.add(self.invoices, 'bigint[]')})")
        if self.customers is None:
            name, email = self._starts("name", arguments), self._starts("email", arguments)
            named = f"SELECT id FROM customer WHERE {name} UNION ALL SELECT id FROM customer WHERE {email}"  # noqa: S608 - words of ours
            halves.append(f"i.customer = ANY(ARRAY({named}))")
        elif self.customers:
            halves.append(f"i.customer = ANY({arguments.add(self.customers, 'bigint[]')})")
        return f"({' OR '.join(halves) or 'false'})"

    def by_row(self, arguments: Arguments) -> str:
        """The condition of a walk: quick for one invoice, whatever the search finds."""
        halves = []
        if self.invoices is None:
            halves.append(self._starts("i.number", arguments))
        elif self.invoices:
            halves.append(f"(i.id IN (SELECT unnest({arguments.add(self.invoices, 'bigint[]')}))) IS TRUE")
        if self.customers is None:
            named = f"{self._starts('c.name', arguments)} OR {self._starts('c.email', arguments)}"
            # Not EXISTS: that may be planned as a walk over all customers.
            halves.append(f"(SELECT {named} FROM customer c WHERE c.id = i.customer)")  # noqa: S608 - words of ours
        elif self.customers:
            halves.append(
                f"(i.customer IN (SELECT unnest({arguments.add(self.customers, 'bigint[]')}))) IS TRUE"
            )
        return f"({' OR '.join(halves) or 'false'})"

    def _starts(self, text: str, arguments: Arguments) -> str:
        low, high = (arguments.add(end, "text") for end in self.ends)
        return f"(lower({text}) ~>=~ {low} AND lower({text}) ~<~ {high})"


async def look_up(held: Connection, text: str) -> Search:
    """Ask once what a search finds."""
    ends = prefix_range(text)
    row = await held.fetchrow(_LOOK_UP, *ends, FEW + 1)
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row; this tells the type checker
    invoices, customers = (list(row[name]) for name in ("invoices", "customers"))
    return Search(
        ends, invoices if len(invoices) <= FEW else None, customers if len(customers) <= FEW else None
    )


_STARTING = """
SELECT id FROM {0} WHERE lower({1}) ~>=~ $1 AND lower({1}) ~<~ $2 ORDER BY lower({1}) USING ~<~, id LIMIT $3
"""
_LOOK_UP = f"""
SELECT ARRAY({_STARTING.format("invoice", "number")}) AS invoices,
       ARRAY(({_STARTING.format("customer", "name")})
             UNION ({_STARTING.format("customer", "email")})) AS customers
"""
"""The order is that of the keys, so that nothing else is read."""
