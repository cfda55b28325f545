"""What holds for the parameters of every call: metadata limits, and nothing is ignored in silence."""

from __future__ import annotations

from typing import Any

from plugins.stripe.sandbox.errors import ApiError, Json, not_built

MAX_KEYS, MAX_KEY_LENGTH, MAX_VALUE_LENGTH = 50, 40, 500

WITHOUT_EFFECT = frozenset(
    {
        "client_secret",  # checked where a browser asks; servers may send it
        "forgive",  # there are no sources whose shortfall could be forgiven
        "issuer",  # there are no connected accounts
        "mandate",  # debits of the sandbox need none
        "mandate_data",  # the same
        "off_session",  # read when an intent is confirmed, without meaning elsewhere
        "use_stripe_sdk",  # the same
        "payment_method_configuration",  # there is one
        "radar_options",  # risk rules see test cards only
    }
)
"""Parameters that are taken and change nothing in the sandbox."""


class SeenParams(dict[str, Any]):
    """Parameters that know which of them a handler looked at.

    A parameter that no handler looks at would be ignored in silence, so the call answers 501 instead.
    """

    def __init__(self, params: Json) -> None:
        super().__init__(params)
        self._seen: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self._seen.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._seen.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default."""
        self._seen.add(name)
        return super().get(name, default)

    def check_all_seen(self, operation: str) -> None:
        """Refuse a call with a parameter that had no effect.

        Raises:
            ApiError: 501, naming the parameter.
        """
        for name in self:
            if name not in self._seen and name not in WITHOUT_EFFECT:
                raise not_built(f"`{name}` of {operation}")


def check_metadata(params: Json) -> None:
    """Hold metadata to Stripe's limits.

    Raises:
        ApiError: too many keys, or a key or value that is too long.
    """
    metadata = params.get("metadata")
    if not isinstance(metadata, dict):
        return
    if len(metadata) > MAX_KEYS:
        raise ApiError(400, f"Metadata can have at most {MAX_KEYS} keys.", param="metadata")
    for key, value in metadata.items():
        if len(key) > MAX_KEY_LENGTH:
            raise ApiError(
                400,
                f"Metadata keys can have up to {MAX_KEY_LENGTH} characters, but you passed in a key that is "
                f"{len(key)} characters. Invalid key: {key}",
                param="metadata",
            )
        if len(value) > MAX_VALUE_LENGTH:
            raise ApiError(
                400,
                f"Metadata values can have up to {MAX_VALUE_LENGTH} characters, but you passed in a value "
                f"that is {len(value)} characters. Invalid value: {value}",
                param=f"metadata[{key}]",
            )
