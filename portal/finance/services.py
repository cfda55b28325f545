"""The organisation: who sends the invoices, in which currency and time zone, and the next invoice number."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from zoneinfo import available_timezones

from asyncpg import Record

from portal.audit.services import Actor, record
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.finance.rules import OrganisationForm, changed_fields
from portal.security.keyrings import current_keyring

SELECT = (
    "SELECT instance_id, name, contact_email, address, default_currency, time_zone, invoice_prefix, "
    "next_invoice_number, terms_days, version FROM organisation"
)


@dataclass(frozen=True, slots=True)
class Organisation:
    """The one row of `organisation`."""

    instance_id: uuid.UUID
    name: str
    contact_email: str
    address: str
    default_currency: str
    time_zone: str
    invoice_prefix: str
    next_invoice_number: int
    terms_days: int
    version: int


class NotSetUp(NotFound):
    """There is no organisation yet: somebody has to open the set-up link first."""

    code = "NOT_SET_UP"


async def organisation() -> Organisation:
    """The organisation.

    Raises:
        NotSetUp: the portal was not set up.
    """
    async with connection() as held:
        return _to_organisation(await held.fetchrow(SELECT))


async def found_organisation(
    held: Connection, *, name: str, contact_email: str, currency: str, time_zone: str
) -> None:
    """Write the row at set-up; a second one is refused by the table."""
    await held.execute(
        "INSERT INTO organisation (id, instance_id, name, contact_email, default_currency, time_zone, "
        "created_at) VALUES (1, $1, $2, $3, $4, $5, $6)",
        uuid.UUID(current_keyring().instance),
        name,
        contact_email,
        currency,
        time_zone,
        datetime.now(UTC),
    )


async def take_invoice_number(held: Connection) -> str:
    """The next invoice number, in the caller's transaction: given back when that rolls back, never twice.

    Callers wait for each other from here until they commit, so take it late.

    Raises:
        NotSetUp: the portal was not set up.
    """
    row = await held.fetchrow(
        "UPDATE organisation SET next_invoice_number = next_invoice_number + 1 "
        "RETURNING invoice_prefix, next_invoice_number - 1 AS taken"
    )
    if row is None:
        raise NotSetUp("The portal is not set up yet.", hint="Open the set-up link first.")
    return f"{row['invoice_prefix']}{row['taken']:04d}"


async def change_organisation(form: OrganisationForm, *, version: int, actor: Actor) -> None:
    """Save the settings, if nobody else did since the form was shown. New invoices alone are affected.

    Raises:
        Conflict: somebody did.
    """
    async with transaction() as tx:
        current = _to_organisation(await tx.connection.fetchrow(f"{SELECT} FOR UPDATE"))
        if current.version != version:
            raise Conflict(
                "Somebody else changed these settings in the meantime.",
                hint="Load the page again to see what is saved now.",
            )
        changes = changed_fields(current, form)
        if not changes:
            return
        await _write(tx.connection, form)
        await record(
            tx.connection,
            actor=actor,
            action="organisation.changed",
            words=f"Changed {', '.join(name.replace('_', ' ') for name in changes)}",
            subject=("organisation", 1),
            details=changes,
        )


@cache
def time_zones() -> tuple[str, ...]:
    """The zones to choose from: places, and UTC."""
    places = {
        z
        for z in available_timezones()
        if "/" in z and not z.startswith(("Etc/", "SystemV/", "posix/", "right/"))
    }
    return ("UTC", *sorted(places))


async def _write(held: Connection, form: OrganisationForm) -> None:
    await held.execute(
        "UPDATE organisation SET name = $1, contact_email = $2, address = $3, default_currency = $4, "
        "time_zone = $5, invoice_prefix = $6, terms_days = $7, version = version + 1",
        form.name,
        form.contact_email,
        form.address,
        form.default_currency,
        form.time_zone,
        form.invoice_prefix,
        form.terms_days,
    )


def _to_organisation(row: Record | None) -> Organisation:
    if row is None:
        raise NotSetUp("The portal is not set up yet.", hint="Open the set-up link first.")
    return Organisation(**dict(row))
