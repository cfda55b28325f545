"""Micro-deposits: two small amounts or a code on the bank statement prove that the account is the payer's."""

from __future__ import annotations

from plugins.stripe.sandbox import banks
from plugins.stripe.sandbox.calls import Call
from plugins.stripe.sandbox.errors import ApiError, Json, docs_url
from plugins.stripe.sandbox.wire import copied

_ARRIVAL_SECONDS = 2 * 86400


def ask_for_verification(call: Call, intent: Json) -> None:
    """The intent waits for the payer to read their bank statement."""
    method = call.world.get("payment_method", intent["payment_method"])
    kind = "amounts" if call.world.note(method["id"]).get("number", "").endswith("2") else "descriptor_code"
    with call.changing(intent):
        intent |= {
            "next_action": {
                "type": "verify_with_microdeposits",
                "verify_with_microdeposits": {
                    "arrival_date": call.now(intent["customer"]) + _ARRIVAL_SECONDS,
                    "hosted_verification_url": f"{call.sandbox.url}/_sandbox/microdeposits/{intent['id']}",
                    "microdeposit_type": kind,
                },
            },
            "status": "requires_action",
        }


def check(call: Call, intent: Json, error_field: str) -> Json:
    """Compare what the payer entered. Returns the verified method.

    Raises:
        ApiError: 400; after too many tries or too late the intent asks for another method.
    """
    action = intent["next_action"] or {}
    if intent["status"] != "requires_action" or action.get("type") != "verify_with_microdeposits":
        raise ApiError(
            400,
            "This intent cannot be verified with micro-deposits in its current state.",
            code=f"{intent['object']}_unexpected_state",
        )
    method = call.world.get("payment_method", intent["payment_method"])
    amounts, code = call.params.get("amounts"), call.params.get("descriptor_code")
    bank = banks.by_number(call.world.note(method["id"])["number"])
    if bank.microdeposits_fail:
        raise _given_up(call, intent, error_field, _FAILED)
    if amounts == banks.AMOUNTS_RIGHT or code == banks.CODE_RIGHT:
        call.world.note(method["id"])["verified"] = True
        return method
    if amounts == banks.AMOUNTS_EXCEEDED or code == banks.CODE_EXCEEDED:
        raise _given_up(call, intent, error_field, _EXCEEDED)
    if amounts == banks.AMOUNTS_TIMEOUT or code == banks.CODE_TIMEOUT:
        raise _given_up(call, intent, error_field, _TIMEOUT)
    if code is not None:
        raise ApiError(
            400,
            "The descriptor code provided does not match the one sent to the bank account.",
            code="payment_method_microdeposit_verification_descriptor_code_mismatch",
        )
    if amounts is None:
        raise ApiError(
            400,
            "One of the following params should be provided: amounts or descriptor_code.",
            code="parameter_missing",
        )
    raise ApiError(
        400,
        "The amounts provided do not match the amounts that were sent to the bank account.",
        code="payment_method_microdeposit_verification_amounts_mismatch",
    )


_FAILED = (
    "payment_method_microdeposit_failed",
    "Microdeposit transfers failed. Check the bank account's details.",
)
_EXCEEDED = (
    "payment_method_microdeposit_verification_attempts_exceeded",
    "You have exceeded the number of allowed verification attempts.",
)
_TIMEOUT = (
    "payment_method_microdeposit_verification_timeout",
    "The time to verify this bank account has run out.",
)


def _given_up(call: Call, intent: Json, error_field: str, reason: tuple[str, str]) -> ApiError:
    method = call.world.get("payment_method", intent["payment_method"])
    code, message = reason
    error: Json = {
        "code": code,
        "doc_url": docs_url(code),
        "message": message,
        "payment_method": copied(method),
        "type": "invalid_request_error",
    }
    with call.changing(intent):
        intent |= {
            error_field: error,
            "next_action": None,
            "payment_method": None,
            "status": "requires_payment_method",
        }
    kind = "payment_failed" if intent["object"] == "payment_intent" else "setup_failed"
    call.emit(f"{intent['object']}.{kind}", intent)
    return ApiError(400, message, code=code)
