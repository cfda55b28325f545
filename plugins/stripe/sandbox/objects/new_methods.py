"""Making payment methods: from card and bank data, from tokens, and the ready-made ones of test mode."""

from __future__ import annotations

import time
from dataclasses import replace

from plugins.stripe.sandbox import banks, cards
from plugins.stripe.sandbox.banks import Bank
from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.cards import Card
from plugins.stripe.sandbox.errors import ApiError, Json, missing_object, missing_param
from plugins.stripe.sandbox.objects.addresses import billing_details
from plugins.stripe.sandbox.store.worlds import World

INSTANT_ACCOUNT = "fca_sandbox_"
"""A Financial Connections account of the sandbox: this, then the number of a test bank account."""


# ---- what a method is


def card_of(world: World, method: Json) -> Card:
    """The test card behind a method, refused where a control call says so."""
    note = world.note(method["id"])
    card = cards.by_number(note.get("number", "4242424242424242"))
    refused = cards.by_token(f"pm_card_{note['declined_as']}") if note.get("declined_as") else None
    return replace(card, decline=refused.decline) if refused else card


def bank_of(world: World, method: Json) -> Bank:
    """The test bank account behind a method."""
    return banks.by_number(world.note(method["id"]).get("number", "000123456789"))


def add_method(call: Call, kind: str, details: Json, *, given: Json | None = None) -> Json:
    """Store a new method of a type."""
    given = given or {}
    return call.world.add(
        "payment_method",
        {
            "allow_redisplay": given.get("allow_redisplay") or "unspecified",
            "billing_details": billing_details(given.get("billing_details")),
            kind: details,
            "customer": None,
            "customer_account": None,
            "metadata": {k: v for k, v in (given.get("metadata") or {}).items() if v != ""},
            "shared_payment_granted_token": None,
            "type": kind,
        },
    )


