"""The mail outbox: one row a message, claimed, handed over, and told of in a timeline."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from portal.contract.secrets import Secret
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, PortalError
from portal.failpoints import Failpoint, reach
from portal.mail.claims import ClaimedMail, place_of, story_of, tell
from portal.mail.letters import Envelope, Letter, build_message
from portal.mail.rules import MAX_ATTEMPTS, masked, retry_delay
from portal.mail.servers import Handed, hand_over
from portal.queue.rings import ring
from portal.security.sealing import seal
from portal.settings import current_settings
from portal.web.live import announce

ACTOR = "portal.send_mail"
PASSING = 503
"""The status of errors that say: not now. The mail server, the database or what makes documents is busy."""
LEASE_SECONDS = 150
"""Longer than a job may run; a killed worker's message is free again after it."""


class NoLongerTrue(PortalError):
    """What the message was to say does not hold any more: it is dropped."""

    code = "NO_LONGER_TRUE"


@dataclass(frozen=True, slots=True)
class Mail:
    """A message to be written when its turn comes. `words`: what a person added; `due_at` None: now."""

    key: str
    kind: str
    subject: tuple[str, int]
    mode: str
    to_address: str
    words: str = ""
    due_at: datetime | None = None


Compose = Callable[[ClaimedMail], Awaitable[Letter]]
"""Writes the letter from what is true now, or raises `NoLongerTrue`."""


async def queue_mail(held: Connection, mail: Mail) -> int | None:
    """Store a message in the caller's transaction; None when this occasion has one already."""
    mail_id: int | None = await held.fetchval(
        """
        INSERT INTO mail_message (key, kind, subject_kind, subject_id, mode, to_address, sealed_body,
                                  message_id, due_at, created_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9, now()), now())
        ON CONFLICT (key) DO NOTHING RETURNING id
        """,
        mail.key,
        mail.kind,
        *mail.subject,
        mail.mode,
        mail.to_address,
        seal(Secret(mail.words), context=place_of(mail.key)) if mail.words else "",
        f"<{datetime.now(UTC):%Y%m%d}.{secrets.token_hex(12)}@{current_settings().public_host}>",
        mail.due_at,
    )
    if mail_id is not None and mail.due_at is None:
        await ring(held, ACTOR, mail_id)
    return mail_id


async def send_mail(mail_id: int, compose: Compose) -> None:
    """Send one message if it is due and nobody else does, and write down what became of it.

    A process that dies between the server's answer and the commit leaves the message to be sent again, with
    the same Message-ID: at least once, and receivers can tell.
    """
    mail = await claim_mail(mail_id)
    if mail is None:
        return
    if mail.attempts > MAX_ATTEMPTS:  # whatever happens to those who send it, they did not live to tell
        await _finish(mail, "failed", error="Sending it went wrong again and again.")
        return
    try:
        letter = await compose(mail)
        handed = await hand_over(build_message(letter, _envelope(mail)), current_settings())
    except NoLongerTrue as reason:
        await _finish(mail, "dropped", error=reason.message)
    except PortalError as error:
        if error.status_code == PASSING:
            await _postpone(mail, error)
        else:
            await _finish(mail, "failed", error=f"{error.message} {error.hint}".strip())
    else:
        reach(Failpoint.MAIL_HANDED_OVER)
        await _finish(mail, "sent", title=letter.title, handed=handed)


async def claim_mail(mail_id: int) -> ClaimedMail | None:
    """Take the message for `LEASE_SECONDS`; None when it is over, not due, or somebody else has it."""
    async with connection() as held:
        row = await held.fetchrow(
            """
            UPDATE mail_message SET state = 'sending', attempts = attempts + 1,
                   lease_until = now() + make_interval(secs => $2)
            WHERE id = $1 AND due_at <= now()
              AND (state = 'waiting' OR (state = 'sending' AND lease_until < now()))
            RETURNING id, key, kind, subject_kind, subject_id, coalesce(mode, '') AS mode, to_address,
                      sealed_body, attempts, message_id
            """,
            mail_id,
            LEASE_SECONDS,
        )
    return ClaimedMail(**dict(row)) if row else None


