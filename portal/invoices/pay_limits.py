"""How often whoever holds a link may have the provider asked: what others need must not be used up."""

from __future__ import annotations

from typing import Any

from litestar import Response

from portal.security.tokens import Purpose, hash_token
from portal.web.allowances import Allowance

STARTS = Allowance(30)
"""Of a payment or of a change of the method: each asks for what the form needs."""
LOOKS = Allowance(60)
"""A page that waits for a result looks every two seconds."""
PORTALS = Allowance(6)
"""Of the provider's own pages: each visit is made anew there."""
TOO_OFTEN = "That was tried very often. Try again in a minute."


def may(allowance: Allowance, token: str, purpose: Purpose) -> bool:
    """Use it up once for the link with this token, which must be known to be one."""
    return allowance.take(hash_token(token, purpose))


def too_often() -> Response[dict[str, Any]]:
    """The answer to the page's script."""
    return Response({"message": TOO_OFTEN}, status_code=429)
