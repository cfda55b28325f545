"""People: the first owner, signing in and out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from asyncpg import UniqueViolationError

from portal.audit.services import SYSTEM, Actor, record
from portal.auth import limits
from portal.auth.sessions import Browser, end_session, start_session
from portal.database.engine import close_pool, current_engine, open_pool
from portal.database.transaction import Connection, connection, transaction
from portal.errors import Conflict, InvalidInput, NotFound, PortalError
from portal.finance.services import found_organisation, time_zones
from portal.money import is_currency
from portal.security.passwords import hash_password, needs_rehash, password_problem, verify_password
from portal.security.tokens import Purpose, hash_token, new_token
from portal.settings import current_settings
from portal.web.forms import Problems, email_problem
from portal.web.request import Role, SignedIn

SETUP_LIFE = timedelta(hours=1)
SETUP_LOCK = 0x7365747570  # "setup"


class NotThatPassword(PortalError):
    """One sentence for every reason, so that nobody learns which emails exist."""

    code = "SIGN_IN_REFUSED"
    status_code = 422

    def __init__(self) -> None:
        super().__init__("That email and password do not match.")


class SetupLinkUnusable(PortalError):
    """The set-up link is wrong, used or too old."""

    code = "SETUP_LINK_UNUSABLE"
    status_code = 403

    def __init__(self) -> None:
        super().__init__(
            "This set-up link does not work any more.",
            hint="Start the portal again: it prints a new link that works for one hour.",
        )


@dataclass(frozen=True, slots=True, repr=False)
class SetupForm:
    """What the first run asks for. It has no repr: it holds a password."""

    organisation: str
    currency: str
    time_zone: str
    name: str
    email: str
    password: str


async def setup_link() -> str | None:
    """A new one-time set-up link, ending the one before; None once there is somebody who can sign in."""
    token, now = new_token(), datetime.now(UTC)
    async with _pool(), transaction() as tx:
        if await _anybody(tx.connection):
            return None
        await tx.connection.execute(
            "INSERT INTO setup_token (id, token_hash, created_at, expires_at) VALUES (1, $1, $2, $3) "
            "ON CONFLICT (id) DO UPDATE SET token_hash = $1, created_at = $2, expires_at = $3",
            hash_token(token, Purpose.SETUP),
            now,
            now + SETUP_LIFE,
        )
    return f"{current_settings().base_url}/setup?token={token}"


async def check_setup_link(token: str) -> None:
    """Whether set-up may go on with this link.

    Raises:
        NotFound: the portal is set up; there is no set-up any more.
        SetupLinkUnusable: it is not the current link.
    """
    async with connection() as held:
        await _check_setup(held, token)


async def complete_setup(token: str, form: SetupForm, *, browser: Browser) -> str:
    """Create the organisation and its owner, and sign the owner in. Of several at once, one succeeds.

    Returns:
        The session's token.

    Raises:
        NotFound, SetupLinkUnusable: as `check_setup_link`.
        InvalidInput: fields to correct.
    """
    await check_setup_link(token)
    _check_form(form)
    password_hash = await hash_password(form.password)
    async with transaction() as tx:
        held = tx.connection
        await held.execute("SELECT pg_advisory_xact_lock($1)", SETUP_LOCK)
        await _check_setup(held, token)
        await found_organisation(
            held,
            name=form.organisation,
            contact_email=form.email.lower(),
            currency=form.currency,
            time_zone=form.time_zone,
        )
        person_id = await _add_person(held, form.name, form.email, password_hash)
        await held.execute("DELETE FROM setup_token")
        session = await start_session(held, person_id, kept=False, browser=browser)
        await record(
            held,
            actor=Actor("person", str(person_id), form.name, browser.address),
            action="portal.set_up",
            words=f"Set up the portal for {form.organisation}",
            subject=("person", person_id),
        )
    return session


async def create_owner(*, name: str, email: str, password: str) -> None:
    """Add an owner from the command line, with an organisation to rename if there is none yet.

    Raises:
        InvalidInput: the email or the password will not do; the message says why.
        Conflict: somebody has that email.
    """
    problem = email_problem(email) or password_problem(password, about=(name, email))
    if problem:
        raise InvalidInput({}, problem)
    password_hash = await hash_password(password)
    async with _pool(), transaction() as tx:
        held = tx.connection
        await held.execute("SELECT pg_advisory_xact_lock($1)", SETUP_LOCK)
        if not await held.fetchval("SELECT EXISTS (SELECT 1 FROM organisation)"):
            await found_organisation(
                held, name="My organisation", contact_email=email.lower(), currency="usd", time_zone="UTC"
            )
        person_id = await _add_person(held, name, email, password_hash)
        await held.execute("DELETE FROM setup_token")
        await record(
            held,
            actor=SYSTEM,
            action="person.created",
            words=f"Created the owner {name} from the command line",
            subject=("person", person_id),
        )


async def sign_in(
    email: str, password: str, *, keep: bool, browser: Browser, old_token: str | None = None
) -> str:
    """Check the password and start a new session; the one the browser had before is ended.

    Returns:
        The new session's token.

    Raises:
        NotThatPassword: for whatever reason, after the same work.
        TooManyAttempts: the account or the network has to wait.
        TooBusyToHash: no turn in time.
    """
    wanted = email.strip().lower()
    await limits.admit("sign-in", account=wanted, address=browser.address)
    async with connection() as held:
        row = await held.fetchrow(
            "SELECT id, name, password_hash FROM person WHERE email = $1 AND disabled_at IS NULL", wanted
        )
    if not await verify_password(row["password_hash"] if row else None, password) or row is None:
        raise NotThatPassword
    await limits.forgive("sign-in", account=wanted, address=browser.address)
    fresh = await hash_password(password) if needs_rehash(row["password_hash"]) else None
    async with transaction() as tx:
        if fresh:
            await tx.connection.execute(
                "UPDATE person SET password_hash = $2 WHERE id = $1", row["id"], fresh
            )
        if old_token:
            await end_session(tx.connection, old_token)
        token = await start_session(tx.connection, row["id"], kept=keep, browser=browser)
        await record(
            tx.connection,
            actor=Actor("person", str(row["id"]), row["name"], browser.address),
            action="person.signed_in",
            words="Signed in",
            subject=("person", row["id"]),
        )
    return token


async def sign_out(person: SignedIn, token: str, *, address: str) -> None:
    """End the session in hand."""
    async with transaction() as tx:
        await end_session(tx.connection, token)
        await record(
            tx.connection,
            actor=Actor("person", str(person.person_id), person.name, address),
            action="person.signed_out",
            words="Signed out",
            subject=("person", person.person_id),
        )


async def is_set_up() -> bool:
    """Whether somebody can sign in."""
    async with connection() as held:
        return await _anybody(held)


async def _check_setup(held: Connection, token: str) -> None:
    if await _anybody(held):
        raise NotFound("The portal is set up already.", hint="Sign in instead.")
    fits = await held.fetchval(
        "SELECT EXISTS (SELECT 1 FROM setup_token WHERE token_hash = $1 AND expires_at > now())",
        hash_token(token, Purpose.SETUP),
    )
    if not fits:
        raise SetupLinkUnusable


def _check_form(form: SetupForm) -> None:
    problems = Problems()
    problems.add("organisation", None if form.organisation else "Enter the name of your organisation.")
    problems.add("currency", None if is_currency(form.currency) else "Choose a currency from the list.")
    problems.add("time_zone", None if form.time_zone in time_zones() else "Choose a time zone from the list.")
    problems.add("name", None if form.name else "Enter your name.")
    problems.add("email", email_problem(form.email))
    problems.add(
        "password", password_problem(form.password, about=(form.name, form.email, form.organisation))
    )
    for name in ("organisation", "name"):
        problems.add(name, "Use at most 200 characters." if len(getattr(form, name)) > 200 else None)
    problems.raise_if_any()


async def _anybody(held: Connection) -> bool:
    found: bool = await held.fetchval("SELECT EXISTS (SELECT 1 FROM person)")
    return found


async def _add_person(held: Connection, name: str, email: str, password_hash: str) -> int:
    try:
        person_id: int = await held.fetchval(
            "INSERT INTO person (name, email, password_hash, role, created_at) "
            "VALUES ($1, $2, $3, $4, $5) RETURNING id",
            name,
            email.lower(),
            password_hash,
            Role.OWNER.value,
            datetime.now(UTC),
        )
    except UniqueViolationError:
        raise Conflict("Somebody has that email address already.") from None
    return person_id


@asynccontextmanager
async def _pool() -> AsyncIterator[None]:
    """The process's pool, or one for this call alone: commands have none."""
    if current_engine().pool is not None:
        yield
        return
    await open_pool(name="portal-command", max_size=2)
    try:
        yield
    finally:
        await close_pool()
