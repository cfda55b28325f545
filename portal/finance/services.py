"""The organisation: who sends the invoices, in which currency and time zone, and the next invoice number."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from asyncpg import Record

from portal.audit.services import Actor, record
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.finance.rules import OrganisationForm, ReminderForm, changed_fields
from portal.security.keyrings import current_keyring

SELECT = (
    "SELECT instance_id, name, contact_email, address, tax_id, bank_details, footer, logo_digest, "
    "default_currency, time_zone, invoice_prefix, next_invoice_number, terms_days, pay_link_days, "
    "reminders_on, reminder_days, reminder_note, version FROM organisation"
)


@dataclass(frozen=True, slots=True)
class Organisation:
    """The one row of `organisation`."""

    instance_id: uuid.UUID
    name: str
    contact_email: str
    address: str
    tax_id: str
    bank_details: str
    footer: str
    """What new invoices say at the foot."""
    logo_digest: str
    """Names the logo in its public address; empty: there is none."""
    default_currency: str
    time_zone: str
    invoice_prefix: str
    next_invoice_number: int
    terms_days: int
    pay_link_days: int
    reminders_on: bool
    reminder_days: tuple[int, ...]
    """Days after the due date; below zero: before it."""
    reminder_note: str
    version: int

    @property
    def today(self) -> date:
        """The date where the organisation is."""
        return datetime.now(UTC).astimezone(ZoneInfo(self.time_zone)).date()


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


async def zone_of_days(held: Connection) -> ZoneInfo:
    """Where the organisation is: its days are those that sentences name."""
    return ZoneInfo(await held.fetchval("SELECT time_zone FROM organisation LIMIT 1") or "UTC")


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

    What an earlier prefix made is passed over: `INV-1` and 1 read as `INV-` and 10001 do. Callers wait for
    each other from here until they commit, so take it late.

    Raises:
        NotSetUp: the portal was not set up.
    """
    # Locked by itself: what follows has to see the numbers of those who held the lock before.
    row = await held.fetchrow("SELECT invoice_prefix, next_invoice_number FROM organisation FOR UPDATE")
    if row is None:
        raise NotSetUp("The portal is not set up yet.", hint="Open the set-up link first.")
    number: int = await held.fetchval(_FREE_NUMBER, row["next_invoice_number"], row["invoice_prefix"])
    await held.execute("UPDATE organisation SET next_invoice_number = $1::bigint + 1", number)
    return f"{row['invoice_prefix']}{number:04d}"


async def change_organisation(form: OrganisationForm | ReminderForm, *, version: int, actor: Actor) -> None:
    """Save a form of the settings, if nobody else did since it was shown. New invoices alone are affected.

    Raises:
        Conflict: somebody did, or the next number was taken meanwhile.
    """
    async with transaction() as tx:
        current = _to_organisation(await tx.connection.fetchrow(f"{SELECT} FOR UPDATE"))
        if current.version != version:
            raise Conflict(
                "Somebody else changed these settings in the meantime.",
                hint="Load the page again to see what is saved now.",
            )
        _must_go_up(form, current.next_invoice_number)
        changes = changed_fields(current, form)
        if not changes:
            return
        await write_settings(
            tx.connection, {name: value for name, value in asdict(form).items() if value is not None}
        )
        await record(
            tx.connection,
            actor=actor,
            action="organisation.changed",
            words=f"Changed {', '.join(name.replace('_', ' ') for name in changes)}",
            subject=("organisation", 1),
            details=changes,
        )


def _must_go_up(form: OrganisationForm | ReminderForm, number: int) -> None:
    wanted = form.next_invoice_number if isinstance(form, OrganisationForm) else None
    if wanted is not None and wanted < number:
        raise Conflict(
            f"Meanwhile the next invoice has the number {number}.",
            hint="Numbers only go up: enter that one or a higher one.",
        )


async def write_settings(held: Connection, values: Mapping[str, object]) -> None:
    """Write columns of the organisation, whose names are fields of our own forms."""
    columns = ", ".join(f"{name} = ${position}" for position, name in enumerate(values, start=1))
    await held.execute(
        f"UPDATE organisation SET {columns}, version = version + 1",  # noqa: S608 - names of our own fields
        *values.values(),
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


def _to_organisation(row: Record | None) -> Organisation:
    if row is None:
        raise NotSetUp("The portal is not set up yet.", hint="Open the set-up link first.")
    return Organisation(**{**dict(row), "reminder_days": tuple(row["reminder_days"])})


_FREE_NUMBER = """
WITH RECURSIVE looked_at (number) AS (
    SELECT $1::bigint
    UNION ALL
    SELECT number + 1 FROM looked_at
    WHERE EXISTS (
        SELECT FROM invoice i
        WHERE i.origin = 'portal' AND i.number = $2::text || lpad(
            looked_at.number::text, greatest(length(looked_at.number::text), 4), '0')
    )
)
SELECT max(number) FROM looked_at
"""
"""From key to key, up to the first that no invoice of ours has."""
