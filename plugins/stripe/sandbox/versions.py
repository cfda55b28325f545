"""API versions: which one a request speaks, and what changed between those that matter here."""

from __future__ import annotations

from plugins.stripe.sandbox.errors import ApiError, Json

CURRENT = "2026-10-28.endive"
"""Default version of the sandbox's accounts, and the newest one it knows."""

ENDIVE = "2026-09-30.endive"


def requested_version(header: str | None) -> str:
    """The version a request speaks.

    Raises:
        ApiError: the header holds no version.
    """
    if not header:
        return CURRENT
    day = header.split(".", 1)[0]
    if len(day) == len("2026-01-01") and day.replace("-", "").isdecimal():
        return header
    raise ApiError(
        400,
        f"Invalid Stripe API version: {header}. API versions must be in the format YYYY-MM-DD with an "
        "optional "
        "release name.",
    )


_SINCE_ENDIVE = {"invoice": ("status_details",)}
"""Fields that older versions do not have, by kind."""


def for_version(body: Json, version: str) -> Json:
    """An answer as this version has it: an object, or a list of them."""
    if is_endive(version):
        return body
    if body.get("object") == "list":
        return body | {"data": [for_version(row, version) for row in body["data"]]}
    newer = [name for name in _SINCE_ENDIVE.get(body.get("object", ""), ()) if name in body]
    return {k: v for k, v in body.items() if k not in newer} if newer else body


def is_endive(version: str) -> bool:
    """Whether a version has what 2026-09-30.endive changed."""
    return version[:10] >= ENDIVE[:10]
