"""What differs between the portal and what was read: found by applying it in a transaction that is undone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from portal.contract.accounts import Account
from portal.contract.errors import EventQuarantined
from portal.contract.work import Reading, ReadingPage, Subject
from portal.database.transaction import Connection, transaction
from portal.exchange import applying
from portal.exchange.changes import changes_between
from portal.exchange.failures import in_words, is_of_the_object
from portal.exchange.snapshots import Concerned, Snapshot, concerned, take

Apply = Callable[[Connection], Awaitable[object]]
NOTES = "sync_difference"
RECORD = "record"
"""The field of a difference that is about the object as a whole."""
UNSEEN = frozenset({"sync_task", NOTES})
"""Tables that follow from the others."""
UNSEEN_FIELDS = frozenset({"sync", "at"})
"""The first follows from the others; the second says when, of what is named beside it."""
TABLE_OF = {
    "invoice": "invoice",
    "subscription": "subscription",
    "customer": "customer_link",
    "product": "product",
    "price": "plan",
    "plan": "plan",
}
"""Kind of a key -> the table that its object is in here."""


@dataclass(frozen=True, slots=True)
class DriftValue:
    """One value that applying the reading would change."""

    table: str
    field: str
    ours: str
    theirs: str


@dataclass(frozen=True, slots=True)
class Drift:
    """An object that is not the same on both sides."""

    key: str
    """`invoice:in_1`."""
    subject_id: int | None
    """Ours; None: the portal has no row for it."""
    values: tuple[DriftValue, ...]
    noted: bool = False
    """Applying it would change no value, but note that both sides changed one."""
    trouble: str = ""
    """Why it can be neither applied nor compared."""

    @property
    def kind(self) -> str:
        """`invoice`."""
        return self.key.partition(":")[0]

    @property
    def external_id(self) -> str:
        """`in_1`."""
        return self.key.partition(":")[2]


@dataclass(frozen=True, slots=True)
class Read:
    """A page that was read: since when it is true, and what differs from it where that was asked."""

    page: ReadingPage
    began: datetime
    drifts: Sequence[Drift] = ()


async def drifts_of_page(account: Account, page: ReadingPage, *, began: datetime) -> list[Drift]:
    """The objects of a page that differ. Where the whole page changes nothing, none is looked at alone."""

    async def apply_all(held: Connection) -> None:
        await _apply(held, account, page, began)

    if not page.readings or not await _may_change(_all_concerned(account, page.readings), apply_all):
        return []
    found = [await _drift_of_one(account, page, reading, began) for reading in page.readings]
    return [drift for drift in found if drift is not None]


def broken(key: str, error: Exception) -> Drift:
    """An object that cannot be taken over as the provider has it."""
    known = in_words(error, key)
    return left_out(key, f"{known.message} {known.hint}".strip())


def left_out(key: str, why: str) -> Drift:
    """The same with the reason in words."""
    return Drift(key, None, (DriftValue(RECORD, RECORD, "", "could not be taken over"),), trouble=why)


def one_of(page: ReadingPage, reading: Reading) -> ReadingPage:
    """A page with this reading alone."""
    return ReadingPage((reading,), None, page.oldest, page.save)


async def drift_of_reading(account: Account, key: str, reading: Reading) -> Drift | None:
    """The same for an object that was read alone."""

    async def apply(held: Connection) -> object:
        return await applying.apply_reading(held, account, reading)

    return await _drift(key, concerned(account.id, Subject(key, ()), reading), apply)


async def _drift_of_one(
    account: Account, page: ReadingPage, reading: Reading, began: datetime
) -> Drift | None:
    alone = one_of(page, reading)

    async def apply(held: Connection) -> None:
        await _apply(held, account, alone, began)

    return await _drift(reading.key, concerned(account.id, Subject(reading.key, ()), reading), apply)


async def _apply(held: Connection, account: Account, page: ReadingPage, began: datetime) -> None:
    done = await applying.apply_page(held, account, page, read_at=began)
    for words in done.refused.values():
        raise EventQuarantined(words)


async def _drift(key: str, whose: Concerned, apply: Apply) -> Drift | None:
    try:
        before, after = await _before_and_after(whose, apply)
    except Exception as error:
        if not is_of_the_object(error):
            raise
        return broken(key, error)
    kind, _, external_id = key.partition(":")
    values = tuple(_values(before, after, own=TABLE_OF.get(kind, "")))
    noted = not values and _notes(before, after)
    if not values and not noted:
        return None
    return Drift(key, _own_id(before, kind, external_id), values, noted)


def _own_id(before: Snapshot, kind: str, external_id: str) -> int | None:
    table = TABLE_OF.get(kind)
    for (name, row_id), seen in before.items():
        if name == table and (table == "invoice" or seen.title.endswith(external_id)):
            return row_id
    return None


async def _may_change(whose: Concerned, apply: Apply) -> bool:
    try:
        before, after = await _before_and_after(whose, apply)
    except Exception as error:
        if not is_of_the_object(error):
            raise
        return True  # whichever it is, each is looked at alone
    return _notes(before, after) or any(True for _ in _values(before, after))


async def _before_and_after(whose: Concerned, apply: Apply) -> tuple[Snapshot, Snapshot]:
    async with transaction() as tx:
        try:
            before = await take(tx.connection, whose)
            await apply(tx.connection)
            return before, await take(tx.connection, whose)
        finally:
            await tx.rollback()


def _notes(before: Snapshot, after: Snapshot) -> bool:
    return any(place[0] == NOTES and before.get(place) != seen for place, seen in after.items())


def _values(before: Snapshot, after: Snapshot, *, own: str = "") -> Iterable[DriftValue]:
    """Value by value. Those of the object's own row go by their names alone."""
    for place in (*after, *(place for place in before if place not in after)):
        table = place[0]
        if table in UNSEEN:
            continue
        one = {place: before[place]} if place in before else {}
        other = {place: after[place]} if place in after else {}
        for change in changes_between(one, other):
            if change.field not in UNSEEN_FIELDS:
                field = change.field if table == own else f"{change.what}: {change.field}"
                yield DriftValue(table, field, change.before, change.after)


def _all_concerned(account: Account, readings: Sequence[Reading]) -> Concerned:
    each = [concerned(account.id, Subject(reading.key, ()), reading) for reading in readings]
    return Concerned(
        account.id,
        tuple(sorted({name for one in each for name in one.external_ids})),
        tuple(sorted({number for one in each for number in one.invoice_ids})),
    )
