"""Card tokens."""

from __future__ import annotations

from plugins.stripe.sandbox import cards
from plugins.stripe.sandbox.calls import Call, handles
from plugins.stripe.sandbox.errors import Json, missing_param, not_built
from plugins.stripe.sandbox.objects.new_methods import check_card, full_year, plain_number
from plugins.stripe.sandbox.store.ids import random_text


@handles("POST /v1/tokens")
def create(call: Call) -> Json:
    """Turn card data into a token that can be used once."""
    given = call.params.get("card")
    if not isinstance(given, dict):
        raise not_built("tokens of anything but card data")
    for name in ("number", "exp_month", "exp_year"):
        if not given.get(name):
            raise missing_param(f"card[{name}]")
    check_card(given)
    card = cards.by_number(plain_number(given["number"]))
    month, year = int(given["exp_month"]), full_year(int(given["exp_year"]))
    token = call.world.add(
        "token",
        {
            "card": _card(card, given, (month, year)),
            "client_ip": "127.0.0.1",
            "type": "card",
            "used": False,
        },
    )
    call.world.note(token["id"]).update(number=card.number, exp_month=month, exp_year=year)
    return token


def _card(card: cards.Card, given: Json, expiry: tuple[int, int]) -> Json:
    empty = (
        "address_city address_country address_line1 address_line1_check address_line2 address_state "
        "address_zip address_zip_check dynamic_last4 name tokenization_method"
    )
    return dict.fromkeys(empty.split()) | {
        "id": f"card_1{random_text(23)}",
        "object": "card",
        "brand": {"visa": "Visa", "mastercard": "MasterCard", "amex": "American Express"}.get(
            card.brand, card.brand.title()
        ),
        "country": card.country,
        "cvc_check": "unchecked" if given.get("cvc") else None,
        "exp_month": expiry[0],
        "exp_year": expiry[1],
        "fingerprint": card.fingerprint,
        "funding": card.funding,
        "last4": card.last4,
        "metadata": {},
        "name": given.get("name"),
        "networks": {"preferred": None},
        "regulated_status": "unregulated",
    }


@handles("GET /v1/tokens/{token}")
def retrieve(call: Call) -> Json:
    """Read a token."""
    return call.world.get("token", call.ids[0], param="token")
