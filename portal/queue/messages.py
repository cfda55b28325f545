"""Dramatiq messages that carry ids and nothing else."""

from __future__ import annotations

import uuid
from typing import Any

import dramatiq
from dramatiq.broker import MessageProxy

from portal.queue.failures import NonIdArgument

Identifier = int | str
"""A row's id, or a UUID in its usual spelling (36 characters)."""

DEFAULT_QUEUE = "default"
LARGEST_ID = 2**63 - 1
UUID_LENGTH = 36


def build_message(
    actor_name: str, *ids: Identifier, queue_name: str = DEFAULT_QUEUE
) -> dramatiq.Message[Any]:
    """A message for the actor of that name, which need not be importable here.

    Raises:
        NonIdArgument: something among `ids` is no id.
    """
    message: dramatiq.Message[Any] = dramatiq.Message(
        queue_name=queue_name, actor_name=actor_name, args=ids, kwargs={}, options={}
    )
    refuse_other_than_ids(message)
    return message


def refuse_other_than_ids(message: dramatiq.Message[Any] | MessageProxy) -> None:
    """Let a message pass whose arguments are all ids.

    Raises:
        NonIdArgument: names the actor and the argument's type, never its value.
    """
    for value in (*message.args, *message.kwargs.values()):
        if not is_id(value):
            raise NonIdArgument(
                f"The actor {message.actor_name} was sent a {type(value).__name__} that is no id.",
                hint="Store the value in a row and send the row's id.",
            )


def is_id(value: object) -> bool:
    """Whether it is a database id or the text of a UUID."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int):
        return 0 <= value <= LARGEST_ID
    if not isinstance(value, str) or len(value) != UUID_LENGTH:
        return False
    try:
        return str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False
