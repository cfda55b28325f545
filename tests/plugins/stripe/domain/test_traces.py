"""The call behind an event is read from whatever body there is."""

from __future__ import annotations

import json

import pytest

from plugins.stripe.domain.traces import Cause, cause_of, version_note


@pytest.mark.parametrize(
    ("request_", "cause"),
    [
        ({"id": "req_1", "idempotency_key": "portal:x:1"}, Cause("req_1", "portal:x:1")),
        ({"id": "req_1", "idempotency_key": None}, Cause("req_1")),
        ("req_1", Cause("req_1")),
        ({"id": 7}, Cause()),
        (None, Cause()),
    ],
)
def test_request_is_read_in_every_form_it_had(request_: object, cause: Cause) -> None:
    assert cause_of(json.dumps({"request": request_}).encode()) == cause


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff", b"[" * 100_000])
def test_body_that_says_nothing_has_no_cause(body: bytes) -> None:
    assert cause_of(body) == Cause()


def test_another_version_is_worth_a_note() -> None:
    assert "2020-08-27" in version_note("2020-08-27", "2026-10-28.endive")
    assert version_note("2026-10-28.endive", "2026-10-28.endive") == ""
    assert version_note(None, "2026-10-28.endive") == ""
