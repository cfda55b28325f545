"""A text that never shows itself: not in repr, str, format, JSON or pickle."""

from __future__ import annotations

import hmac
from typing import NoReturn


class Secret:
    """Holds a credential; `reveal()` is the only way to read it, so every reader can be found by name."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The text itself. Use it in the call that needs it and let it go."""
        return self._value

    @property
    def tail(self) -> str:
        """The last four characters, for people to recognise a key by."""
        return self._value[-4:] if len(self._value) >= 12 else ""

    def __bool__(self) -> bool:
        return bool(self._value.strip())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret does not travel")
