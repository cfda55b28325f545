"""Whether the database answers, told in words that never contain its password."""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import urlsplit

import asyncpg

from portal.database.engine import connection_options
from portal.errors import ConfigurationError
from portal.settings import Settings

OLDEST_MAJOR = 14
NOT_REACHED_HINT = "Check that PostgreSQL runs there, and the host and port in PORTAL_DATABASE_URL."
NOT_RUNNING_HINT = "Start everything with: portal run. Or set PORTAL_DATABASE_URL to a PostgreSQL that runs."


async def server_version(settings: Settings) -> str:
    """Connect once; the server's version, such as `18.4`.

    Raises:
        ConfigurationError: it cannot be used, with the reason.
    """
    where = described(settings)
    try:
        connection = await asyncpg.connect(**connection_options(settings, name="portal-check"))
    except (OSError, TimeoutError) as error:
        hint = NOT_REACHED_HINT if settings.database_url else NOT_RUNNING_HINT
        raise ConfigurationError(f"The database at {where} does not answer.", hint=hint) from error
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise ConfigurationError(
            f"The database at {where} refuses us: {error}.",
            hint="Check the user, password and database name in PORTAL_DATABASE_URL.",
        ) from error
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise ConfigurationError(
            f"The database at {where} cannot be used ({type(error).__name__}).",
            hint="Write PORTAL_DATABASE_URL like postgresql://user:password@host:5432/database.",
        ) from error
    try:
        version = connection.get_settings().server_version.split()[0]
    finally:
        await connection.close()
    if int(version.split(".")[0]) < OLDEST_MAJOR:
        raise ConfigurationError(
            f"The database at {where} is PostgreSQL {version}.", hint=f"Use {OLDEST_MAJOR} or newer."
        )
    return str(version)


def described(settings: Settings) -> str:
    """Host, port and database, without user and password."""
    if not settings.database_url:
        return str(settings.data_dir / "postgres")
    with suppress(ValueError):
        parts = urlsplit(settings.database_url)
        if parts.scheme in ("postgresql", "postgres"):
            return f"{parts.hostname or 'this machine'}:{parts.port or 5432}{parts.path}"
    return "PORTAL_DATABASE_URL"
