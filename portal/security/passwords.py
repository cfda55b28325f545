"""Passwords: argon2id off the event loop, and rules that help instead of annoy."""

from __future__ import annotations

import asyncio
import functools
import re
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from portal.errors import PortalError

SHORTEST = 12
SUGGESTED = 15
LONGEST = 256
WAIT_SECONDS = 20.0
HASHES_AT_ONCE = 2
"""Each takes 64 MiB and a core for about an eighth of a second; the rest waits its turn."""
COMMON_LIST = Path(__file__).parent / "common_passwords.txt"
DECORATION = re.compile(r"[\d\W_]+")
LOOKALIKES = str.maketrans("04@13$57!8", "oaaiesstib")
DECOY = "$argon2id$v=19$m=65536,t=3,p=4$q3aYjypVAq28JCPsjqXaTg$aT/64yzzllQ9ytbIu8LPwro1zWphtg/6ryZ2rgT1L9A"
"""The hash of a password nobody has: an unknown email costs the same work as a known one."""

Answer = TypeVar("Answer")
_hasher = PasswordHasher()
_workers = ThreadPoolExecutor(max_workers=HASHES_AT_ONCE, thread_name_prefix="argon2")


class TooBusyToHash(PortalError):
    """More sign-ins than this machine can check in time."""

    code = "SIGN_IN_BUSY"
    status_code = 503


async def hash_password(password: str) -> str:
    """The argon2id hash to store.

    Raises:
        TooBusyToHash: no turn in time.
    """
    return await _in_turn(lambda: _hasher.hash(_canonical(password)))


async def verify_password(stored: str | None, password: str) -> bool:
    """Whether the password fits. With None (nobody has that email) the same work ends in False.

    Raises:
        TooBusyToHash: no turn in time.
    """
    fits = await _in_turn(lambda: _fits(stored or DECOY, _canonical(password)))
    return fits and stored is not None


def needs_rehash(stored: str) -> bool:
    """Whether the hash was made with weaker settings than today's."""
    return _hasher.check_needs_rehash(stored)


def password_problem(password: str, *, about: Iterable[str] = ()) -> str | None:
    """Why a new password is not good enough, as what to do; None when it is.

    Args:
        password: what the person typed.
        about: words an attacker would try first: their name, email, the organisation.
    """
    if len(password) < SHORTEST:
        return f"Use at least {SHORTEST} characters. {SUGGESTED} or more is better."
    if len(password) > LONGEST:
        return f"Use at most {LONGEST} characters."
    if is_common(password):
        return "This is one of the first passwords an attacker tries. Use several unrelated words."
    if _plain(password) in {_plain(word) for text in about for word in (text, text.partition("@")[0])}:
        return "Do not build the password from your name, email or organisation."
    return None


def describe_strength(password: str, *, about: Iterable[str] = ()) -> tuple[str, str]:
    """`(tone, words)` for the slot under the field."""
    if problem := password_problem(password, about=about):
        return "bad", problem
    if len(password) < SUGGESTED or len(set(password)) < SUGGESTED // 2:
        return "warn", f"Good enough. {SUGGESTED} or more varied characters would be strong."
    return "ok", "Strong."


def is_common(password: str) -> bool:
    """Whether it is a listed password, or one in disguise: capitals, look-alikes, digits around it."""
    lowered = _canonical(password).casefold()
    if len(set(lowered)) <= 2:
        return True
    return not _disguises(lowered).isdisjoint(_common())


def _disguises(lowered: str) -> set[str]:
    undone = lowered.translate(LOOKALIKES)
    forms = {lowered, undone, *(DECORATION.sub("", form) for form in (lowered, undone))}
    stripped = lowered.strip("0123456789!@#$%^&*()-_=+.,?/ ")
    forms |= {stripped, stripped.translate(LOOKALIKES)}
    for form in tuple(forms):
        half, odd = divmod(len(form), 2)
        if half and not odd and form[:half] == form[half:]:
            forms.add(form[:half])
    return forms - {""}


@functools.cache
def _common() -> frozenset[str]:
    lines = COMMON_LIST.read_text("utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def _plain(text: str) -> str:
    return DECORATION.sub("", text.casefold())


def _canonical(password: str) -> str:
    """Two ways to type the same letters (composed or not) are one password."""
    return unicodedata.normalize("NFKC", password)


def _fits(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def _in_turn(work: Callable[[], Answer]) -> Answer:
    turn = asyncio.get_running_loop().run_in_executor(_workers, work)
    try:
        return await asyncio.wait_for(turn, WAIT_SECONDS)
    except TimeoutError:
        raise TooBusyToHash(
            "Too many people are signing in at this moment.", hint="Try again in a minute."
        ) from None
