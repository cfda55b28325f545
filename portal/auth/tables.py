"""People, their sessions, and what stands between them and a guesser."""

from __future__ import annotations

from piccolo.columns import BigInt, BigSerial, Boolean, Bytea, ForeignKey, OnDelete, Text, Timestamptz
from piccolo.table import Table


class Person(Table, tablename="person"):
    """Somebody who may sign in. `email` is kept in lower case."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    name = Text(null=False)
    email = Text(null=False)
    password_hash = Text(null=False)
    role = Text(null=False)
    """`owner`, `admin` or `viewer`."""
    disabled_at = Timestamptz(null=True, default=None)
    created_at = Timestamptz(null=False)


class PersonSession(Table, tablename="person_session"):
    """One signed-in browser. Only the hash of its token is kept."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    person = ForeignKey(Person, null=False, on_delete=OnDelete.cascade)
    token_hash = Bytea(null=False)
    kept = Boolean(null=False, default=False)
    """The person asked to stay signed in on this device: longer limits."""
    created_at = Timestamptz(null=False)
    last_seen_at = Timestamptz(null=False)
    """Coarse: written at most once a minute."""
    ended_at = Timestamptz(null=True, default=None)
    user_agent = Text(null=False, default="")
    address = Text(null=False, default="")


class LoginAttempt(Table, tablename="login_attempt"):
    """Guesses counted by account and by network, each with the time before which nothing is tried."""

    id: BigSerial
    id = BigSerial(primary_key=True)
    subject = Bytea(null=False)
    """Hash of the account or network, so that the table tells nobody who tried."""
    tries = BigInt(null=False)
    last_at = Timestamptz(null=False)
    free_at = Timestamptz(null=False)


class SetupToken(Table, tablename="setup_token"):
    """The one-time link of the first run; at most one row, gone once there is an owner."""

    id = BigInt(primary_key=True, default=1)
    token_hash = Bytea(null=False)
    created_at = Timestamptz(null=False)
    expires_at = Timestamptz(null=False)
