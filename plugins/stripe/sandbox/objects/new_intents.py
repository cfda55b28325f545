"""New payment intents: their defaults, and the amounts they take."""

from __future__ import annotations

from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError, Json
from plugins.stripe.sandbox.money import MAX_AMOUNT, MINIMUM, in_words
from plugins.stripe.sandbox.objects.intents import default_options
from plugins.stripe.sandbox.store.ids import new_client_secret, new_id


def add_intent(call: Call, fields: Json) -> Json:
    """Store a new intent: these fields over Stripe's defaults."""
    intent_id = new_id("payment_intent")
    types = fields["payment_method_types"]
    return call.world.add(
        "payment_intent",
        {
            "id": intent_id,
            "allowed_payment_method_types": None,
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application": None,
            "application_fee_amount": None,
            "automatic_payment_methods": None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": "automatic_async",
            "client_secret": new_client_secret(intent_id),
            "confirmation_method": "automatic",
            "customer": None,
            "customer_account": None,
            "description": None,
            "excluded_payment_method_types": None,
            "last_payment_error": None,
            "latest_charge": None,
            "managed_payments": {"enabled": False},
            "metadata": {},
            "next_action": None,
            "on_behalf_of": None,
            "payment_method": None,
            "payment_method_configuration_details": None,
            "payment_method_options": default_options(types),
            "payment_record": None,
            "processing": None,
            "receipt_email": None,
            "review": None,
            "setup_future_usage": None,
            "shared_payment_granted_token": None,
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": None,
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        }
        | fields,
        created=call.now(fields.get("customer")),
    )


def check_amount(amount: int, currency: str) -> None:
    """Refuse amounts that cannot be charged.

    Raises:
        ApiError: 400, with Stripe's codes.
    """
    if not (len(currency) == 3 and currency.isalpha()):
        raise ApiError(400, f"Invalid currency: {currency}.", param="currency")
    if amount < 1:
        raise ApiError(
            400,
            "This value must be greater than or equal to 1.",
            code="parameter_invalid_integer",
            param="amount",
        )
    if amount > MAX_AMOUNT:
        words = in_words(MAX_AMOUNT, currency)
        raise ApiError(400, f"Amount must be no more than {words}", code="amount_too_large", param="amount")
    least = MINIMUM.get(currency, 1)
    if amount < least:
        words = f"Amount must be at least {in_words(least, currency)} {currency}"
        raise ApiError(400, words, code="amount_too_small", param="amount")
