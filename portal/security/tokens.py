"""Tokens that open something: sessions, set-up, pay links, webhook addresses. Only hashes are stored."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from enum import StrEnum

TOKEN_BYTES = 32


class Purpose(StrEnum):
    """What a token is for; a token of one purpose never matches another."""

    SESSION = "session"
    SETUP = "setup"
    PAY_LINK = "pay-link"
    METHOD_LINK = "method-link"
    WEBHOOK = "webhook"


def new_token() -> str:
    """256 random bits as 43 characters that are safe in an address."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str, purpose: Purpose | str) -> bytes:
    """What is stored and looked up instead of the token."""
    return hashlib.sha256(f"{purpose}\0{token}".encode("utf-8", "surrogatepass")).digest()


def sign(text: str, *, key: bytes) -> str:
    """`<text>.<signature>`, for short-lived values that a browser carries."""
    return f"{text}.{_signature(text, key)}"


def unsign(signed: str, *, key: bytes) -> str | None:
    """The text, or None when the signature is not ours."""
    text, _, signature = signed.rpartition(".")
    fits = hmac.compare_digest(signature.encode(), _signature(text, key).encode())
    return text if fits else None


def _signature(text: str, key: bytes) -> str:
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