async def retry_mail(held: Connection, mail_id: int, subject: tuple[str, int]) -> str:
    """Send what failed once more, in the caller's transaction; returns the masked address.

    Raises:
        Conflict: there is no such message about this, or it did not fail.
    """
    address: str | None = await held.fetchval(
        """
        UPDATE mail_message SET state = 'waiting', attempts = 0, due_at = now(), error = ''
        WHERE id = $1 AND subject_kind = $2 AND subject_id = $3 AND state = 'failed' AND to_address <> ''
        RETURNING to_address
        """,
        mail_id,
        *subject,
    )
    if address is None:
        raise Conflict("This email did not fail, or is on its way again.")
    await ring(held, ACTOR, mail_id)
    return masked(address)


async def release_due(held: Connection, limit: int = 500) -> int:
    """Ring again for messages that nobody holds: due now, or held by a worker that died. Returns how many."""
    rows = await held.fetch(
        """
        SELECT id FROM mail_message
        WHERE state IN ('waiting', 'sending') AND due_at < now() - interval '5 seconds'
          AND (lease_until IS NULL OR lease_until < now())
        ORDER BY due_at, id LIMIT $1
        """,
        limit,
    )
    for row in rows:
        await ring(held, ACTOR, row["id"])
    return len(rows)


async def forget_addresses(held: Connection, subject_kind: str, subject_ids: Collection[int]) -> None:
    """Erase who was written to about these; what still waits is not sent."""
    await held.execute(
        """
        UPDATE mail_message SET to_address = '', sealed_body = '', title = '', error = '',
               state = CASE WHEN state IN ('waiting', 'sending') THEN 'dropped' ELSE state END
        WHERE subject_kind = $1 AND subject_id = ANY ($2::bigint[])
        """,
        subject_kind,
        list(subject_ids),
    )


async def _postpone(mail: ClaimedMail, error: PortalError) -> None:
    words = f"{error.message} {error.hint}".strip()
    if mail.attempts >= MAX_ATTEMPTS:
        await _finish(mail, "failed", error=f"{error.message} It was tried {mail.attempts} times.")
        return
    delay = retry_delay(mail.attempts)
    async with transaction() as tx:
        ours = await tx.connection.fetchval(
            """
            UPDATE mail_message SET state = 'waiting', error = $3, lease_until = NULL,
                   due_at = now() + make_interval(secs => $4)
            WHERE id = $1 AND state = 'sending' AND attempts = $2 RETURNING id
            """,
            mail.id,
            mail.attempts,
            words,
            delay,
        )
        if ours is not None:
            await announce(tx.connection, f"{mail.subject_kind}:{mail.subject_id}")
            await ring(tx.connection, ACTOR, mail.id, delay_ms=round(delay * 1000))


async def _finish(
    mail: ClaimedMail, state: str, *, title: str = "", error: str = "", handed: Handed | None = None
) -> None:
    """Write down how it ended, unless somebody else took the message when its lease had ended."""
    async with transaction() as tx:
        ours = await tx.connection.fetchval(
            """
            UPDATE mail_message SET state = $3, title = $4, error = $5, lease_until = NULL,
                   sent_at = CASE WHEN $3 = 'sent' THEN now() END,
                   sealed_body = CASE WHEN $3 = 'failed' THEN sealed_body ELSE '' END
            WHERE id = $1 AND state = 'sending' AND attempts = $2 RETURNING id
            """,
            mail.id,
            mail.attempts,
            state,
            title,
            error,
        )
        if ours is not None:
            await announce(tx.connection, f"{mail.subject_kind}:{mail.subject_id}")
            await tell(tx.connection, mail, story_of(mail, state, error, handed))


def _envelope(mail: ClaimedMail) -> Envelope:
    return Envelope(mail.to_address, current_settings().mail_from, mail.message_id)
