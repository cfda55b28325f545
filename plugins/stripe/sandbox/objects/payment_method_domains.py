"""Domains registered for wallets, and the configuration of methods."""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass

from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.listing import listed, page
from plugins.stripe.sandbox.objects.intents import CONFIGURATION
from plugins.stripe.sandbox.spec.shapes import object_classes

_WALLETS = ("amazon_pay", "apple_pay", "google_pay", "klarna", "link", "paypal")
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})+")
_ON = frozenset({"apple_pay", "card", "google_pay", "link", "us_bank_account"})


@handles("POST /v1/payment_method_domains")
def create(call: Call) -> Json:
    """Register a domain; one that is registered is given back."""
    name = call.params["domain_name"].lower()
    _check_name(name)
    for row in call.world.table("payment_method_domain").rows.values():
        if row["domain_name"] == name:
            return row
    return call.world.add(
        "payment_method_domain",
        {"domain_name": name, "enabled": call.params.get("enabled", True)} | _statuses(call, name),
    )


def _check_name(name: str) -> None:
    if _HOST.fullmatch(name) is None and name != "localhost":
        raise ApiError(
            400,
            f"Invalid domain name: {name}. Give the host name only, without a scheme or a path.",
            param="domain_name",
        )


def _statuses(call: Call, name: str) -> Json:
    """Wallets work on public names only, unless a control call ruled otherwise."""
    rulings = _rulings(call, name)
    usual = None if _is_public(name) else "The domain is not reachable from the internet."
    return {wallet: _status(rulings.get(wallet, {"error_message": usual})) for wallet in _WALLETS}


def _status(ruling: Json) -> Json:
    if ruling["error_message"] is None:
        return {"status": "active"}
    return {"status": "inactive", "status_details": {"error_message": ruling["error_message"]}}


def _is_public(name: str) -> bool:
    return not (name == "localhost" or name.endswith(".localhost") or _is_address(name))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a control call says about a domain."""

    error_message: str | None
    """Why it does not work; None: it works."""
    method: str | None = None
    """The one wallet that is meant; None: all."""
    until_validated: bool = False
    """Whether the next validation ends it."""


def rule(call: Call, name: str, ruling: Ruling) -> list[Json]:
    """Hold a domain to a ruling, also when it is registered later. What it is now, if it is registered.

    Raises:
        ValueError: there is no such wallet.
    """
    if ruling.method is not None and ruling.method not in _WALLETS:
        raise ValueError(f"method is one of {', '.join(_WALLETS)}")
    entry = {"error_message": ruling.error_message, "until_validated": ruling.until_validated}
    for wallet in (ruling.method,) if ruling.method else _WALLETS:
        _rulings(call, name)[wallet] = entry
    rows = [r for r in call.world.table("payment_method_domain").rows.values() if r["domain_name"] == name]
    for row in rows:
        with call.changing(row):
            row.update(_statuses(call, name))
    return rows


def _rulings(call: Call, name: str) -> Json:
    """By wallet. Kept by name, because a domain can be judged before it is registered."""
    found: Json = call.world.note(f"domain {name}")
    return found


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@handles("GET /v1/payment_method_domains/{payment_method_domain}")
def retrieve(call: Call) -> Json:
    """Read a domain."""
    return call.world.get("payment_method_domain", call.ids[0])


@handles("GET /v1/payment_method_domains")
def list_(call: Call) -> Json:
    """List domains."""
    filters = {"domain_name": call.params.get("domain_name"), "enabled": call.params.get("enabled")}
    return listed(call, "payment_method_domain", filters)


@handles("POST /v1/payment_method_domains/{payment_method_domain}")
def update(call: Call) -> Json:
    """Switch a domain on or off."""
    row = call.world.get("payment_method_domain", call.ids[0])
    with call.changing(row):
        if "enabled" in call.params:
            row["enabled"] = call.params["enabled"]
    return row


@handles("POST /v1/payment_method_domains/{payment_method_domain}/validate")
def validate(call: Call) -> Json:
    """Check a domain again."""
    row = call.world.get("payment_method_domain", call.ids[0])
    rulings = _rulings(call, row["domain_name"])
    for wallet in [w for w, ruling in rulings.items() if ruling["until_validated"]]:
        del rulings[wallet]
    with call.changing(row):
        row |= _statuses(call, row["domain_name"])
    return row


@functools.cache
def _method_names() -> tuple[str, ...]:
    """Every method a configuration knows: what its SDK class holds as a nested class."""
    return tuple(sorted(getattr(object_classes()["payment_method_configuration"], "_inner_class_types", ())))


def _configuration(call: Call) -> Json:
    return {
        "id": CONFIGURATION,
        "object": "payment_method_configuration",
        "active": True,
        "application": None,
        "is_default": True,
        "livemode": call.world.livemode,
        "name": "Default",
        "parent": None,
    } | {name: _availability(name in _ON) for name in _method_names()}


def _availability(on: bool) -> Json:  # noqa: FBT001 - on or off is all there is
    word = "on" if on else "off"
    return {
        "available": on,
        "display_preference": {"overridable": None, "preference": word, "value": word},
    }


@handles("GET /v1/payment_method_configurations")
def list_configurations(call: Call) -> Json:
    """List the one configuration."""
    return page(call, [_configuration(call)], call.path)


@handles("GET /v1/payment_method_configurations/{configuration}")
def retrieve_configuration(call: Call) -> Json:
    """Read the configuration."""
    if call.ids[0] != CONFIGURATION:
        return call.world.get("payment_method_configuration", call.ids[0], param="configuration")
    return _configuration(call)
