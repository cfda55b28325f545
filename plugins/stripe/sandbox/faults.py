"""Faults on purpose: wrong statuses, delays, dropped connections, a ceiling on the request rate."""

from __future__ import annotations

import random
import re
import time
from dataclasses import dataclass, field
from typing import Any

from plugins.stripe.sandbox.errors import ApiError, Json


@dataclass(slots=True)
class Fault:
    """One rule. The first that matches a request acts on it."""

    match: str
    """`POST /v1/invoices`; `*` stands for any one part of the path, a final `**` for any rest."""
    status: int | None = None
    delay_ms: int = 0
    drop: str | None = None
    """`before` the call has any effect, or `after` it took effect."""
    times: int | None = 1
    """How often it acts; None for ever."""
    headers: dict[str, str] = field(default_factory=dict)
    probability: float = 1.0
    seed: int | None = None
    code: str | None = None
    message: str | None = None
    acted: int = 0

    def as_json(self) -> Json:
        """The plain form, with how often it acted."""
        return {name: getattr(self, name) for name in self.__slots__}

    def error(self) -> ApiError | None:
        """The answer this rule gives, if it gives one."""
        if self.status is None:
            return None
        error = _error(self.status, self.code, self.message)
        error.headers = self.headers
        error.executed = self.status >= 500
        return error


class Faults:
    """The rules in force."""

    def __init__(self) -> None:
        self.rules: list[Fault] = []
        self.rate_per_second: float | None = None
        self._dice: dict[int, random.Random] = {}
        self._allowance = 0.0
        self._refilled_at = time.monotonic()

    def clear(self) -> None:
        """Forget every rule."""
        self.rules.clear()
        self._dice.clear()
        self.rate_per_second = None

    def add(self, rule: dict[str, Any]) -> None:
        """Put a rule in force.

        Raises:
            TypeError: the rule has a field that no fault has.
        """
        if "rate_per_second" in rule:
            self.rate_per_second = rule["rate_per_second"]
            self._allowance = float(rule["rate_per_second"] or 0)
            return
        self.rules.append(Fault(**rule))

    def as_json(self) -> Json:
        """The rules in their plain form."""
        return {"faults": [f.as_json() for f in self.rules], "rate_per_second": self.rate_per_second}

    def strike(self, method: str, path: str) -> Fault | None:
        """The rule that acts on this request; it is used up by one."""
        for rule in self.rules:
            if rule.times != 0 and _matches(rule.match, f"{method} {path}") and self._roll(rule):
                rule.acted += 1
                rule.times = None if rule.times is None else rule.times - 1
                return rule
        return None

    def check_rate(self) -> None:
        """Take one from the allowance of this second.

        Raises:
            ApiError: 429, there is nothing left.
        """
        if self.rate_per_second is None:
            return
        moment = time.monotonic()
        refill = (moment - self._refilled_at) * self.rate_per_second
        self._allowance = min(self._allowance + refill, max(self.rate_per_second, 1))
        self._refilled_at = moment
        if self._allowance < 1:
            raise _error(429, None, None)
        self._allowance -= 1

    def _roll(self, rule: Fault) -> bool:
        if rule.probability >= 1:
            return True
        dice = self._dice.setdefault(id(rule), random.Random(rule.seed))  # noqa: S311 - repeatable on purpose
        return dice.random() < rule.probability


def _matches(pattern: str, request: str) -> bool:
    expression = re.escape(pattern).replace(r"\*\*", ".*").replace(r"\*", "[^/ ]+")
    return re.fullmatch(expression, request) is not None


def _error(status: int, code: str | None, message: str | None) -> ApiError:
    if status == 429:
        return ApiError(
            429,
            message
            or "Request rate limit exceeded. Learn more about rate limits at https://docs.stripe.com/rate-limits",
            code=code or "rate_limit",
        )
    kind = "api_error" if status >= 500 else "invalid_request_error"
    words = message or "An unknown error occurred. This is a fault of the sandbox, made on purpose."
    return ApiError(status, words, code=code, kind=kind)