def add_card(
    call: Call, card: Card, *, expiry: tuple[int, int] | None = None, given: Json | None = None
) -> Json:
    """Store a card."""
    month, year = expiry or _next_year()
    details: Json = {
        "brand": card.brand,
        "checks": {
            "address_line1_check": None,
            "address_postal_code_check": None,
            "cvc_check": "unchecked",
        },
        "country": card.country,
        "display_brand": card.brand,
        "exp_month": month,
        "exp_year": year,
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    method = add_method(call, "card", details, given=given)
    call.world.note(method["id"])["number"] = card.number
    return method


def add_bank(call: Call, bank: Bank, *, verified: bool, given: Json | None = None) -> Json:
    """Store a US bank account; `verified` ones need no micro-deposits."""
    account = (given or {}).get("us_bank_account") or {}
    details: Json = {
        "account_holder_type": account.get("account_holder_type") or "individual",
        "account_type": account.get("account_type") or "checking",
        "bank_name": banks.BANK_NAME,
        "financial_connections_account": account.get("financial_connections_account"),
        "fingerprint": bank.fingerprint,
        "last4": bank.last4,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": account.get("routing_number") or banks.ROUTING_NUMBER,
        "status_details": {},
    }
    method = add_method(call, "us_bank_account", details, given=given)
    call.world.note(method["id"]).update(number=bank.number, verified=verified)
    return method


def _next_year() -> tuple[int, int]:
    today = time.gmtime()
    return today.tm_mon, today.tm_year + 1


# ---- finding and making them


def method_for(call: Call, method_id: str, *, param: str = "payment_method", status: int = 400) -> Json:
    """The method a parameter names; a ready-made one (`pm_card_visa`) becomes a new method each time."""
    found = call.world.find("payment_method", method_id)
    if found is not None:
        return found
    made = None if call.world.livemode else _ready_made(call, method_id)
    if made is None:
        raise missing_object("PaymentMethod", method_id, param=param, status=status)
    return made


def _ready_made(call: Call, name: str) -> Json | None:
    if (card := cards.by_token(name)) is not None:
        return add_card(call, card)
    if (bank := banks.by_token(name)) is not None:
        holder: Json = {"billing_details": {"name": "Jane Doe", "email": "jane.doe@example.com"}}
        return add_bank(call, bank, verified=not bank.microdeposits_fail, given=holder)
    return None


def method_from_data(call: Call, data: Json, *, prefix: str = "") -> Json:
    """A new method from its parameters. `prefix` names them in errors: `payment_method_data`."""
    kind = data.get("type")
    if not kind:
        raise missing_param(_name(prefix, "type"))
    if kind == "card":
        return _card_from(call, data, prefix)
    if kind == "us_bank_account":
        return _bank_from(call, data, prefix)
    return add_method(call, kind, data.get(kind) or {}, given=data)


def _name(prefix: str, *parts: str) -> str:
    names = ([prefix] if prefix else []) + list(parts)
    return names[0] + "".join(f"[{n}]" for n in names[1:])


def _card_from(call: Call, data: Json, prefix: str) -> Json:
    given = data.get("card") or {}
    if token := given.get("token"):
        return _card_from_token(call, token, data, param=_name(prefix, "card", "token"))
    for name in ("number", "exp_month", "exp_year"):
        if not given.get(name):
            raise missing_param(_name(prefix, "card", name))
    check_card(given)
    card = cards.by_number(plain_number(given["number"]))
    return add_card(call, card, expiry=(given["exp_month"], full_year(given["exp_year"])), given=data)


def _card_from_token(call: Call, token: str, data: Json, *, param: str) -> Json:
    stored = call.world.find("token", token)
    if stored is not None:
        note = call.world.note(token)
        if stored["used"]:
            raise ApiError(
                400,
                f"You cannot use a Stripe token more than once: {token}.",
                code="token_already_used",
                param=param,
            )
        stored["used"] = True
        card = cards.by_number(note["number"])
        return add_card(call, card, expiry=(note["exp_month"], note["exp_year"]), given=data)
    ready = cards.by_token(token)
    if ready is None or call.world.livemode:
        raise missing_object("token", token, param=param, status=400)
    return add_card(call, ready, given=data)


def plain_number(text: str) -> str:
    """A card number without its spaces."""
    return text.replace(" ", "").replace("-", "")


def full_year(year: int) -> int:
    """A year of two digits made four."""
    return year + 2000 if year < 100 else year


def check_card(given: Json) -> None:
    """Refuse a card whose own data is wrong.

    Raises:
        ApiError: 402, as for a declined card.
    """
    month, year = _number(given["exp_month"], "month"), full_year(_number(given["exp_year"], "year"))
    today = time.gmtime()
    if not cards.is_valid_number(plain_number(given["number"])):
        raise _card_error("Your card number is incorrect.", "incorrect_number", "number")
    if not 1 <= month <= 12:
        raise _card_error("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month")
    if not today.tm_year <= year <= today.tm_year + 50:
        raise _card_error("Your card's expiration year is invalid.", "invalid_expiry_year", "exp_year")
    if (year, month) < (today.tm_year, today.tm_mon):
        raise _card_error("Your card's expiration month is invalid.", "invalid_expiry_month", "exp_month")
    if (cvc := given.get("cvc")) and not (cvc.isdecimal() and 3 <= len(cvc) <= 4):
        raise _card_error("Your card's security code is invalid.", "invalid_cvc", "cvc")


def _number(value: object, part: str) -> int:
    if isinstance(value, int) or str(value).isdecimal():
        return int(str(value))
    raise _card_error(f"Your card's expiration {part} is invalid.", f"invalid_expiry_{part}", f"exp_{part}")


def _card_error(message: str, code: str, param: str) -> ApiError:
    return ApiError(402, message, code=code, param=param, kind="card_error")


def _bank_from(call: Call, data: Json, prefix: str) -> Json:
    given = data.get("us_bank_account") or {}
    connected = given.get("financial_connections_account") or ""
    if connected.startswith(INSTANT_ACCOUNT):
        bank = banks.by_number(connected.removeprefix(INSTANT_ACCOUNT))
        return add_bank(call, bank, verified=True, given=data)
    for name in ("account_number", "routing_number"):
        if not given.get(name):
            raise missing_param(_name(prefix, "us_bank_account", name))
    routing = given["routing_number"]
    if not (routing.isdecimal() and len(routing) == 9):
        raise ApiError(
            400,
            "Invalid routing number: must be 9 digits.",
            code="routing_number_invalid",
            param=_name(prefix, "us_bank_account", "routing_number"),
        )
    if not (data.get("billing_details") or {}).get("name"):
        raise missing_param(_name(prefix, "billing_details", "name"))
    return add_bank(call, banks.by_number(given["account_number"]), verified=False, given=data)
