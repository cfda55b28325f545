"""Only ids travel in messages."""

from __future__ import annotations

import pytest

from portal.queue.failures import NonIdArgument
from portal.queue.messages import build_message, is_id


@pytest.mark.parametrize(
    "value", [0, 1, 2**63 - 1, "7130c112-08b9-4797-900d-0f3fa3cdd970", "00B0D2A2-DDA5-4CAD-95E7-41A961E9E469"]
)
def test_row_ids_and_uuids_are_ids(value: object) -> None:
    assert is_id(value)


@pytest.mark.parametrize(
    "value",
    [
        "1",
        "sk_test_1",
        "x" * 36,
        "87e75b80e59d4a8abe2506d81cf12792",
        b"1",
        1.5,
        True,
        -1,
        2**63,
        None,
        [1],
        {"id": 1},
    ],
)
def test_anything_else_is_no_id(value: object) -> None:
    assert not is_id(value)


def test_a_message_for_an_actor_that_is_not_imported_can_be_built() -> None:
    message = build_message("stripe.handle_event", 1, 2)
    assert (message.actor_name, message.args, message.queue_name) == (
        "stripe.handle_event",
        (1, 2),
        "default",
    )


def test_a_refusal_names_the_type_and_not_the_value() -> None:
    with pytest.raises(NonIdArgument, match=r"stripe\.handle_event was sent a str") as refused:
        build_message("stripe.handle_event", "sk_test_planted")
    assert "planted" not in refused.value.message + refused.value.hint
