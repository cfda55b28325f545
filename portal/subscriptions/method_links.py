"""The link with which a customer changes how a subscription is paid: one for each, replaced by a new one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from portal.audit.services import Actor, record
from portal.contract.secrets import Secret
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, NotFound
from portal.invoices.links import CUSTOMER
from portal.security.sealing import open_sealed, seal
from portal.security.tokens import Purpose, hash_token, new_token
from portal.settings import current_settings
from portal.subscriptions.rules import ENDED
from portal.web.live import announce


@dataclass(frozen=True, slots=True)
class MethodAddress:
    """A link that works."""

    address: str
    expires_at: datetime
    opened_at: datetime | None


async def read_link(subscription_id: int) -> MethodAddress | None:
    """The link that works now; None: there is none, or it has expired."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            SELECT id, mode, sealed_token, expires_at, opened_at FROM method_link
            WHERE subscription = $1 AND expires_at > now()
            """,
            subscription_id,
        )
    if row is None:
        return None
    token = open_sealed(row["sealed_token"], context=_place(row["id"], row["mode"]))
    return MethodAddress(_address(token), row["expires_at"], row["opened_at"])


async def renew_link(subscription_id: int, *, actor: Actor) -> str:
    """Make a link for as many days as pay links work; an older one opens nothing from now on.

    Raises:
        Conflict: the subscription has ended.
        NotFound: there is none.
    """
    async with transaction() as tx:
        mode = await lock_running(tx.connection, subscription_id)
        token = Secret(new_token())
        known = await tx.connection.fetchval(
            "SELECT id FROM method_link WHERE subscription = $1", subscription_id
        )
        await _store(tx.connection, subscription_id, mode, token=token)
        words = "New link to update the payment method made."
        if known is not None:
            words += " The old one does not work any more."
        await _note(tx.connection, subscription_id, mode, actor=actor, what=("link_renewed", words))
    return _address(token)


async def usable_link(subscription_id: int, *, actor: Actor) -> str:
    """The address of the link that works, else of a new one.

    Raises:
        Conflict: the subscription has ended.
        NotFound: there is none.
    """
    known = await read_link(subscription_id)
    return known.address if known else await renew_link(subscription_id, actor=actor)


async def make_link(held: Connection, subscription_id: int, mode: str) -> bool:
    """Make a link in the caller's transaction unless there is one; whether there was none."""
    if await held.fetchval("SELECT id FROM method_link WHERE subscription = $1", subscription_id):
        return False
    await _store(held, subscription_id, mode, token=Secret(new_token()))
    return True


async def note_opened(subscription_id: int) -> None:
    """The first time that a link is opened stands in the log."""
    async with transaction() as tx:
        mode = await tx.connection.fetchval(
            """
            UPDATE method_link SET opened_at = now()
            WHERE subscription = $1 AND opened_at IS NULL RETURNING mode
            """,
            subscription_id,
        )
        if mode is not None:
            what = ("link_opened", "The link to update the payment method was opened for the first time.")
            await _note(tx.connection, subscription_id, mode, actor=CUSTOMER, what=what)


async def lock_running(held: Connection, subscription_id: int) -> str:
    """Lock the subscription in the caller's transaction; returns its mode.

    Raises:
        Conflict: it has ended.
        NotFound: there is none.
    """
    row = await held.fetchrow(
        "SELECT mode, status FROM subscription WHERE id = $1 FOR UPDATE", subscription_id
    )
    if row is None:
        raise NotFound("There is no such subscription.")
    if row["status"] in ENDED:
        raise Conflict("This subscription has ended.", hint="Nothing is charged for it any more.")
    return str(row["mode"])


async def _store(held: Connection, subscription_id: int, mode: str, *, token: Secret) -> None:
    link_id: int = await held.fetchval(
        """
        INSERT INTO method_link (mode, subscription, token_hash, sealed_token, expires_at, created_at)
        SELECT $1, $2, $3, '', now() + make_interval(days => pay_link_days::int), now() FROM organisation
        ON CONFLICT ON CONSTRAINT method_link_once DO UPDATE
        SET token_hash = excluded.token_hash, expires_at = excluded.expires_at, opened_at = NULL,
            created_at = excluded.created_at
        RETURNING id
        """,
        mode,
        subscription_id,
        hash_token(token.reveal(), Purpose.METHOD_LINK),
    )
    await held.execute(
        "UPDATE method_link SET sealed_token = $2 WHERE id = $1",
        link_id,
        seal(token, context=_place(link_id, mode)),
    )


async def _note(
    held: Connection, subscription_id: int, mode: str, *, actor: Actor, what: tuple[str, str]
) -> None:
    action, words = what
    await record(
        held,
        actor=actor,
        action=f"subscription.{action}",
        words=words,
        subject=("subscription", subscription_id),
        mode=mode,
    )
    await announce(held, f"subscription:{subscription_id}")


def _address(token: Secret) -> str:
    return f"{current_settings().base_url}/method/{token.reveal()}"


def _place(link_id: int, mode: str) -> tuple[str, ...]:
    return ("method_link", str(link_id), mode, "method_link")
