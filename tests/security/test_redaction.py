from __future__ import annotations

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.contract.secrets import Secret
from portal.security.redaction import (
    BEARER,
    CLIENT_SECRET,
    CONTROL,
    FAILING_ROW,
    KEY_PATTERN,
    NAMED_VALUE,
    SUSPECT,
    TOKEN_PATH,
    URL_CREDENTIALS,
    JsonLines,
    redact,
    request_id_now,
)

CANARY = "51Qx7CANARYvalue99"


@pytest.mark.parametrize(
    "text",
    [
        f"sk_live_{CANARY}",
        f"the key sk_test_{CANARY}.",
        f"rk_live_{CANARY}",
        f"rk_test_{CANARY},",
        f"pk_test_{CANARY}",
        f"whsec_{CANARY}",
        f"whsec_{CANARY}+/=abc",
        f"pi_3Abc_secret_{CANARY}",
        f"seti_1Abc_secret_{CANARY}",
        f"cs_test_a1_secret_{CANARY}",
        f'{{"client_secret": "pi_1_secret_{CANARY}"}}',
        f"Authorization: Bearer sk_test_{CANARY}",
        f"authorization=Basic {CANARY}",
        f"password={CANARY}",
        f'"password": "{CANARY}"',
        f"'new_password': '{CANARY}'",
        f"secret_key={CANARY}&publishable_key=pk",
        f"token: {CANARY}",
        f"/setup?token={CANARY}",
        f"DETAIL:  Failing row contains (11, 1, Ana, null,\n{CANARY}).",
        f"GET /pay/{CANARY}{CANARY} 200",
        f"POST /webhooks/stripe/{CANARY}{CANARY}",
        f"Cookie: portal_session={CANARY}",
        f"postgresql://portal:{CANARY}@db.example/portal",
        f"amqp://guest:{CANARY}@queue:5672/",
        f"redis://:{CANARY}@cache:6379/0",
    ],
)
def test_nothing_that_opens_something_reaches_a_log(text: str) -> None:
    assert CANARY not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Invoice INV-0043 paid",
        "customer cus_Nffrf9 linked",
        "pi_3Abc succeeded",
        "/invoices/17 in 12 ms",
        "line\nline\ttab",
    ],
)
def test_ordinary_words_stay(text: str) -> None:
    assert redact(text) == text


PIECES = (
    *"sk_ pk_ rk_ live test whsec _secret_ secret token Cookie PASSWORD passwd api_key".split(),
    *"Bearer basic pi_1 seti cs".split(),
    *"authorization /pay/ /webhooks/ stripe http:// : = @ ' \" _ , a1B2c3D4e5F6g7H8i9 ſecret toKen".split(),
    *("Failing row contains (", " ", "\n", "\x00", "\x85", "\u2028"),
)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_what_is_passed_over_at_a_glance_holds_nothing_that_any_pattern_finds(text: str) -> None:
    named = (URL_CREDENTIALS, BEARER, NAMED_VALUE, TOKEN_PATH, FAILING_ROW)
    patterns = (KEY_PATTERN, CLIENT_SECRET, CONTROL, *named)
    if any(pattern.search(text) for pattern in patterns):
        assert SUSPECT.search(text)


def test_control_characters_do_not_drive_a_terminal() -> None:
    assert redact("a\x1b[31mred\x07\x00\r\x9b") == "a\\x1b[31mred\\x07\\x00\\x0d\\x9b"


def line(message: str, *arguments: object, **extra: object) -> dict[str, object]:
    record = logging.LogRecord("portal.test", logging.INFO, __file__, 1, message, arguments, None)
    vars(record).update(extra)
    parsed: dict[str, object] = json.loads(JsonLines("web").format(record))
    return parsed


def test_line_is_one_json_object_whatever_is_in_it() -> None:
    record = logging.LogRecord("portal.test", logging.INFO, __file__, 1, "two\nlines", (), None)
    text = JsonLines("web").format(record)
    assert "\n" not in text
    assert json.loads(text)["message"] == "two\nlines"


def test_arguments_and_extras_are_covered() -> None:
    entry = line(
        "key %s", f"sk_test_{CANARY}", webhook_secret=CANARY, nested={"api_key": CANARY}, held=Secret(CANARY)
    )
    assert CANARY not in json.dumps(entry)


def test_tracebacks_are_covered() -> None:
    error = RuntimeError(f"refused sk_test_{CANARY}")
    record = logging.LogRecord(
        "portal.test", logging.ERROR, __file__, 1, "failed", (), (type(error), error, None)
    )
    text = JsonLines("worker").format(record)
    assert CANARY not in text
    assert "RuntimeError" in text


def test_line_names_the_request() -> None:
    reset = request_id_now.set("abc123")
    try:
        assert line("hello")["request_id"] == "abc123"
    finally:
        request_id_now.reset(reset)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {secret!s} {[secret]} {secret:>40}"
    with pytest.raises(TypeError):
        json.dumps(secret)
