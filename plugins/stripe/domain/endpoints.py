"""What the portal writes on the endpoints that it makes, and what that tells later. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

INSTANCE = "portal_instance"
ACCOUNT = "portal_account"
REPLACES = "portal_replaces"
PREVIOUS_ONE = "the previous secret"
"""What the portal calls a replaced signing secret that is still accepted."""
SILENT_EVENTS = ("payout.failed",)
"""What an endpoint sends that must not send yet: Stripe wants one type, and this one is rare and unused."""


class RepairId(StrEnum):
    """What the checks offer to mend."""

    CREATE_ENDPOINT = "create_endpoint"
    FIX_ENDPOINT = "fix_endpoint"
    REMOVE_TWINS = "remove_twins"
    REMOVE_ORPHANS = "remove_orphans"
    REGISTER_DOMAIN = "register_domain"


def marks(instance: str, account_id: int | None, *, replaces: Iterable[str] = ()) -> dict[str, str]:
    """The metadata of an endpoint that this installation makes; the connection may not be saved yet."""
    found = {INSTANCE: instance, ACCOUNT: "" if account_id is None else str(account_id)}
    found[REPLACES] = ",".join(replaces)
    return {name: value for name, value in found.items() if value}


def made_here(metadata: Mapping[str, str], instance: str) -> bool:
    """Whether this installation made the endpoint."""
    return bool(instance) and metadata.get(INSTANCE) == instance


def made_for(metadata: Mapping[str, str], instance: str, account_id: int | None) -> bool:
    """Whether this installation made it for this connection, or from the form that the connection came from.

    A form that is not saved owns nothing: what it finds may be the endpoint of the connection that works.
    """
    if account_id is None or not made_here(metadata, instance):
        return False
    return metadata.get(ACCOUNT, str(account_id)) == str(account_id)


def replaces(metadata: Mapping[str, str]) -> frozenset[str]:
    """The ids of the endpoints that this one takes the place of."""
    return frozenset(metadata.get(REPLACES, "").split(",")) - {""}
