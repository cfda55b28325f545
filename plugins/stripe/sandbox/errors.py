"""Stripe's error envelope."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
"""A JSON object as it goes over the wire."""

NOT_BUILT = 501

_WITHOUT_DOCS = frozenset({"more_permissions_required", "payment_method_types_no_longer_supported"})


class ApiError(Exception):
    """An answer other than success. Keys without a value are absent from the envelope, as at Stripe."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.extra = extra
        self.headers: dict[str, str] = {}
        self.executed = False
        """Whether the call did something before it failed, so that its idempotency key keeps the answer."""

    def body(self, log_url: str) -> Json:
        """The envelope of this error."""
        error: Json = {**self.extra, "message": self.message, "request_log_url": log_url, "type": self.kind}
        if self.code is not None:
            error["code"] = self.code
            if self.code not in _WITHOUT_DOCS:
                error["doc_url"] = docs_url(self.code)
        if self.param is not None:
            error["param"] = self.param
        return {"error": dict(sorted(error.items()))}


def docs_url(code: str) -> str:
    """Where Stripe documents an error code."""
    return f"https://docs.stripe.com/error-codes/{code.replace('_', '-')}"


def missing_object(
    label: str, object_id: str, *, param: str = "id", status: int = 404, hint: str = ""
) -> ApiError:
    """Nothing of that id exists in this world."""
    return ApiError(status, f"No such {label}: '{object_id}'{hint}", code="resource_missing", param=param)


def missing_param(name: str) -> ApiError:
    """A required parameter was left out."""
    return ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)


def not_built(operation: str) -> ApiError:
    """The sandbox does not simulate this operation."""
    return ApiError(NOT_BUILT, f"The Stripe sandbox does not simulate {operation}.", kind="api_error")
