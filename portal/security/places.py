"""Every column that holds sealed texts. What must reach all of them, such as a new key, goes by this list."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.database.transaction import Connection


@dataclass(frozen=True, slots=True)
class Place:
    """A column of sealed texts, and what each of them is bound to."""

    table: str
    column: str
    bound_to: tuple[str, ...]
    """The context given to `seal`; `{name}` stands for that column of the row, `{field}` for the field."""
    by_field: bool = False
    """Whether the column is an object of field -> text, rather than one text."""
    lasting: bool = True
    """Whether its rows live long enough to be worth sealing again."""
    current: str = "TRUE"
    """Condition on the row `held`: others are dead and need no key."""
    at_start: bool = False
    """Whether the portal must be able to open it to start."""

    def __str__(self) -> str:
        return f"{self.table}.{self.column}"

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns of the row that the context is made of; always the id."""
        named = [part[1:-1] for part in self.bound_to if part.startswith("{")]
        return tuple(dict.fromkeys(["id", *(name for name in named if name != "field")]))

    @property
    def columns(self) -> str:
        """`needs` for a query in which the table is called `held`."""
        return ", ".join(f"held.{name}" for name in self.needs)

    @property
    def texts(self) -> str:
        """The texts of the row `held`, for a FROM: `sealed (field, text)`."""
        source = (
            f"jsonb_each_text(held.{self.column})" if self.by_field else f"(VALUES ('', held.{self.column}))"
        )
        return f"LATERAL {source} AS sealed (field, text)"

    def context(self, row: Mapping[str, Any], field: str) -> tuple[str, ...]:
        """What one text of a row is bound to."""
        values = {name: str(row[name]) for name in self.needs}
        return tuple(part.format(**values, field=field) for part in self.bound_to)

    def texts_of(self, row: Mapping[str, Any]) -> dict[str, str]:
        """Field -> sealed text; the field is empty where the column is one text."""
        content = row[self.column]
        found: dict[str, str] = json.loads(content) if self.by_field else {"": content}
        return found

    def stored(self, texts: Mapping[str, str]) -> str:
        """The content of the column with these texts in it."""
        return json.dumps(texts) if self.by_field else texts[""]


_ACCOUNT = ("connected_account", "{id}", "{mode}")
_ENDPOINT = ("pending_endpoint", "{plugin}")
_FIELD = "{field}"

SEALED_PLACES = (
    Place("connected_account", "sealed_credentials", (*_ACCOUNT, _FIELD), by_field=True, at_start=True),
    Place("connected_account", "sealed_previous", (*_ACCOUNT, _FIELD), by_field=True, at_start=True),
    Place("connected_account", "sealed_webhook_token", (*_ACCOUNT, "webhook_token"), at_start=True),
    Place("pending_endpoint", "sealed_token", _ENDPOINT, at_start=True),
    Place("pending_endpoint", "sealed_credentials", (*_ENDPOINT, _FIELD), by_field=True, at_start=True),
    Place("invoice", "sealed_pay_token", ("invoice", "{id}", "{mode}", "pay_link")),
    Place("method_link", "sealed_token", ("method_link", "{id}", "{mode}", "method_link")),
    Place("mail_message", "sealed_body", ("mail", "{key}")),
    Place(
        "delivery_proof",
        "sealed_secrets",
        ("delivery_proof", "{marker}", _FIELD),
        by_field=True,
        lasting=False,
        current="held.closes_at > now() - interval '1 minute'",
    ),
)
"""A test compares it with the columns of the database whose name begins with `sealed_`."""


async def count_uses(held: Connection) -> dict[str, dict[Place, int]]:
    """Key id -> where it is needed, and for how many texts."""
    uses: dict[str, dict[Place, int]] = {}
    for place in SEALED_PLACES:
        rows = await held.fetch(
            f"""
            SELECT split_part(sealed.text, '.', 2) AS key_id, count(*) AS texts
            FROM {place.table} AS held, {place.texts}
            WHERE sealed.text <> '' AND {place.current} GROUP BY 1 ORDER BY 1
            """  # noqa: S608 - constants of this module
        )
        for row in rows:
            uses.setdefault(row["key_id"], {})[place] = row["texts"]
    return uses
