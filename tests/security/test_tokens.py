from __future__ import annotations

from itertools import combinations

from portal.security.tokens import Purpose, hash_token, new_token, sign, unsign

KEY = b"k" * 32


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {new_token() for _ in range(10_000)}
    assert len(tokens) == 10_000
    assert {len(token) for token in tokens} == {43}


def test_token_of_one_purpose_never_matches_another() -> None:
    token = new_token()
    for one, other in combinations(Purpose, 2):
        assert hash_token(token, one) != hash_token(token, other)


def test_hash_does_not_hold_the_token() -> None:
    token = new_token()
    assert token.encode() not in hash_token(token, Purpose.SESSION)
    assert len(hash_token(token, Purpose.SESSION)) == 32


def test_signed_text_comes_back_and_a_changed_one_does_not() -> None:
    signed = sign("hello.world", key=KEY)
    assert unsign(signed, key=KEY) == "hello.world"
    assert unsign(signed, key=b"x" * 32) is None
    for at in range(len(signed)):
        assert unsign(signed[:at] + ("0" if signed[at] != "0" else "1") + signed[at + 1 :], key=KEY) is None
    assert unsign("", key=KEY) is None
    assert unsign("é", key=KEY) is None
